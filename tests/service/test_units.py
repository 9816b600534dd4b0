"""The units: systemd understands them, they leave little to misuse, and they agree with the code."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from runsd_sdk.address import SYSTEM_SOCKET

from tests.service.launch import RUNSD

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
SERVICE_PAGE = ROOT / "docs" / "service.md"


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """The units, with a program that is there."""
    for unit in UNITS.rglob("runsd.*"):
        copy = tmp_path / unit.relative_to(UNITS)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={RUNSD}", unit.read_text(), flags=re.MULTILINE))
    return tmp_path


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize(("scope", "place"), [("--system", "."), ("--user", "user")])
def test_systemd_verifies_the_units_without_a_word(staged: Path, scope: str, place: str) -> None:
    units = [staged / place / name for name in ("runsd.service", "runsd.socket")]
    checked = analyze(staged, scope, "verify", *units)
    assert (checked.returncode, checked.stderr) == (0, "")
    units[0].write_text(units[0].read_text() + "\n[Service]\nWatchdogSeconds=30\n")
    assert "WatchdogSeconds" in analyze(staged, scope, "verify", *units).stderr, "it would say so"


@pytest.mark.needs("systemd-analyze")
def test_the_exposure_is_no_more_than_the_page_says(staged: Path) -> None:
    stated = re.search(r"exposure level of \*\*(\d+\.\d)\*\*", SERVICE_PAGE.read_text())
    assert stated, f"{SERVICE_PAGE} does not state it"
    rated = analyze(staged, "--system", "security", "--offline=true", staged / "runsd.service")
    if "unrecognized option" in rated.stderr:
        pytest.skip("this systemd-analyze cannot rate a unit that is not loaded (systemd 250 can)")
    found = re.search(r"Overall exposure level for runsd.service: (\d+\.\d)", rated.stdout)
    assert found, rated.stderr
    assert float(found[1]) <= float(stated[1])


def test_socket_and_service_agree_with_the_code() -> None:
    system, person = (lines(UNITS / place / "runsd.socket") for place in (".", "user"))
    assert f"ListenStream={SYSTEM_SOCKET}" in system
    assert {"SocketMode=0660", "SocketGroup=runsd", "Accept=no"} <= system
    assert {"ListenStream=%t/runsd/runsd.sock", "SocketMode=0660", "Accept=no"} <= person
    for place in (".", "user"):
        service = lines(UNITS / place / "runsd.service")
        assert {"Type=notify", "NotifyAccess=main", "WatchdogSec=30", "Restart=on-failure"} <= service
    service = lines(UNITS / "runsd.service")
    assert {"Group=runsd", "StateDirectory=runsd", "StateDirectoryMode=0700"} <= service
    assert "g runsd -" in lines(UNITS / "runsd.sysusers")


def analyze(runtime: Path, scope: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Ask systemd-analyze."""
    return subprocess.run(
        ["systemd-analyze", "--no-pager", scope, *arguments],
        env=os.environ | {"XDG_RUNTIME_DIR": str(runtime), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def lines(file: Path) -> set[str]:
    """Return the lines of a file."""
    return set(file.read_text().splitlines())
