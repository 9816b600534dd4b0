"""The command ``runs`` beside a daemon: exact streams, exit codes, and every command's answer."""

import json
import re
from pathlib import Path

import pytest
from runsd_sdk.run import Reason, Status

from tests.daemon.command import answer, line, runs, started
from tests.daemon.harness import ENDED_S, GATE, Daemon

RUN_ID = re.compile(r"run_[0-9a-hjkmnp-tv-z]{26}\n")
NDJSON = "application/x-ndjson"
NET = ("--network", "none")


def test_an_attached_run_has_the_programs_streams_and_exit_code(daemon: Daemon) -> None:
    script = r"printf 'one\n\303\251 two'; printf 'err\n' >&2; exit 3"
    done = runs(daemon, "run", *NET, daemon.image, "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (3, "one\né two", "err\n")


def test_success_is_0_and_says_nothing_more(daemon: Daemon) -> None:
    assert answer(daemon, "run", *NET, daemon.image, "--", "echo", "--", "-n") == "-- -n\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--timeout 1s --stop-grace 0s IMAGE sleep 60", 124, "time"),
        ("--pull never runsd/no-such-image:1 true", 125, "no-such-image"),
        ("IMAGE /etc", 126, "/etc"),
        ("IMAGE /no/such/command", 127, "/no/such/command"),
        ("-m 16m IMAGE tail /dev/zero", 137, "memory"),
        ("-v nowhere:/x IMAGE true", 125, "nowhere"),
        ("--cpus 4096 IMAGE true", 125, "cpu"),
    ],
)
def test_an_end_that_is_not_the_programs_has_its_code_and_a_sentence(
    daemon: Daemon, words: str, code: int, said: str
) -> None:
    done = runs(daemon, "run", *NET, *words.replace("IMAGE", daemon.image).split())
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.splitlines()[-1].startswith("runs: ")
    assert said in done.stderr


def test_a_run_cancelled_by_somebody_else_is_130(daemon: Daemon) -> None:
    with started(daemon, "run", *NET, "--stop-grace", "0s", "--name", "elsewhere", daemon.image,
                 "sh", "-c", "echo ready; sleep 60") as process:  # fmt: skip
        assert line(process.stdout) == "ready\n"
        assert "cancelling" in answer(daemon, "cancel", "elsewhere")
        out, err = process.communicate(timeout=ENDED_S)
    assert (process.returncode, out) == (130, "")
    assert "cancelled" in err


def test_detached_prints_an_id_and_nothing_else(daemon: Daemon) -> None:
    printed = answer(daemon, "run", "-d", *NET, daemon.image, "true")
    assert RUN_ID.fullmatch(printed)
    assert runs(daemon, "wait", printed.strip()).returncode == 0


def test_wait_has_the_code_of_the_first_that_failed(daemon: Daemon) -> None:
    ids = [daemon.submit("sh", "-c", f"exit {code}").id for code in (0, 4, 5)]
    done = runs(daemon, "wait", *ids)
    assert (done.returncode, done.stderr) == (4, "")
    assert [text.split()[:2] for text in done.stdout.splitlines()] == [
        [ids[0], "succeeded"], [ids[1], "failed"], [ids[2], "failed"]
    ]  # fmt: skip
    assert [each["exitCode"] for each in json.loads(runs(daemon, "wait", "--json", *ids).stdout)] == [0, 4, 5]


def test_patience_that_runs_out_is_125_and_the_run_goes_on(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", GATE + "exit 1")
    daemon.until(handle.id, "run.running")
    done = runs(daemon, "wait", "--timeout", "0.1s", handle.id)
    assert (done.returncode, done.stdout) == (125, "")
    assert f"{handle.id} is still running; it goes on" in done.stderr
    daemon.open_gate(handle.id)
    assert runs(daemon, "wait", handle.id).returncode == 1


def test_a_map_is_0_when_all_succeed_and_writes_plain_lines(daemon: Daemon) -> None:
    done = runs(daemon, "map", "--over", "N=1..3", *NET, daemon.image, "--", "sh", "-c", "test $N -gt 0")
    assert done.returncode == 0, done
    assert "\x1b" not in done.stdout + done.stderr
    ends = [text.split("  ") for text in done.stdout.splitlines() if "succeeded" in text]
    assert sorted((end[0], *end[2:4]) for end in ends) == [
        (f"N={n}", "succeeded", "exit 0") for n in (1, 2, 3)
    ]
    assert "3 runs: 3 succeeded" in done.stderr


def test_a_map_is_1_when_one_fails(daemon: Daemon) -> None:
    done = runs(daemon, "map", "--json", "--over", "N=0,7", *NET, daemon.image, "--", "sh", "-c", "exit $N")
    assert done.returncode == 1
    assert [each["exitCode"] for each in json.loads(done.stdout)] == [0, 7]
    assert "1 succeeded, 1 failed" in done.stderr


def test_a_spec_file_with_an_image_takes_all_words_after_the_separator(
    daemon: Daemon, tmp_path: Path
) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(f"image: {daemon.image}\nnetwork: none\nenv: {{A: file}}\n")
    assert answer(daemon, "run", "--file", str(file), "--", "sh", "-c", "echo $A") == "file\n"


def test_logs_are_the_last_lines_of_one_stream_or_both(daemon: Daemon) -> None:
    script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done"
    done = daemon.run("sh", "-c", script)
    assert answer(daemon, "logs", "--stdout", "-n", "2", done.id) == "out 2\nout 3\n"
    assert answer(daemon, "logs", "--stderr", done.id) == "err 1\nerr 2\nerr 3\n"
    assert sorted(answer(daemon, "logs", "-n", "all", done.id).splitlines()) == sorted(
        f"{word} {i}" for word in ("out", "err") for i in (1, 2, 3)
    )
    stamped = answer(daemon, "logs", "-t", "--stderr", "-n", "1", done.id)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z err 3\n", stamped)
    entries = [json.loads(text) for text in answer(daemon, "logs", "--json", done.id).splitlines()]
    assert "".join(each["text"] for each in entries if each["stream"] == "stdout") == "out 1\nout 2\nout 3\n"


def test_followed_logs_come_as_they_are_written_and_end_with_the_run(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", f"echo first; {GATE}echo last; exit 9")
    with started(daemon, "logs", "-f", handle.id) as process:
        assert line(process.stdout) == "first\n"
        daemon.open_gate(handle.id)
        out, err = process.communicate(timeout=ENDED_S)
    assert (process.returncode, out, err) == (0, "last\n", "")


def test_a_reader_that_leaves_is_141_without_a_word(daemon: Daemon) -> None:
    done = daemon.run("sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
    with started(daemon, "logs", "-n", "all", done.id) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert line(process.stdout) == "line 0\n"
        process.stdout.close()
        assert process.wait(ENDED_S) == 141
        assert process.stderr.read() == ""
    for _ in range(5):  # at the end the daemon's log is looked at too: leaving is no error of its own
        with daemon.http.stream("GET", f"/v1/runs/{done.id}/logs", headers={"Accept": NDJSON}) as answered:
            assert next(answered.iter_raw())


def test_json_is_one_document_of_what_the_api_answers(daemon: Daemon) -> None:
    done = daemon.run("sh", "-c", "exit 6", name="documented", labels={"kind": "json"})
    with daemon.volume("documented-volume") as volume:
        volumes = json.loads(answer(daemon, "volume", "ls", "--json"))
        assert [each["name"] for each in volumes if each["id"] == volume.id] == ["documented-volume"]
    listed = json.loads(answer(daemon, "ps", "-a", "-l", "kind=json", "--json"))
    assert [(each["id"], each["exitCode"]) for each in listed] == [(done.id, 6)]
    found = answer(daemon, "ps", "--text", "EXIT 6", "--batch", "documented", "-l", "kind=json", "-q")
    assert found == f"{done.id}\n"
    assert json.loads(answer(daemon, "show", "documented", "--json"))["id"] == done.id
    assert json.loads(answer(daemon, "why", done.id, "--json"))["reason"] == "exited"
    assert json.loads(answer(daemon, "result", done.id, "--json"))["exitCode"] == 6
    used = json.loads(answer(daemon, "usage", "--json"))
    assert used["runs"] >= 1
    assert re.fullmatch(r"\d+(\.\d+)?", used["costUsd"])


def test_a_run_is_meant_by_its_name_its_beginning_or_as_the_last(daemon: Daemon) -> None:
    done = daemon.run("echo", "found", name="by-name")
    # All but the last character: ids of one millisecond differ in the random part only.
    for text in ("by-name", done.id, done.id[:-1], done.id.removeprefix("run_")[:-1], "@last"):
        assert answer(daemon, "logs", text) == "found\n", text


def test_a_beginning_of_several_is_refused(daemon: Daemon) -> None:
    ids = [daemon.run("true").id for _ in range(2)]
    same = next(n for n in range(len(ids[0])) if ids[0][n] != ids[1][n])
    done = runs(daemon, "show", ids[0][:same])
    assert (done.returncode, done.stdout) == (1, "")
    assert "write more of it" in done.stderr


def test_people_read_tables_and_fields(daemon: Daemon) -> None:
    done = daemon.run("sh", "-c", "exit 6", name="read")
    header, *rows = answer(daemon, "ps", "-n", "1").splitlines()
    assert header.split() == ["ID", "NAME", "IMAGE", "STATE", "EXIT", "CREATED", "RAN"]
    assert [row.split()[:5] for row in rows] == [[done.id, "read", daemon.image, "failed", "6"]]
    assert answer(daemon, "ps", "-q", "-n", "1") == f"{done.id}\n"
    shown = answer(daemon, "show", done.id)
    assert re.search(r"^exit code: +6$", shown, re.MULTILINE)
    assert re.search(r"^command: +sh -c 'exit 6'$", shown, re.MULTILINE)
    assert "6" in answer(daemon, "why", done.id)


def test_a_live_run_is_extended_and_an_ended_one_run_again_and_forgotten(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", GATE + "echo $A", timeout_seconds=60, env={"A": "first"})
    daemon.until(handle.id, "run.running")
    assert runs(daemon, "rm", handle.id).returncode == 1
    assert json.loads(answer(daemon, "extend", "--json", handle.id, "+1h"))["spec"]["timeoutSeconds"] == 3660
    daemon.open_gate(handle.id)
    assert handle.wait(ENDED_S).stdout == "first\n"
    again = answer(daemon, "rerun", handle.id, "-e", "A=second", "--", "sh", "-c", "echo $A").strip()
    assert runs(daemon, "wait", again).returncode == 0
    assert answer(daemon, "logs", again) == "second\n"
    assert daemon.client.get(again).rerun_of == handle.id
    assert answer(daemon, "rm", handle.id, again) == f"{handle.id}\n{again}\n"
    assert runs(daemon, "show", handle.id).returncode == 3


def test_a_volume_is_made_used_and_deleted(daemon: Daemon) -> None:
    volume = answer(daemon, "volume", "create", "kept", "-l", "a=b").strip()
    try:
        mounted = ("run", *NET, "-v", "kept:/kept")
        assert answer(daemon, *mounted, daemon.image, "sh", "-c", "echo there > /kept/file") == ""
        assert answer(daemon, *mounted[:-1], "kept:/kept:ro", daemon.image, "cat", "/kept/file") == "there\n"
        assert f"{volume}  kept" in answer(daemon, "volume", "ls")
        assert json.loads(answer(daemon, "volume", "show", "kept", "--json"))["labels"] == {"a": "b"}
    finally:
        assert answer(daemon, "volume", "rm", "kept") == "kept\n"
    assert runs(daemon, "volume", "show", "kept").returncode == 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("ps --bogus", 2),
        ("show run_00000000000000000000000000", 3),
        ("show no-such-name", 3),
        ("cancel no-such-name", 3),
        ("volume rm no-such-volume", 3),
        ("wait no-such-name", 125),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_a_code(daemon: Daemon, words: str, code: int) -> None:
    done = runs(daemon, *words.split())
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.startswith("runs: ")
    assert "Traceback" not in done.stderr


def test_a_daemon_that_is_not_there_is_5_and_125_for_run(daemon: Daemon, tmp_path: Path) -> None:
    nowhere = {"RUNSD_HOST": f"unix://{tmp_path}/none.sock"}
    for code, words in ((5, ("ps",)), (125, ("run", daemon.image, "true")), (125, ("wait", "x"))):
        done = runs(daemon, *words, **nowhere)
        assert (done.returncode, done.stdout) == (code, "")
        assert "cannot reach" in done.stderr


def test_the_same_key_makes_a_run_once(daemon: Daemon) -> None:
    words = ("run", "-d", *NET, "--idempotency-key", "cli-once", daemon.image, "true")
    first = answer(daemon, *words)
    assert answer(daemon, *words) == first
    ended = daemon.client.wait(first.strip(), ENDED_S)
    assert (ended.status, ended.reason) == (Status.SUCCEEDED, Reason.EXITED)
