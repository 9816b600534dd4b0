"""What a program writes is what is kept: every byte, of each stream, however it comes."""

import base64
import hashlib
from typing import Any

import pytest
from runsd_sdk.run import LogEntry, Status

from tests.conftest import Serve
from tests.daemon.harness import Daemon

MIB = 1024**2
ODD = {
    "nul bytes": (r"printf 'a\000b\000\000c\n'", b"a\0b\0\0c\n"),
    "a progress bar": (r"printf '10%%\r50%%\r100%%\n'", b"10%\r50%\r100%\n"),
    "no final newline": ("printf end", b"end"),
    "nothing": ("true", b""),
    "only newlines": (r"printf '\n\n\n'", b"\n\n\n"),
    "invalid utf-8": (r"printf 'ok \377\376 \303( end\n'", b"ok \xff\xfe \xc3( end\n"),
    "a cut character": (r"printf 'caf\303'; sleep 0.2; printf '\251\n'", "café\n".encode()),
    "other separators": (r"printf 'a\342\200\250b\014c\013d\n'", "a\u2028b\fc\vd\n".encode()),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_output_is_kept_byte_for_byte(daemon: Daemon, kind: str) -> None:
    script, written = ODD[kind]
    result = daemon.run("sh", "-c", script)
    assert result.status is Status.SUCCEEDED
    assert daemon.raw(result.id) == written
    assert b"".join(entry.data for entry in daemon.client.logs(result.id)) == written
    assert result.stdout == written.decode(errors="replace")
    assert result.logs.stdout_bytes == len(written)


def test_entries_say_the_exact_bytes_where_the_text_cannot(daemon: Daemon) -> None:
    result = daemon.run("sh", "-c", r"printf 'good\nb\377d\n'")
    good, bad = daemon.client.logs(result.id)
    assert (good.text, good.base64) == ("good\n", None)
    assert bad.text == "b\ufffdd\n"
    assert base64.b64decode(str(bad.base64)) == b"b\xffd\n"


def test_a_line_of_a_mebibyte_stays_one_line_of_text(daemon: Daemon) -> None:
    result = daemon.run("sh", "-c", f"head -c {MIB} /dev/zero | tr '\\0' x; echo; echo after")
    assert daemon.raw(result.id) == b"x" * MIB + b"\nafter\n"
    assert (result.logs.stdout_bytes, result.logs.truncated) == (MIB + 7, False)
    # The result has the last mebibyte, and says that there was more.
    assert result.stdout == "x" * (MIB - 7) + "\nafter\n"
    assert (result.stdout_truncated, result.stderr_truncated) == (True, False)
    assert [entry.text for entry in daemon.client.logs(result.id, tail=1)] == ["after\n"]


def test_both_streams_at_once_are_each_exact(daemon: Daemon) -> None:
    script = "i=0; while [ $i -lt 500 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"
    result = daemon.run("sh", "-c", script)
    out, err = ("".join(f"{name} {i}\n" for i in range(500)) for name in ("out", "err"))
    assert (result.stdout, result.stderr) == (out, err)
    assert (daemon.raw(result.id), daemon.raw(result.id, "stderr")) == (out.encode(), err.encode())
    entries = list(daemon.client.logs(result.id))
    for name, text in (("stdout", out), ("stderr", err)):
        assert "".join(entry.text for entry in entries if entry.stream == name) == text


def test_a_flood_of_5_megabytes_loses_and_repeats_nothing(daemon: Daemon) -> None:
    lines = 100_000
    result = daemon.run(
        "sh", "-c", f"seq -w {lines} | sed 's/.*/line & of a flood, with some text to carry it/'"
    )
    flood = "".join(f"line {n:06} of a flood, with some text to carry it\n" for n in range(1, lines + 1))
    raw = daemon.raw(result.id)
    assert len(raw) == len(flood) > 5_000_000
    assert hashlib.sha256(raw).digest() == hashlib.sha256(flood.encode()).digest()
    assert "".join(entry.text for entry in daemon.client.logs(result.id)) == flood
    assert result.stdout == flood[-MIB:]


def test_output_after_the_main_process_closed_its_own_is_not_missed(daemon: Daemon) -> None:
    result = daemon.run("sh", "-c", "(sleep 0.5; echo child) & echo parent; exec >&- 2>&-; wait")
    assert result.stdout == "parent\nchild\n"


def test_output_over_the_cap_keeps_head_and_tail_with_a_remark_between(serve: Serve) -> None:
    cap, lines = 2 * MIB, 120_000
    written = "".join(f"{n:06} {'x' * 40}\n" for n in range(1, lines + 1))
    with serve(RUNSD_LOGS__MAX_BYTES_PER_ATTEMPT=str(cap)) as daemon:
        result = daemon.run("sh", "-c", f"seq -w {lines} | sed 's/$/ {'x' * 40}/'")
        raw = daemon.raw(result.id).decode()
        entries = list(daemon.client.logs(result.id))
    assert (result.logs.stdout_bytes, result.logs.truncated) == (len(written), True)
    head, remark, tail = partition(raw)
    assert "bytes of stdout were not kept here" in remark
    assert written.startswith(head)
    assert written.endswith(tail)
    missing = int(remark.split()[1])  # "[runsd: 123 bytes of …"
    assert len(head) + missing + len(tail) == len(written)
    assert min(len(head), len(tail)) >= cap // 4
    assert len(head) + len(tail) <= cap + 2 * MIB
    assert [e.stream for e in entries if "not kept" in e.text] == ["system"]
    assert kept(entries) == head + tail
    assert written.endswith(result.stdout)


def test_the_last_lines_are_found_from_the_end(daemon: Daemon) -> None:
    result = daemon.run("sh", "-c", "seq 1000; printf unfinished")
    assert texts(daemon, result.id, tail=0) == []
    assert texts(daemon, result.id, tail=1) == ["unfinished"]
    assert texts(daemon, result.id, tail=3) == ["999\n", "1000\n", "unfinished"]
    assert len(texts(daemon, result.id, tail=5000)) == 1001
    assert daemon.raw(result.id, tail=2) == b"1000\nunfinished"


def test_any_part_lies_between_its_cursors(daemon: Daemon) -> None:
    result = daemon.run("sh", "-c", "seq 100")
    entries = list(daemon.client.logs(result.id))
    cursors = [entry.cursor for entry in entries]
    for n in (0, 1, 50, 99):
        assert texts(daemon, result.id, since=cursors[n]) == [f"{i}\n" for i in range(n + 2, 101)]
        until = daemon.http.get(
            f"/v1/runs/{result.id}/logs",
            params={"until": cursors[n]},
            headers={"Accept": "application/x-ndjson"},
        )
        assert len(until.text.splitlines()) == n + 1


def test_a_cursor_that_was_never_given_is_refused(daemon: Daemon) -> None:
    result = daemon.run("true")
    answer = daemon.http.get(f"/v1/runs/{result.id}/logs", params={"since": "yesterday"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["since"]


def texts(daemon: Daemon, run_id: str, **query: Any) -> list[str]:
    return [entry.text for entry in daemon.client.logs(run_id, **query)]


def kept(entries: list[LogEntry]) -> str:
    return "".join(entry.text for entry in entries if entry.stream == "stdout")


def partition(raw: str) -> tuple[str, str, str]:
    """Split at the one remark about missing output, which stands on a line of its own."""
    head, _, rest = raw.partition("\n[runsd: ")
    remark, _, tail = rest.partition("]\n")
    assert "[runsd: " not in tail
    return head, f"[runsd: {remark}]", tail
