"""Secrets as runs get them, and everywhere where nobody may see them."""

import os
import pty
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import images
import pytest
from runsd_sdk import Conflict, Phase, Reason, RunResult, Status, Unprocessable

from tests.conftest import Serve
from tests.daemon.harness import ENDED_S, GATE, Daemon, container_name, first_line
from tests.daemon.prying import Prying

HUSH = "correct-horse-battery-staple"
KEY = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\nq0tiW5RXNJTQUQ==\n-----END KEY-----\n"
PROGRAM = """
import json, os, subprocess, sys

def tell():
    print(os.environ["TOKEN"], open("/run/secrets/key.pem").read(), flush=True)
    subprocess.run(["sh", "-c", "echo $TOKEN >&2"], check=True)
    return {"token": os.environ["TOKEN"], "list": [os.environ["TOKEN"] + "!"]}

def raises():
    raise ValueError("no " + os.environ["TOKEN"])

def waits():
    try:
        raises()
    except ValueError:
        import logging
        logging.exception("it is %s", os.environ["TOKEN"])
    print("here", flush=True)
    sys.stdin.read()
    import time
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    with serve() as daemon:
        daemon.client.secrets.set("TOKEN", HUSH)
        daemon.client.secrets.set("KEY", KEY)
        yield daemon
        assert Prying(daemon, HUSH, KEY).in_files() == []


@pytest.fixture
def prying(daemon: Daemon) -> Prying:
    return Prying(daemon, HUSH, KEY)


def python_run(daemon: Daemon, folder: Path, function: str, **spec: Any) -> Any:
    folder.mkdir(exist_ok=True)
    (folder / "m.py").write_text(PROGRAM)
    source = daemon.client.upload(folder)
    entrypoint = {"entrypoint": {"function": f"m.py:{function}"}}
    secrets = ["TOKEN", {"name": "KEY", "path": "key.pem"}]
    return daemon.client.create(
        image=images.PYTHON, source={"upload": source.id}, python=entrypoint, secrets=secrets, **spec
    )


def test_an_image_run_gets_variables_and_files(daemon: Daemon, prying: Prying) -> None:
    uses = ["TOKEN", {"name": "TOKEN", "env": "OTHER"}, {"name": "KEY", "path": "deep/key.pem"}]
    script = 'test "$TOKEN" = "$OTHER" && printf "%s\\n" "$TOKEN" && cat /run/secrets/deep/key.pem && id -u'
    result = daemon.run("sh", "-c", script, secrets=uses, user="1234:1234", env={"A": "b"})
    stars = "\n".join("*" * len(line) for line in (HUSH, *KEY.splitlines()))
    assert (result.status, result.stdout) == (Status.SUCCEEDED, f"{stars}\n1234\n")
    shown = daemon.client.get(result.id).spec.secrets
    assert [(use.name, use.env, use.path) for use in shown] == [
        ("TOKEN", "TOKEN", None), ("TOKEN", "OTHER", None), ("KEY", None, "/run/secrets/deep/key.pem")
    ]  # fmt: skip
    assert prying.in_answers(result.id) == []


def test_secret_files_are_read_only_in_memory_and_gone_with_the_run(daemon: Daemon, prying: Prying) -> None:
    script = f"grep ' /run/secrets ' /proc/mounts; {GATE} echo x > /run/secrets/k"
    handle = daemon.submit("sh", "-c", script, secrets=[{"name": "KEY", "path": "k"}])
    kind, options = first_line(handle).split()[2:4]
    assert kind == "tmpfs" and "ro" in options.split(",")
    record = daemon.inspect(handle.id)
    assert not prying.in_engine(record)
    (place,) = [Path(mount["Source"]) for mount in record["Mounts"]]
    assert (place / "k").read_text() == KEY
    assert place.parents[1].stat().st_mode & 0o777 == 0o700
    daemon.open_gate(handle.id)
    result = handle.wait(ENDED_S)
    assert "Read-only file system" in result.stderr


@pytest.mark.usefixtures("python_image")
def test_a_python_run_gets_both_and_nothing_shows_in_its_container(
    daemon: Daemon, prying: Prying, tmp_path: Path
) -> None:
    handle = python_run(daemon, tmp_path / "source", "tell")
    result: RunResult = handle.wait(ENDED_S)
    assert result.status is Status.SUCCEEDED, result.stderr
    stars = "*" * len(HUSH)
    assert result.stdout.splitlines()[0].startswith(stars)
    assert result.stderr == f"{stars}\n"
    assert result.return_value == {"token": stars, "list": [stars + "!"]}
    assert prying.in_answers(handle.id) == []


@pytest.mark.usefixtures("python_image")
def test_problems_are_covered_while_it_runs_and_afterwards(
    daemon: Daemon, prying: Prying, tmp_path: Path
) -> None:
    handle = python_run(daemon, tmp_path / "source", "waits")
    assert "here" in next(entry.text for entry in handle.logs(follow=True) if "here" in entry.text)
    (problem,) = daemon.client.problems(handle.id).data
    assert problem.message == f"no {'*' * len(HUSH)}"
    assert not prying.in_engine(daemon.inspect(handle.id))
    handle.cancel()
    result = handle.wait(ENDED_S)
    assert [one.message for one in result.problems] == [problem.message]
    failed = python_run(daemon, tmp_path / "source", "raises").wait(ENDED_S)
    assert failed.problems[0].stacktrace.count("*" * len(HUSH)) == 1
    assert prying.in_answers(failed.id) == []


def test_a_change_is_for_later_runs_alone(daemon: Daemon) -> None:
    client = daemon.client
    client.secrets.set("CHANGES", "first-value")
    handle = daemon.submit(
        "sh", "-c", f'{GATE} test "$CHANGES" = first-value || exit 3; rm /gate; exit 9',
        secrets=["CHANGES"], retries={"limit": 1, "backoffSeconds": 0, "on": ["exited:9"]},
    )  # fmt: skip
    daemon.until(handle.id, "run.running")
    client.secrets.set("CHANGES", "second-value")
    daemon.open_gate(handle.id)
    retried = daemon.until(handle.id, "run.retrying")
    daemon.until(handle.id, "run.running", since=retried.id)
    daemon.open_gate(handle.id, attempt=2)
    assert handle.wait(ENDED_S).exit_code == 9
    again = client.rerun(handle.id, command=["sh", "-c", 'test "$CHANGES" = second-value'])
    assert again.wait(ENDED_S).exit_code == 0
    client.secrets.delete("CHANGES")
    with pytest.raises(Unprocessable, match="there is no secret 'CHANGES'"):
        client.rerun(handle.id)


def test_a_value_that_comes_in_pieces_is_covered_and_what_only_looks_like_one_is_told(daemon: Daemon) -> None:
    first, rest = HUSH[:9], HUSH[9:]
    script = f"printf {first}; sleep 0.3; printf '{rest}|'; sleep 0.3; printf {first}"
    result = daemon.run("sh", "-c", script, secrets=["TOKEN"])
    assert result.stdout == f"{'*' * len(HUSH)}|{first}"


def test_a_taken_up_log_is_covered_too(serve: Serve) -> None:
    with serve() as daemon:
        daemon.client.secrets.set("TOKEN", HUSH)
        script = (
            f'n=0; echo "$TOKEN" begins; {GATE} while [ $n -lt 300 ]; do echo "$n $TOKEN"; n=$((n+1)); done'
        )
        handle = daemon.submit("sh", "-c", f"{script}; printf {HUSH[:5]}", secrets=["TOKEN"])
        first_line(handle)
        daemon.kill9()
        daemon.open_gate(handle.id)
        daemon.eye.wait(container_name(handle.id), timeout=ENDED_S)
        daemon.start()
        result = handle.wait(ENDED_S)
        stars = "*" * len(HUSH)
        lines = [f"{stars} begins", *(f"{n} {stars}" for n in range(300)), HUSH[:5]]
        assert result.stdout == "\n".join(lines)
        assert Prying(daemon, HUSH).in_files() == []
        assert not [line for line in daemon.logged() if "uncertain" in line["event"]]


def test_without_its_key_the_daemon_goes_on_and_says_what_is_wrong(serve: Serve) -> None:
    with serve() as daemon:
        daemon.client.secrets.set("TOKEN", HUSH)
        # One waits for the other, and finds the key gone when its turn has come.
        everything = {"resources": {"requests": {"memory": "2Gi"}}}
        before = daemon.submit("sh", "-c", f"{GATE} echo $TOKEN", secrets=["TOKEN"], **everything)
        queued = daemon.submit("true", secrets=["TOKEN"], **everything)
        daemon.until(before.id, "run.running")
        key = daemon.directory / "data" / "secrets.key"
        assert key.stat().st_mode & 0o777 == 0o600
        key.rename(key.with_suffix(".away"))
        with pytest.raises(Conflict, match="put it back") as refusal:
            daemon.submit("true", secrets=["TOKEN"])
        assert refusal.value.code == "secrets_locked"
        with pytest.raises(Conflict, match="put it back"):
            daemon.client.secrets.set("TOKEN", "other")
        daemon.restart()
        daemon.open_gate(before.id)
        ended, failed = before.wait(ENDED_S), queued.wait(ENDED_S)
        assert (ended.status, ended.exit_code) == (Status.SUCCEEDED, 0)
        assert HUSH not in ended.stdout
        entries = [entry.text for entry in before.logs()]
        assert any("output is withheld" in text for text in entries)
        assert (failed.status, failed.reason) == (Status.FAILED, Reason.START_FAILED)
        assert "put it back" in (failed.message or "")
        assert daemon.run("echo", "no secret").stdout == "no secret\n"
        key.with_suffix(".away").rename(key)
        assert daemon.run("sh", "-c", "echo $TOKEN", secrets=["TOKEN"]).stdout.startswith("****")


def test_with_an_engine_elsewhere_files_are_refused(serve: Serve, engine_host: str, tmp_path: Path) -> None:
    with serve(RUNSD_SECRETS__DIRECTORY=str(tmp_path)) as daemon:  # on a disk
        daemon.client.secrets.set("TOKEN", HUSH)
        for spec in (
            daemon.spec("true", secrets=[{"name": "TOKEN", "path": "x"}]),
            {"python": {"entrypoint": {"module": "m"}}, "secrets": ["TOKEN"]},
        ):
            with pytest.raises(Unprocessable, match="no tmpfs") as refusal:
                daemon.client.create(**spec)
            assert refusal.value.problem.errors[0].loc[:2] == ["secrets", 0]
        assert daemon.run("sh", "-c", "test $TOKEN", secrets=["TOKEN"]).exit_code == 0


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        ("PUT", "/v1/secrets/a-b", {"json": {"value": HUSH}}),
        ("PUT", "/v1/secrets/A", {"json": {"valu": HUSH}}),
        ("PUT", "/v1/secrets/A", {"json": {"value": [HUSH]}}),
        ("PUT", "/v1/secrets/A", {"json": {"value": HUSH, "more": HUSH}}),
        ("PUT", "/v1/secrets/A", {"json": {"value": HUSH * 3000}}),
        ("PUT", "/v1/secrets/A", {"json": {"value": f"{HUSH}\0"}}),
        ("PUT", "/v1/secrets/A", {"content": f'{{"value": "{HUSH}'.encode()}),
        ("PUT", "/v1/secrets/A", {"content": HUSH.encode(), "headers": {"Content-Type": "text/plain"}}),
        ("POST", "/v1/secrets/A", {"json": {"value": HUSH}}),
        ("POST", "/v1/runs", {"json": {"image": "a", "secrets": [f"{HUSH}"]}}),
        ("POST", "/v1/runs", {"json": {"image": "a", "secrets": [{"name": "A", "env": HUSH}]}}),
        ("POST", "/v1/runs", {"json": {"image": "a", "secrets": {"TOKEN": HUSH}}}),
    ],
)  # fmt: skip
def test_a_refusal_repeats_no_value(method: str, path: str, given: dict[str, Any], daemon: Daemon) -> None:
    answer = daemon.http.request(method, path, **given)
    assert 400 <= answer.status_code < 500
    assert HUSH.encode() not in answer.content


def runs(daemon: Daemon, *words: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    command = [Path(sys.executable).with_name("runs"), *words]
    env = {**os.environ, "RUNSD_HOST": f"unix://{daemon.socket}"}
    return subprocess.run(command, input=stdin, env=env, capture_output=True, timeout=60, check=False)


def test_the_command_line_sets_lists_uses_and_removes(daemon: Daemon, tmp_path: Path) -> None:
    assert runs(daemon, "secret", "set", "FROM_STDIN", stdin=b"piped value\n").stdout == b"FROM_STDIN\n"
    (tmp_path / "file").write_bytes(b"whole\n")
    assert runs(daemon, "secret", "set", "FROM_FILE", "--file", str(tmp_path / "file")).returncode == 0
    dotenv = "# a comment\nPLAIN=a value # with a remark\nexport SINGLE='as $it is'\nDOUBLE=\"two\\nlines\"\n"
    (tmp_path / ".env").write_text(dotenv)
    done = runs(daemon, "secret", "set", "--env-file", str(tmp_path / ".env"))
    assert done.stdout.split() == [b"PLAIN", b"SINGLE", b"DOUBLE"], done.stderr
    listed = runs(daemon, "secret", "ls").stdout.decode()
    assert {"FROM_STDIN", "FROM_FILE", "PLAIN"} <= set(listed.split())
    shown = "[ \"$FROM_STDIN\" = 'piped value' ] && [ \"$X\" = 'a value' ] && [ \"$SINGLE\" = 'as $it is' ]"
    shown += ' && [ "$(wc -l < /run/secrets/f)" = 1 ] && [ "$(echo "$DOUBLE" | wc -l)" = 2 ]'
    options = ["--secret", "FROM_STDIN", "--secret", "PLAIN=X", "--secret", "FROM_FILE:/run/secrets/f"]
    options += ["--secret", "SINGLE", "--secret", "DOUBLE", "--network", "none"]
    ran = runs(daemon, "run", *options, daemon.image, "--", "sh", "-c", shown)
    assert ran.returncode == 0, ran.stderr
    names = ["FROM_STDIN", "FROM_FILE", "PLAIN", "SINGLE", "DOUBLE"]
    assert runs(daemon, "secret", "rm", *names).returncode == 0
    assert runs(daemon, "secret", "rm", "PLAIN").returncode == 3
    bad = runs(daemon, "secret", "set", "--env-file", str(tmp_path / "file"))
    assert (bad.returncode, b"whole" in bad.stderr) == (2, False)


def test_on_a_terminal_a_value_is_typed_unseen(daemon: Daemon) -> None:
    ours, theirs = pty.openpty()
    command = [Path(sys.executable).with_name("runs"), "secret", "set", "TYPED"]
    env = {**os.environ, "RUNSD_HOST": f"unix://{daemon.socket}"}
    with subprocess.Popen(
        command, env=env, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True
    ) as typing:
        seen = b""
        while b"value of TYPED" not in seen:
            seen += os.read(ours, 1000)
        os.write(ours, HUSH.encode() + b"\n")
        assert typing.communicate(timeout=60)[0] == b"TYPED\n"
        os.close(theirs)
        with suppress(OSError):  # the other end is closed
            while more := os.read(ours, 1000):
                seen += more
    os.close(ours)
    assert HUSH.encode() not in seen
    script = f'test "$TYPED" = {HUSH}'
    assert daemon.run("sh", "-c", script.replace(HUSH, '"$TOKEN"'), secrets=["TYPED", "TOKEN"]).exit_code == 0
    daemon.client.secrets.delete("TYPED")


def test_a_run_that_is_over_leaves_no_copy(daemon: Daemon) -> None:
    handle = daemon.submit("true", secrets=["TOKEN", {"name": "KEY", "path": "k"}])
    handle.wait(ENDED_S)
    with closing(sqlite3.connect(daemon.directory / "data" / "runsd.db")) as db:
        assert db.execute("select count(*) from run_secrets where run_id = ?", (handle.id,)).fetchone() == (
            0,
        )
    assert daemon.client.get(handle.id).phase is Phase.FINISHED
