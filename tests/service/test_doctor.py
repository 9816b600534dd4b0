"""The doctor before real trouble: what it says, and what it advises."""

import asyncio
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer

import pytest
from runsd_sdk import RunsClient

from runsd import config
from runsd.clock import now_us
from runsd.datadir import RESTORING
from runsd.doctor import (
    CHECKS,
    ENGINE_CHECKS,
    Finding,
    Subject,
    Verdict,
    engine,
    examine,
    isolation,
    overall,
    programs,
    report,
)
from runsd.doctor.databases import databases as look_at_databases
from runsd.doctor.engine import Answers
from runsd.doctor.keyfile import key_file
from runsd.doctor.telemetry import telemetry
from runsd.engine.port import FoundImage
from runsd.environments.naming import BASE, ENVIRONMENT
from runsd.migrations import migrate
from runsd.store.database import MIGRATIONS
from tests.service.launch import PATIENCE_S, RUNSD, ready, run

NOWHERE = "unix:///nowhere/docker.sock"


@pytest.fixture
def subject(tmp_path: Path, engine_host: str) -> Subject:
    """A daemon-to-be in a directory of its own, on the real Engine."""
    return subject_of(tmp_path, engine_host)


@pytest.fixture
def answers(subject: Subject) -> Answers:
    """What the real Engine says."""
    return asyncio.run(engine.ask(subject, now_us))


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that everybody may enter; pytest's own are its user's alone."""
    with tempfile.TemporaryDirectory(prefix="runsd-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


# The report


def test_a_host_that_is_well_has_no_failure(tmp_path: Path, engine_host: str) -> None:
    examined = doctor(tmp_path, engine_host)
    assert examined.returncode == 0, examined.stdout
    document = json.loads(examined.stdout)
    assert document["verdict"] in ("ok", "warning")
    assert len(document["findings"]) == 1 + len(CHECKS) + len(ENGINE_CHECKS)
    names = [found["name"] for found in document["findings"]]
    assert len(set(names)) == len(names)
    assert not (tmp_path / "data").exists(), "it has only looked"


def test_a_person_reads_a_line_for_each_check_and_the_remedy_below(tmp_path: Path) -> None:
    arguments = ("--docker-host", NOWHERE, "--data-dir", tmp_path / "data", "--socket", tmp_path / "s")
    examined = run("doctor", *arguments)
    assert examined.returncode == 1
    lines = examined.stdout.splitlines()
    at = lines.index("✗ engine: no Docker Engine listens at /nowhere/docker.sock: there is no such file")
    assert lines[at + 1].startswith("    → start it (`sudo systemctl start docker`)")
    assert f"✓ data directory: {tmp_path / 'data'} will be made" in lines
    assert lines[-1].endswith(" 1 failure")


def test_settings_that_cannot_be_meant_are_a_failure_in_the_same_document(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[engine]\nhots = "x"\n')
    examined = run("doctor", "--json", "--config", file)
    assert examined.returncode == 1
    (found,) = json.loads(examined.stdout)["findings"]
    assert (found["name"], found["verdict"]) == ("configuration", "failure")
    assert "'engine.hots'" in found["said"]


def test_an_address_that_cannot_be_meant_is_a_failure(tmp_path: Path) -> None:
    (found,) = report.findings(
        None, socket=tmp_path / "s", data_dir=tmp_path / "d", docker_host="ssh://elsewhere"
    )
    assert (found.name, found.verdict) == ("configuration", Verdict.FAILURE)
    assert "write unix:///path/to.sock or tcp://host:port" in found.said


def test_the_worst_verdict_counts() -> None:
    found = {verdict: Finding("x", verdict, "x") for verdict in Verdict}
    assert overall([]) is Verdict.OK
    assert overall([found[Verdict.OK], found[Verdict.WARNING]]) is Verdict.WARNING
    assert overall([found[Verdict.FAILURE], found[Verdict.WARNING]]) is Verdict.FAILURE


# The Engine


def test_a_file_in_the_place_of_the_engines_socket(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = named("engine", subject_of(tmp_path, f"unix://{tmp_path / 'file'}"))
    assert (found.verdict, found.said) == (Verdict.FAILURE, f"{tmp_path / 'file'} is not a socket")


def test_an_engine_that_has_ended(tmp_path: Path) -> None:
    with unix_listener(tmp_path / "engine.sock"):
        pass
    found = named("engine", subject_of(tmp_path, f"unix://{tmp_path / 'engine.sock'}"))
    assert found.verdict is Verdict.FAILURE
    assert "Connection refused" in found.said
    assert found.remedy == engine.RESTART


def test_an_engine_that_hangs_is_given_up(tmp_path: Path) -> None:
    with unix_listener(tmp_path / "engine.sock"):
        patient = replace(subject_of(tmp_path, f"unix://{tmp_path / 'engine.sock'}"), patience_s=0.2)
        found = named("engine", patient)
    assert found.verdict is Verdict.FAILURE
    assert "does not answer within 0.2 s" in found.said


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({"Version": "18.9", "ApiVersion": "1.39", "MinAPIVersion": "1.12"}, "runsd needs 1.41"),
        ({"Version": "99.0", "ApiVersion": "2.9", "MinAPIVersion": "2.0"}, "install a newer runsd"),
    ],
)
def test_an_engine_of_another_age(tmp_path: Path, versions: dict[str, str], said: str) -> None:
    with engine_of(tmp_path / "engine.sock", versions) as host:
        found = named("engine", subject_of(tmp_path, host))
    assert found.verdict is Verdict.FAILURE
    assert said in found.said


@pytest.mark.needs("root")
def test_a_person_without_rights_is_told_the_group_to_join(public: Path) -> None:
    with unix_listener(public / "engine.sock"):
        (public / "engine.sock").chmod(0o660)
        os.chown(public / "engine.sock", 0, 0)
        found = as_nobody(public, public / "engine.sock")["engine"]
    assert (found["verdict"], "may not use" in found["said"]) == ("failure", True)
    assert found["remedy"].startswith("join its group: `sudo usermod -aG root $USER`")


def test_a_clock_that_is_off_is_a_warning(subject: Subject) -> None:
    for ahead_s, direction in ((5, "ahead of"), (-5, "behind")):
        (found,) = (
            f for f in examine(subject, clock=lambda s=ahead_s: now_us() - s * 1_000_000) if f.name == "clock"
        )
        assert found.verdict is Verdict.WARNING
        assert "5.0 s" in found.said
        assert direction in found.said


def test_runs_that_can_reach_each_other_are_a_warning(
    subject: Subject, answers: Answers, tmp_path: Path, engine_host: str
) -> None:
    found = isolation.neighbours(subject, replace(answers, icc=True))
    assert found.verdict is Verdict.WARNING
    assert all(remedy in str(found.remedy) for remedy in ('"icc": false', "network.isolate = true"))
    assert isolation.neighbours(subject, replace(answers, icc=False)).verdict is Verdict.OK
    apart = subject_of(tmp_path, engine_host, **{"network.isolate": True})
    assert isolation.neighbours(apart, replace(answers, icc=True)).verdict is Verdict.OK
    assert engine.bridge(apart, replace(answers, bridge=None)).verdict is Verdict.OK


def test_an_engine_that_confines_less_than_it_should(
    subject: Subject, answers: Answers, tmp_path: Path, engine_host: str
) -> None:
    assert isolation.isolation(subject, answers).verdict is Verdict.OK
    assert isolation.isolation(subject, replace(answers, seccomp=False)).verdict is Verdict.WARNING
    assert "root is nobody on the host" in isolation.isolation(subject, replace(answers, remapped=True)).said
    other = subject_of(tmp_path, engine_host, **{"containers.runtime": "none-such"})
    found = isolation.isolation(other, answers)
    assert (found.verdict, "runc" in found.said) == (Verdict.FAILURE, True)
    choice = subject_of(tmp_path / "choice", engine_host, **{"containers.runtimes": ["runc", "none-such"]})
    found = isolation.isolation(choice, answers)
    assert (found.verdict, "the runtime none-such, which" in found.said) == (Verdict.WARNING, True)


def test_a_promise_beyond_what_the_engine_has(tmp_path: Path, engine_host: str) -> None:
    found = named("engine capacity", subject_of(tmp_path, engine_host, **{"capacity.cpu": "1000"}))
    assert found.verdict is Verdict.FAILURE
    assert "runs are promised 1000 cores" in found.said


def test_networks_that_fail_every_start(subject: Subject, answers: Answers) -> None:
    assert engine.bridge(subject, answers).verdict is Verdict.OK
    none = engine.bridge(subject, replace(answers, bridge=None))
    assert (none.verdict, "no bridge network" in none.said) == (Verdict.FAILURE, True)
    gone = engine.bridge(subject, replace(answers, bridge="docker99"))
    assert (gone.verdict, "docker99 is gone" in gone.said) == (Verdict.FAILURE, True)


def test_where_runs_can_tell_by_opentelemetry(
    tmp_path: Path, subject: Subject, engine_host: str, answers: Answers
) -> None:
    assert telemetry(subject, answers).verdict is Verdict.OK
    off = telemetry(subject_of(tmp_path, engine_host, **{"telemetry.receive": "false"}), answers)
    assert (off.verdict, "not received" in off.said) == (Verdict.OK, True)
    for missed in (
        telemetry(subject_of(tmp_path, "tcp://192.0.2.1:2375"), answers),
        telemetry(subject, replace(answers, gateway=None)),
        telemetry(subject, replace(answers, gateway="192.0.2.1")),
    ):
        assert (missed.verdict, "cannot tell" in missed.said) == (Verdict.WARNING, True)


def test_limits_that_the_kernel_does_not_keep(subject: Subject, answers: Answers) -> None:
    memory = engine.limits(subject, replace(answers, limits={"cpu", "pids", "swap"}))
    assert (memory.verdict, "cannot limit memory" in memory.said) == (Verdict.FAILURE, True)
    swap = engine.limits(subject, replace(answers, limits={"cpu", "pids", "memory"}))
    assert (swap.verdict, "cannot limit swap" in swap.said) == (Verdict.WARNING, True)


def test_why_usage_is_not_exact(tmp_path: Path, subject: Subject, answers: Answers) -> None:
    def inexact(driver: str) -> Answers:
        return replace(answers, exact_usage=False, facts=replace(answers.facts, cgroup_driver=driver))

    assert "native.cgroupdriver=cgroupfs" in (engine.usage(subject, inexact("systemd")).remedy or "")
    remote = subject_of(tmp_path, "tcp://192.0.2.1:2375")
    assert "on another host" in engine.usage(remote, inexact("cgroupfs")).said
    assert engine.usage(subject, replace(answers, exact_usage=True)).verdict is Verdict.OK


@pytest.mark.needs("cgroups")
def test_usage_is_exact_exactly_where_the_daemon_says_so(
    tmp_path: Path, engine_host: str, answers: Answers
) -> None:
    with ready(tmp_path, engine_host), RunsClient(f"unix://{tmp_path / 'runsd.sock'}") as client:
        assert (client.info().usage_source == "cgroup") is answers.exact_usage


def test_what_else_an_engine_may_lack(subject: Subject, answers: Answers) -> None:
    facts = answers.facts
    vfs = replace(answers, facts=replace(facts, storage_driver="vfs"))
    assert engine.storage(subject, vfs).verdict is Verdict.WARNING
    assert engine.log_driver(subject, replace(answers, log_drivers=())).verdict is Verdict.FAILURE
    mortal = replace(answers, facts=replace(facts, live_restore=False), swarm=False)
    assert '"live-restore": true' in (engine.live_restore(subject, mortal).remedy or "")
    assert engine.live_restore(subject, replace(mortal, swarm=True)).verdict is Verdict.OK


# The host


@pytest.mark.needs("root", "mounts")
def test_a_full_disk_is_a_failure_of_the_directory_and_of_the_disk(tmp_path: Path, engine_host: str) -> None:
    with tiny_disk(tmp_path / "data") as data:
        empty = named("disk", subject_of(tmp_path, engine_host))
        assert (empty.verdict, empty.said.startswith("only ")) == (Verdict.FAILURE, True)
        with pytest.raises(OSError, match="No space left"):
            (data / "fill").write_bytes(bytes(10**6))
        full = named("data directory", subject_of(tmp_path, engine_host))
    assert (full.verdict, "No space left on device" in full.said) == (Verdict.FAILURE, True)


def test_a_data_directory_that_is_a_file_or_below_one(tmp_path: Path, engine_host: str) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        found = named("data directory", replace(subject_of(tmp_path, engine_host), data_dir=path))
        assert (found.verdict, "is no directory" in found.said) == (Verdict.FAILURE, True)


def test_a_data_directory_that_others_may_enter(tmp_path: Path, engine_host: str) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    found = named("data directory", subject_of(tmp_path, engine_host))
    assert (found.verdict, (found.remedy or "")[:11]) == (Verdict.WARNING, "`chmod 700 ")


@pytest.mark.needs("root")
def test_places_that_are_not_ours(public: Path) -> None:
    (public / "data").mkdir(mode=0o700)
    found = as_nobody(public, Path("/nowhere"))
    assert "Permission denied" in found["data directory"]["said"]
    assert found["data directory"]["verdict"] == found["socket"]["verdict"] == "failure"
    assert "may not be written to" in found["socket"]["said"]


def test_few_open_files_are_a_warning(tmp_path: Path) -> None:
    command = [RUNSD, "doctor", "--json", "--docker-host", NOWHERE, "--data-dir", tmp_path]
    examined = subprocess.run(
        ["sh", "-c", 'ulimit -Sn 512; exec "$@"', "sh", *command],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    found = by_name(examined.stdout)["open files"]
    assert (found["verdict"], found["said"]) == ("warning", "a process here may open only 512 files")


def test_a_host_too_small_for_a_run_without_wishes(tmp_path: Path) -> None:
    found = named("capacity", subject_of(tmp_path, NOWHERE, **{"capacity.memory": "256Mi"}))
    assert (found.verdict, "less than a run asks for by default" in found.said) == (Verdict.FAILURE, True)


@pytest.mark.parametrize(
    ("config_json", "said"),
    [
        (None, "every pull is anonymous"),
        ('{"auths": {}}', "credentials for pulls are read from"),
        ("{", "cannot understand"),
        ("[]", "cannot understand"),
        ('{"credHelpers": {"x.test": "runsd-none"}}', "docker-credential-runsd-none"),
    ],
)
def test_credentials(tmp_path: Path, config_json: str | None, said: str) -> None:
    if config_json is not None:
        (tmp_path / "config.json").write_text(config_json)
    where = replace(subject_of(tmp_path, NOWHERE), environment={"DOCKER_CONFIG": str(tmp_path)})
    assert said in named("credentials", where).said


def test_without_a_home_credentials_need_an_explicit_place(tmp_path: Path) -> None:
    found = named("credentials", replace(subject_of(tmp_path, NOWHERE), environment={}))
    assert (found.verdict, "set DOCKER_CONFIG" in (found.remedy or "")) == (Verdict.WARNING, True)


# Python runs


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory that programs are looked for in; it is empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_git_and_uv_are_asked_which_they_are(tmp_path: Path) -> None:
    where = subject_of(tmp_path, NOWHERE)
    assert (programs.git(where).verdict, programs.uv(where).verdict) == (Verdict.OK, Verdict.OK)
    assert "over https" in programs.git(where).said
    assert programs.uv(where).said.startswith("uv ")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "there is no git: runs whose source is a repository fail"),
        ("echo git version 2.25.1", "needs git 2.32 or newer"),
        ("echo it is broken >&2; exit 1", "git cannot be used: it is broken"),
        ("case $1 in --version) echo git version 2.39.5;; *) echo /nowhere;; esac", "no part for https"),
    ],
)
def test_a_git_that_cannot_fetch(tmp_path: Path, path: Path, script: str | None, said: str) -> None:
    if script is not None:
        program(path / "git", script)
    found = programs.git(subject_of(tmp_path, NOWHERE))
    assert (found.verdict, said in found.said, bool(found.remedy)) == (Verdict.WARNING, True, True)


def test_settings_for_git_that_are_not_there(tmp_path: Path) -> None:
    found = programs.git(subject_of(tmp_path, NOWHERE, **{"sources.git_config": "/nowhere/gitconfig"}))
    assert (found.verdict, "/nowhere/gitconfig" in found.said) == (Verdict.WARNING, True)


def test_an_installation_without_a_uv_that_works(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = subject_of(tmp_path, NOWHERE)
    unbound = programs.uv(where)
    assert (unbound.verdict, "no setpriv" in unbound.said) == (Verdict.WARNING, True)
    program(path / "uv", "echo it is broken >&2; exit 1")
    monkeypatch.setattr("runsd.environments.uv.find_uv_bin", lambda: str(path / "uv"))
    broken = programs.uv(where)
    assert (broken.verdict, "uv cannot be used: it is broken" in broken.said) == (Verdict.FAILURE, True)


def test_room_for_environments(tmp_path: Path, subject: Subject, engine_host: str, answers: Answers) -> None:
    free = shutil.disk_usage(tmp_path).free
    here = replace(answers, facts=replace(answers.facts, root_dir=str(tmp_path)))
    modest = subject_of(
        tmp_path, engine_host, **{"environments.max_bytes": "1", "retention.min_free_bytes": "0"}
    )
    greedy = subject_of(tmp_path, engine_host, **{"environments.max_bytes": str(4 * free)})
    endless = subject_of(tmp_path, engine_host, **{"environments.max_bytes": "0"})
    assert programs.environments_room(modest, here).verdict is Verdict.OK
    assert programs.environments_room(endless, here).verdict is Verdict.OK
    scarce = programs.environments_room(greedy, here)
    assert (scarce.verdict, "are free at" in scarce.said) == (Verdict.WARNING, True)
    assert "environments.max_bytes" in (scarce.remedy or "")
    base = FoundImage("sha256:base", ["python:3"], 100, 0, {})
    made = FoundImage("sha256:made", ["runsd-env:1"], 100 + 4 * free, 0, {ENVIRONMENT: "x", BASE: base.id})
    held = programs.environments_room(greedy, replace(here, images=[base, made]))
    assert held.verdict is Verdict.OK, "what they hold already is theirs"


def program(path: Path, script: str) -> None:
    """Write a program."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


# The daemon


def test_a_daemon_that_serves_is_asked_how_it_is(tmp_path: Path, engine_host: str) -> None:
    where = subject_of(tmp_path, engine_host)
    with ready(tmp_path, engine_host):
        well = named("daemon", where)
        assert (well.verdict, "answers at" in well.said) == (Verdict.OK, True)
        assert "has mode 0660" in named("socket", where).said
        where.socket.chmod(0o666)
        door = named("socket", where)
        assert (door.verdict, "anybody on this host" in door.said) == (Verdict.FAILURE, True)
    assert "none listens" in named("daemon", where).said


def test_a_daemon_whose_engine_is_down_is_told_from_one_in_trouble(tmp_path: Path) -> None:
    with ready(tmp_path, NOWHERE):
        found = named("daemon", subject_of(tmp_path, NOWHERE))
    assert (found.verdict, "the Docker Engine does not answer" in found.said) == (Verdict.WARNING, True)


def test_a_daemon_that_hangs_or_is_dead(tmp_path: Path) -> None:
    where = subject_of(tmp_path, NOWHERE)
    with unix_listener(where.socket, backlog=0), socket.socket(socket.AF_UNIX) as queued:
        queued.connect(str(where.socket))
        hung = named("daemon", where)
    assert (hung.verdict, "it hangs" in hung.said) == (Verdict.FAILURE, True)
    dead = named("daemon", where)
    assert (dead.verdict, "any more" in dead.said) == (Verdict.OK, True)


def test_places_where_no_socket_can_be(tmp_path: Path) -> None:
    where = subject_of(tmp_path, NOWHERE)
    where.socket.write_text("precious")
    assert named("socket", where).said.endswith("is there and is no socket")
    long = named("socket", replace(where, socket=tmp_path / ("x" * 120)))
    assert (long.verdict, "longer than 107 bytes" in long.said) == (Verdict.FAILURE, True)


def subject_of(directory: Path, engine_host: str, **settings: str) -> Subject:
    """Return a daemon-to-be in that directory."""
    loaded = config.load(environment={}, flags={"engine.host": engine_host, **settings})
    return Subject(loaded.settings, directory / "runsd.sock", directory / "data", {"HOME": str(directory)})


def named(name: str, subject: Subject) -> Finding:
    """Examine, and return the one finding of that name."""
    (found,) = (found for found in examine(subject) if found.name == name)
    return found


def doctor(directory: Path, engine_host: str) -> "subprocess.CompletedProcess[str]":
    """Run the command, for JSON."""
    where = ("--socket", directory / "runsd.sock", "--data-dir", directory / "data")
    return run("doctor", "--json", "--docker-host", engine_host, *where)


def as_nobody(directory: Path, engine_socket: Path) -> dict[str, dict[str, str]]:
    """Examine as a user without any rights."""
    command = [
        sys.executable, "-m", "tests.service.unprivileged",
        f"unix://{engine_socket}", str(directory / "runsd.sock"), str(directory / "data"),
    ]  # fmt: skip
    examined = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    return by_name(examined.stdout)


def by_name(document: str) -> dict[str, dict[str, str]]:
    """Read a JSON report."""
    return {found["name"]: found for found in json.loads(document)["findings"]}


@contextmanager
def unix_listener(path: Path, *, backlog: int = 8) -> Iterator[None]:
    """Listen and never answer; what is left at the end is a socket that nobody listens at."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(backlog)
        yield


@contextmanager
def engine_of(path: Path, versions: dict[str, str]) -> Iterator[str]:
    """Answer ``/version`` as an Engine of another age would."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(versions).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with UnixStreamServer(str(path), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def tiny_disk(path: Path) -> Iterator[Path]:
    """Mount a file system of 64 KiB."""
    path.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "runsd-test", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


# The databases


@pytest.mark.parametrize("schema", range(len(MIGRATIONS)))
def test_databases_are_compared_with_what_this_version_knows(tmp_path: Path, schema: int) -> None:
    data = tmp_path / "data"
    data.mkdir()
    assert databases(tmp_path).said == "none yet"
    migrate(data / "runsd.db", MIGRATIONS[:schema] or MIGRATIONS)
    expected = "runsd.db will be brought up to date, with copies of" if schema else "up to date"
    assert databases(tmp_path).said.startswith(expected)
    migrate(data / "runsd.db", MIGRATIONS)
    assert databases(tmp_path).said.startswith("up to date")
    assert (f"runsd.db.schema-{schema}" in databases(tmp_path).said) == bool(schema)
    migrate(data / "runsd.db", [*MIGRATIONS, "create table future (x)"])
    assert "runsd.db: written by a newer runsd" in databases(tmp_path).said
    assert databases(tmp_path).verdict is Verdict.FAILURE


def test_a_directory_that_is_half_restored_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / RESTORING).touch()
    assert databases(tmp_path).remedy == "repeat `runsd restore` to finish it"


def databases(directory: Path) -> Finding:
    return look_at_databases(subject_of(directory, NOWHERE))


# The key of secrets


def test_the_key_of_secrets_is_there_when_it_is_needed_and_its_owners_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert (key(tmp_path).verdict, key(tmp_path).said) == (
        Verdict.OK,
        f"{data / 'secrets.key'} will be made with the first secret",
    )
    data.mkdir()
    migrate(data / "runsd.db", MIGRATIONS)
    assert key(tmp_path).verdict is Verdict.OK
    with closing(sqlite3.connect(data / "runsd.db")) as db, db:
        db.execute("insert into secret_values (value) values (x'00')")
        for _ in ("while a daemon has it open", "and afterwards"):
            db.commit()
            assert key(tmp_path).verdict is Verdict.FAILURE
            assert "is gone, with which 1 values are encrypted" in key(tmp_path).said
            db.execute("pragma wal_checkpoint(truncate)")
    assert "is gone" in key(tmp_path).said
    assert sorted(file.name for file in data.iterdir()) == ["runsd.db"], "it has only looked"
    (data / "secrets.key").touch(0o600)
    assert key(tmp_path).verdict is Verdict.OK
    (data / "secrets.key").chmod(0o640)
    assert (key(tmp_path).verdict, key(tmp_path).remedy) == (
        Verdict.FAILURE,
        f"`chmod 600 {data / 'secrets.key'}`, and `runsd secrets rotate` if somebody may have",
    )
    (data / "secrets.key").unlink()
    (data / "runsd.db").write_bytes(b"no database")
    assert (key(tmp_path).verdict, "nobody can tell" in key(tmp_path).said) == (Verdict.WARNING, True)
    (data / "secrets.key").mkdir()
    assert key(tmp_path).said.endswith("is no file")


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody else can give a file away")
def test_a_key_of_secrets_that_is_somebody_elses_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secrets.key").touch(0o600)
    os.chown(tmp_path / "data" / "secrets.key", 65534, 65534)
    found = key(tmp_path)
    assert found.verdict is Verdict.FAILURE
    assert "belongs to nobody, and the data directory to root" in found.said
    assert found.remedy is not None and found.remedy.startswith("`chown root ")


def key(directory: Path) -> Finding:
    return key_file(subject_of(directory, NOWHERE))
