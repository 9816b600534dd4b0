"""Following a run's output and events live, and going on from any point of them."""

import json
import time
from typing import Any

import pytest
from runsd_sdk.run import Status

from tests.daemon.harness import Daemon, closing_stream, first_line

TICKS = "i=1; while [ $i -le 12 ]; do echo out $i; echo err $i >&2; sleep 0.05; i=$((i+1)); done"


def test_a_follower_sees_a_line_while_the_program_runs(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "echo first; until [ -e /gate ]; do sleep 0.02; done; echo last")
    with closing_stream(handle.logs(follow=True)) as entries:
        assert next(entries).text == "first\n"
        assert handle.refresh().status in (Status.PENDING, Status.RUNNING)
        daemon.open_gate(handle.id)
        assert [entry.text for entry in entries] == ["last\n"]
    assert handle.wait(30).status is Status.SUCCEEDED


def test_a_line_reaches_its_follower_within_a_moment(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "while :; do cat /proc/uptime; sleep 0.1; done")
    late = []
    with closing_stream(handle.logs(follow=True)) as entries:
        for _, entry in zip(range(20), entries, strict=False):
            late.append(time.clock_gettime(time.CLOCK_BOOTTIME) - float(entry.text.split()[0]))
    handle.cancel()
    assert sorted(late)[10] < 0.3, late


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
def test_a_follower_sees_everything_once_and_is_told_the_end(daemon: Daemon, accept: str) -> None:
    handle = daemon.submit("sh", "-c", TICKS)
    entries = follow(daemon, handle.id, accept=accept)
    for stream, word in (("stdout", "out"), ("stderr", "err")):
        texts = [entry["text"] for entry in entries if entry["stream"] == stream]
        assert texts == [f"{word} {i}\n" for i in range(1, 13)]
    assert handle.refresh().status is Status.SUCCEEDED


def test_raw_bytes_may_be_followed_too(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", TICKS)
    assert daemon.raw(handle.id, follow="true") == "".join(f"out {i}\n" for i in range(1, 13)).encode()


def test_following_goes_on_from_any_cursor_without_loss_or_repetition(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", TICKS)
    whole = follow(daemon, handle.id, accept="text/event-stream")
    for n in range(0, len(whole), 5):
        cursor = whole[n]["cursor"]
        assert follow(daemon, handle.id, accept="text/event-stream", since=cursor) == whole[n + 1 :]
        resumed = follow(daemon, handle.id, accept="text/event-stream", last_event_id=cursor)
        assert resumed == whole[n + 1 :]


def test_a_follower_that_comes_back_while_it_runs_misses_nothing(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", TICKS)
    seen: list[str] = []
    since: str | None = None
    while len(seen) < 12:
        with closing_stream(
            daemon.client.logs(handle.id, follow=True, stream="stdout", since=since)
        ) as entries:
            entry = next(entries)
        seen.append(entry.text)
        since = entry.cursor
    assert seen == [f"out {i}\n" for i in range(1, 13)]
    assert handle.wait(30).status is Status.SUCCEEDED


def test_a_follower_of_the_sdk_lives_through_a_restart_of_the_daemon(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "echo before; until [ -e /gate ]; do sleep 0.02; done; echo after")
    with closing_stream(handle.logs(follow=True)) as entries:
        seen = [next(entries).text]
        daemon.restart()
        daemon.open_gate(handle.id)
        seen += [entry.text for entry in entries]
    assert seen == ["before\n", "after\n"]
    assert handle.wait(30).status is Status.SUCCEEDED


def test_a_slow_reader_slows_nobody(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "seq -w 200000")
    with daemon.http.stream(
        "GET", f"/v1/runs/{handle.id}/logs", params={"follow": "true"}, headers={"Accept": "text/plain"}
    ) as unread:
        assert unread.status_code == 200
        assert handle.wait(30).status is Status.SUCCEEDED
        assert len(unread.read()) == 200_000 * 7


def test_events_tell_a_run_s_life_in_order_and_are_followed_to_its_end(daemon: Daemon) -> None:
    handle = daemon.submit("true")
    live = list(daemon.client.events(handle.id, follow=True))
    assert [event.type for event in live] == [
        "run.submitted",
        "run.admitted",
        "run.image_ready",
        "run.running",
        "run.finished",
    ]
    assert [event.id for event in live] == sorted({event.id for event in live})
    assert list(daemon.client.events(handle.id)) == live
    assert live[-1].data["reason"] == "exited"
    assert live[-1].data["exitCode"] == 0
    for n, event in enumerate(live):
        assert list(daemon.client.events(handle.id, follow=True, since=event.id)) == live[n + 1 :]


def test_events_of_all_runs_are_followed_from_now_on(daemon: Daemon) -> None:
    daemon.run("true")
    newest = max(event.id for event in daemon.client.events())
    handle = daemon.submit("true")
    with closing_stream(daemon.client.events(follow=True, since=newest)) as events:
        types = []
        for event in events:
            assert event.run_id == handle.id
            types.append(event.type)
            if event.type == "run.finished":
                break
    assert types[0] == "run.submitted"


def test_output_is_read_while_the_start_is_still_under_way(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "echo early; sleep 0.2")
    assert first_line(handle) == "early\n"
    assert handle.wait(30).stdout == "early\n"


def follow(
    daemon: Daemon, run_id: str, *, accept: str, since: str | None = None, last_event_id: str | None = None
) -> list[dict[str, Any]]:
    """Follow a log to its end over plain HTTP, and return the entries."""
    query = {"follow": "true"} | ({"since": since} if since else {})
    headers = {"Accept": accept} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    answer = daemon.http.get(f"/v1/runs/{run_id}/logs", params=query, headers=headers)
    assert answer.headers["content-type"].startswith(accept)
    if accept == "application/x-ndjson":
        return [json.loads(line) for line in answer.text.split("\n") if line]
    events = [dict(field.split(": ", 1) for field in event.split("\n")) for event in blocks(answer.text)]
    assert events[-1]["event"] == "end"
    entries = [json.loads(event["data"]) for event in events[:-1]]
    assert [event["id"] for event in events[:-1]] == [entry["cursor"] for entry in entries]
    return entries


def blocks(text: str) -> list[str]:
    return [block for block in text.split("\n\n") if block and not block.startswith(":")]
