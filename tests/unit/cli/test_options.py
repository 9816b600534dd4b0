"""What is said on the command line becomes the fields of a RunSpec."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from runsd_sdk import fields

from runsd.cli import runs
from runsd.cli.options import SpecOptions, command_line, environment, mount, pairs, spec_fields
from runsd.cli.run import described


def test_nothing_said_is_nothing_sent() -> None:
    assert spec_fields(SpecOptions()) == {}


def test_every_option_reaches_its_field() -> None:
    said = spec_fields(
        SpecOptions(
            name="n",
            label=["a=1"],
            env=["A=1=2"],
            cpus="0.5",
            memory="512m",
            gpus="1",
            volume=["cache:/c:ro"],
            workdir="/w",
            user="1000:1000",
            network="none",
            runtime="runsc",
            timeout="2h",
            stop_grace="1.5s",
            retries=2,
            pull="always",
        )
    )
    assert said == {
        "name": "n",
        "labels": {"a": "1"},
        "env": {"A": "1=2"},
        "resources": {"requests": {"cpu": "0.5", "memory": "512Mi", "gpu": "1"}},
        "volumeMounts": [{"volumeId": "cache", "mountPath": "/c", "readOnly": True}],
        "workdir": "/w",
        "user": "1000:1000",
        "network": "none",
        "runtime": "runsc",
        "timeoutSeconds": 7200,
        "stopGraceSeconds": 1.5,
        "retries": {"limit": 2},
        "pullPolicy": "always",
    }
    assert fields.run_spec({"image": "a", **said}) == {"image": "a", **said}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cache:/c", {"volumeId": "cache", "mountPath": "/c"}),
        ("cache:/c:rw", {"volumeId": "cache", "mountPath": "/c"}),
        ("vol_1:/c:ro", {"volumeId": "vol_1", "mountPath": "/c", "readOnly": True}),
    ],
)
def test_mounts(text: str, expected: dict[str, Any]) -> None:
    assert mount(text) == expected


@pytest.mark.parametrize("text", ["cache", ":/c", "a:/b:rx", "a:/b:ro:ro", "/host:/c", "./here:/c", "~/x:/c"])
def test_mounts_that_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"VOL:/path|runs volume create"):
        mount(text)


def test_a_variable_without_value_is_taken_from_here_if_it_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "yes")
    monkeypatch.delenv("NOT_HERE", raising=False)
    assert environment(None, ["HERE", "NOT_HERE", "EMPTY="]) == {"HERE": "yes", "EMPTY": ""}


def test_options_override_the_env_file(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# a comment\n\nA=file\nB=x=y\n")
    assert environment(file, ["A=option"]) == {"A": "option", "B": "x=y"}
    with pytest.raises(typer.BadParameter, match="cannot read"):
        environment(tmp_path / "none", None)


@pytest.mark.parametrize("text", ["a", "=b", ""])
def test_labels_are_pairs(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not K=V"):
        pairs([text], "--label")


def test_one_double_dash_before_a_command_is_not_part_of_it() -> None:
    assert command_line(["--", "echo", "--", "-n"]) == ["echo", "--", "-n"]
    assert command_line(["echo"]) == ["echo"]
    assert command_line(None) == []


@pytest.mark.parametrize(
    "text", ["image: alpine\nenv: {A: file, B: b}\n", '{"image": "alpine", "env": {"A": "file", "B": "b"}}']
)
def test_options_and_arguments_override_the_spec_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "spec"
    file.write_text(text)
    found = described(None, None, SpecOptions(env=["A=option"]), file)
    assert found == {"image": "alpine", "env": {"A": "option", "B": "b"}}
    assert described("other", ["echo"], SpecOptions(), file)["image"] == "other"


def test_words_replace_the_command_of_a_spec_file(tmp_path: Path) -> None:
    file = tmp_path / "spec"
    file.write_text("image: a\ncommand: [python, x.py]\n")
    assert described("a", ["--", "sh"], SpecOptions(), file)["command"] == ["sh"]
    assert "args" not in described("a", ["--", "sh"], SpecOptions(), file)


@pytest.mark.parametrize(
    ("words", "image", "args"),
    [
        ("--file {file} -- python -c x", "written", ["python", "-c", "x"]),
        ("--file {file} --name n -- python", "written", ["python"]),
        ("--file {file} other -- python -c x", "other", ["python", "-c", "x"]),
        ("--file {file} other python -- x", "other", ["python", "--", "x"]),
        ("--file {file} -- sh -- x", "written", ["sh", "--", "x"]),
        ("-- other python -c x", "other", ["python", "-c", "x"]),
        ("-- other -- python", "other", ["python"]),
        ("other python", "other", ["python"]),
    ],
)
def test_words_after_a_separator_are_the_programs_where_the_file_names_the_image(
    tmp_path: Path, words: str, image: str, args: list[str]
) -> None:
    file = tmp_path / "spec"
    file.write_text("image: written\n")
    command = typer.main.get_command(runs.app).commands["run"]  # type: ignore[attr-defined]
    given = command.make_context("run", words.format(file=file).split()).params
    found = described(given["image"], given["command"], SpecOptions(), given["file"])
    assert (found["image"], found["args"]) == (image, args)


def test_a_spec_file_of_json_is_read_as_json(tmp_path: Path) -> None:
    spec = {"image": "a", "stopGraceSeconds": 1e-07, "args": ["\U0001f600"]}
    file = tmp_path / "spec"
    file.write_text(json.dumps(spec))
    assert described(None, None, SpecOptions(), file) == spec


@pytest.mark.parametrize("text", ["[1]", "a: [", "\x00"])
def test_a_spec_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "spec"
    file.write_text(text)
    with pytest.raises(typer.BadParameter, match="spec"):
        described(None, None, SpecOptions(), file)


def test_a_spec_file_may_have_a_python_program(tmp_path: Path) -> None:
    program = {"python": {"entrypoint": {"module": "job"}}}
    file = tmp_path / "spec"
    file.write_text(json.dumps(program))
    assert described(None, None, SpecOptions(), file) == program


def test_a_run_needs_an_image() -> None:
    with pytest.raises(typer.BadParameter, match="which image"):
        described(None, None, SpecOptions(), None)
