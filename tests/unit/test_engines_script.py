"""What is tested on a second Engine, where it comes from, and what a killed one leaves behind."""

import json
import subprocess
import sys
from pathlib import Path

import engines
import packages
import pytest

TARGETS = """\
http://mirror/security/|Debian|Debian-Security|main
http://elsewhere/apt/|Elsewhere|Debian|main
http://mirror/debian/|Debian|Debian|contrib
http://mirror/debian/|Debian|Debian|main
http://mirror/debian/|Debian|Debian|main
"""


def test_debians_main_archive_is_found_among_others() -> None:
    assert packages.debian(TARGETS) == "http://mirror/debian/"


@pytest.mark.parametrize("targets", ["", "http://mirror/debian/|$(ORIGIN)|$(LABEL)|main\n"])
def test_an_archive_that_apt_get_knows_nothing_of_is_not(targets: str) -> None:
    assert packages.debian(targets) is None


def test_without_arguments_the_newer_engine_gets_all_its_tests() -> None:
    assert engines.asked([]) == (engines.SUITE, engines.TESTS)


def test_a_selection_that_names_no_path_is_one_of_its_tests() -> None:
    assert engines.asked(["-k", "cancel"]) == (engines.SUITE, ["-k", "cancel", *engines.TESTS])


def test_paths_and_a_release_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(engines.ROOT)
    one = "tests/engine/test_facts.py::test_one"
    assert engines.asked(["--suite", "forky", one, "-q"]) == ("forky", [one, "-q"])


def test_every_test_that_it_gets_exists() -> None:
    assert [test for test in engines.TESTS if not (engines.ROOT / test).exists()] == []


def test_a_second_one_refuses_until_the_last_heir_of_the_first_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with engines.alone(tmp_path) as lock:
        heir = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock]
        )  # what the Engine's processes are to a killed script
    with heir:
        with pytest.raises(packages.CannotDo), engines.alone(tmp_path):
            pass
        assert "another" in capsys.readouterr().err
        heir.communicate(b"\n")
    with engines.alone(tmp_path):
        pass


def test_what_a_killed_engine_left_is_removed_and_others_cgroups_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, root = tmp_path / "cgroup", tmp_path / "root"
    for name in ("cpu/runsd/ours/container", "cpu/runsd/theirs", "memory/runsd/ours", "memory/docker/theirs"):
        (tree / name).mkdir(parents=True)
    for number, parent in enumerate(("/runsd/ours", "", "/")):
        config = root / f"var/lib/docker/containers/{number}/hostconfig.json"
        config.parent.mkdir(parents=True)
        config.write_text(json.dumps({"CgroupParent": parent}))
    monkeypatch.setattr(engines, "CGROUPS", tree)
    engines.tidy(root)
    left = {str(folder.relative_to(tree)) for folder in tree.rglob("*")}
    assert left == {"cpu", "cpu/runsd", "cpu/runsd/theirs", "memory", "memory/runsd", "memory/docker",
                    "memory/docker/theirs"}  # fmt: skip
    assert not (root / "var/lib/docker").exists()
    engines.tidy(root)  # nothing left is nothing to do
