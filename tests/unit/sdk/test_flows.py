"""Flows, driven by scripted answers: no network, no clock."""

from collections.abc import Callable
from typing import Any

import pytest
from runsd_sdk import calls, flows, streams
from runsd_sdk.calls import Call
from runsd_sdk.errors import (
    DaemonUnreachable,
    NotFound,
    RunCancelled,
    RunFailed,
    RunOutOfMemory,
    RunsdError,
    RunTimedOut,
    ServerError,
    WaitTimeout,
)
from runsd_sdk.link import Link
from runsd_sdk.run import EventList, RunBatch, RunList
from runsd_sdk.steps import Frame, Open, Read

from tests.unit.sdk.answers import NOW, entry, problem, result, run, run_json
from tests.unit.sdk.script import Played, Time

SILENT = DaemonUnreachable("it is silent", sent=True, silent=True)
BROKEN = DaemonUnreachable("the connection broke", sent=True)
REFUSED = DaemonUnreachable("nobody listens", sent=False)


def link(*, reached: bool = True, time: Time | None = None) -> Link:
    return Link(patience_s=10, reached=reached, clock=time or Time())


def after(time: Time, seconds: float, answer: object) -> Callable[[], object]:
    """Give this answer only after a while."""

    def slow() -> object:
        time.now += seconds
        return answer

    return slow


def test_an_answer_is_handed_through() -> None:
    played = Played(flows.answer(calls.get("run_01a"), link=link()), [run()])
    assert played.answer == run()
    assert played.pauses == []


def test_a_broken_post_is_sent_again_with_the_same_idempotency_key() -> None:
    played = Played(flows.answer(calls.create({"image": "alpine"}), link=link()), [BROKEN, BROKEN, run()])
    assert played.answer.id == "run_01a"
    assert [step for step in played.asked if isinstance(step, Call)] == played.asked
    assert len({call.headers for call in played.asked if isinstance(call, Call)}) == 1
    assert played.pauses == [0.1, 0.2]


def test_a_daemon_that_was_never_there_is_reported_at_once() -> None:
    played = Played(flows.answer(calls.get("run_01a"), link=link(reached=False)), [REFUSED])
    assert played.error is REFUSED
    assert played.pauses == []


def test_a_daemon_that_restarts_is_waited_for_as_long_as_patience_lasts() -> None:
    time = Time()
    played = Played(flows.answer(calls.get("a"), link=link(time=time)), [REFUSED] * 99, time)
    assert played.error is REFUSED
    assert 5 < sum(played.pauses) <= 10


def test_a_daemon_that_leaves_is_asked_again_for_reads_only() -> None:
    leaving = ServerError(problem(503))
    assert Played(flows.answer(calls.get("a"), link=link()), [leaving, run()]).answer == run()
    assert Played(flows.answer(calls.create({"image": "a"}), link=link()), [leaving]).error is leaving


def test_a_delete_that_broke_and_is_gone_was_done() -> None:
    gone = NotFound(problem(404))
    broke = Played(flows.answer(calls.delete("a"), link=link()), [BROKEN, gone])
    assert broke.error is None
    assert broke.answer is None
    assert Played(flows.answer(calls.delete("a"), link=link()), [gone]).error is gone


def test_wait_polls_until_the_run_is_over_and_fetches_the_result() -> None:
    answers = [run(), run(), result(), result()]
    played = Played(flows.wait("run_01a", None, check=False, link=link()), answers)
    assert played.answer == result()
    paths = [step.path for step in played.asked if isinstance(step, Call)]
    assert paths == ["/v1/runs/run_01a/wait"] * 3 + ["/v1/runs/run_01a/result"]


def test_wait_goes_on_through_a_restart_of_the_daemon() -> None:
    answers = [run(), BROKEN, REFUSED, REFUSED, result(), result()]
    assert Played(flows.wait("run_01a", None, check=False, link=link()), answers).answer == result()


def test_wait_outlives_any_number_of_restarts_between_which_the_daemon_was_there() -> None:
    time = Time()
    outage = [after(time, 20, BROKEN), REFUSED, REFUSED]
    flow = flows.wait("run_01a", None, check=False, link=link(time=time))
    played = Played(flow, [*outage * 9, result(), result()], time)
    assert played.answer == result()
    assert played.pauses == [0.1, 0.2, 0.4] * 9


def test_a_daemon_that_holds_connections_and_says_nothing_uses_patience_up() -> None:
    time = Time()
    flow = flows.wait("run_01a", None, check=False, link=link(time=time))
    played = Played(flow, [after(time, 20, SILENT)] * 99, time)
    assert played.error is SILENT
    assert time.now <= 45


def test_wait_does_not_hammer_a_daemon_that_answers_too_early() -> None:
    played = Played(flows.wait("a", None, check=False, link=link()), [run(), run(), result(), result()])
    assert played.pauses == [flows.EARLY_PAUSE_S] * 2


def test_wait_stops_when_the_callers_time_is_over_and_says_that_the_run_goes_on() -> None:
    time = Time()

    slow = [after(time, 55, run())] * 3
    played = Played(flows.wait("run_01a", 100, check=False, link=link(time=time)), slow, time)
    assert isinstance(played.error, WaitTimeout)
    assert "goes on" in str(played.error)
    asked = [dict(step.query)["timeoutSeconds"] for step in played.asked if isinstance(step, Call)]
    assert asked == ["55", "45"]


def test_wait_is_bounded_by_its_timeout_also_while_the_daemon_is_down() -> None:
    time = Time()
    played = Played(flows.wait("a", 5, check=False, link=link(time=time)), [REFUSED] * 99, time)
    assert played.error is REFUSED, "no run was seen"
    assert played.pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 1.9])
    assert time.now == 5


@pytest.mark.parametrize("silence", [REFUSED, BROKEN, ServerError(problem(503))])
def test_wait_says_how_it_last_saw_the_run_when_the_daemon_went_down(silence: RunsdError) -> None:
    time = Time()
    answers = [after(time, 4, run()), *[silence] * 99]
    played = Played(flows.wait("a", 9, check=False, link=link(time=time)), answers, time)
    assert isinstance(played.error, WaitTimeout)
    assert played.error.run == run()
    assert played.error.__cause__ is silence
    assert time.now == pytest.approx(9)


def test_patience_that_ends_before_the_callers_time_is_the_daemons_silence() -> None:
    time = Time()
    played = Played(flows.wait("a", 99, check=False, link=link(time=time)), [run(), *[REFUSED] * 99], time)
    assert played.error is REFUSED
    assert time.now < 20


def test_a_fault_of_the_daemon_is_no_matter_of_time() -> None:
    time, fault = Time(), ServerError(problem(500))
    answers = [after(time, 1, run()), after(time, 9, fault)]
    assert Played(flows.wait("a", 5, check=False, link=link(time=time)), answers, time).error is fault


def test_no_try_is_silent_for_long_after_the_callers_time() -> None:
    time = Time()
    answers = [after(time, 3, run()), after(time, 1, REFUSED), REFUSED, after(time, 0, result()), result()]
    played = Played(flows.wait("a", 5, check=False, link=link(time=time)), answers, time)
    assert played.answer == result()
    reads = [step.read_s for step in played.asked if isinstance(step, Call)]
    left = [5, 2, 0.9, 0.7, 0.7]
    assert reads == pytest.approx([each + flows.SLACK_S for each in left])


def test_a_run_that_is_over_but_has_no_result_in_time_is_not_said_to_go_on() -> None:
    time = Time()
    answers = [after(time, 1, result(status="failed")), after(time, 9, BROKEN)]
    played = Played(flows.wait("run_01a", 5, check=False, link=link(time=time)), answers, time)
    assert isinstance(played.error, WaitTimeout)
    assert str(played.error) == "run_01a failed, but its result did not come in 5 s; wait again"


def test_create_and_wait_counts_from_the_submission() -> None:
    time, call = Time(), calls.create({"image": "a"})
    lost = Played(
        flows.create_and_wait(call, 5, check=False, link=link(time=time)),
        [after(time, 3, BROKEN), *[REFUSED] * 99],
        time,
    )
    assert lost.error is REFUSED, "it may not even be submitted"
    assert time.now == 5
    time = Time()
    answers = [after(time, 3, run()), *[REFUSED] * 99]
    seen = Played(flows.create_and_wait(call, 5, check=False, link=link(time=time)), answers, time)
    assert isinstance(seen.error, WaitTimeout)
    assert str(seen.error) == "run_01a is still running after 5 s of waiting; it goes on"
    assert time.now == 5


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"status": "failed", "exitCode": 3}, RunFailed),
        ({"status": "failed", "reason": "oom_killed", "exitCode": 137}, RunOutOfMemory),
        ({"status": "cancelled", "reason": "cancelled"}, RunCancelled),
        ({"status": "timeout", "reason": "deadline_exceeded"}, RunTimedOut),
    ],
)
def test_check_raises_what_the_run_came_to(changes: dict[str, object], error: type[RunFailed]) -> None:
    end = result(**changes)
    played = Played(flows.wait("a", None, check=True, link=link()), [end, end])
    assert type(played.error) is error
    assert isinstance(played.error, RunFailed)
    assert played.error.result == end
    assert Played(flows.wait("a", None, check=False, link=link()), [end, end]).answer == end


def frame(cursor: str) -> Frame:
    return Frame(entry(cursor).model_dump_json(by_alias=True).encode(), event="log", id=cursor)


END = Frame(b"{}", event="end")


def test_followed_logs_resume_after_the_last_entry_and_end_at_the_end() -> None:
    answers = [None, frame("1.5"), frame("1.9"), BROKEN, REFUSED, None, frame("2.1"), None, None, END]
    flow = streams.logs("a", link=link(), since=None, tail=5, follow=True, stream="all", attempt=None)
    played = Played(flow, answers)
    assert played.error is None
    assert [e.cursor for e in played.emitted] == ["1.5", "1.9", "2.1"]
    opened = [dict(step.feed.query) for step in played.asked if isinstance(step, Open)]
    assert [(query.get("tail"), query.get("since")) for query in opened] == [
        ("5", None),
        (None, "1.9"),
        (None, "1.9"),
        (None, "2.1"),
    ]


def test_a_log_that_is_not_followed_is_over_when_the_answer_is() -> None:
    lines = [None, Frame(frame("1.5").data), None]
    flow = streams.logs("a", link=link(), since=None, tail=None, follow=False, stream="all", attempt=None)
    played = Played(flow, lines)
    assert [e.cursor for e in played.emitted] == ["1.5"]
    assert isinstance(played.asked[-1], Read)


def test_following_gives_up_when_patience_ends_without_a_single_entry() -> None:
    time = Time()
    flow = streams.live_events(None, since=7, link=link(time=time))
    played = Played(flow, [REFUSED] * 99, time)
    assert played.error is REFUSED


@pytest.mark.parametrize("kind", ["logs", "events"])
def test_a_quiet_stream_outlives_every_restart_of_the_daemon(kind: str) -> None:
    time = Time()
    quiet = [None, after(time, 3600, BROKEN), REFUSED, REFUSED]
    if kind == "logs":
        options: dict[str, Any] = {"follow": True, "stream": "all", "attempt": None}
        flow = streams.logs("a", link=link(time=time), since=None, tail=None, **options)
    else:
        flow = streams.live_events("a", since=None, link=link(time=time))
    played = Played(flow, [*quiet * 5, None, END], time)
    assert played.error is None
    assert played.pauses == [0.1, 0.2, 0.4] * 5


def test_a_stream_that_breaks_as_soon_as_it_is_open_uses_patience_up() -> None:
    time = Time()
    flow = streams.live_events(None, since=None, link=link(time=time))
    played = Played(flow, [None, after(time, 1, BROKEN)] * 99, time)
    assert played.error is BROKEN
    assert time.now <= 12


def test_a_refused_stream_is_not_retried() -> None:
    flow = streams.live_events("nobody", since=None, link=link())
    gone = NotFound(problem(404))
    assert Played(flow, [gone]).error is gone


def test_past_events_go_on_after_the_last_of_each_page() -> None:
    def page(ids: list[int], *, more: bool) -> EventList:
        event = {"runId": "a", "project": "default", "time": NOW, "type": "run.created", "data": {}}
        rows = [{**event, "id": each} for each in ids]
        return EventList.model_validate({"data": rows, "nextCursor": "x" if more else None})

    flow = streams.past_events(None, since=None, link=link())
    played = Played(flow, [page([1, 2], more=True), page([5], more=False)])
    assert [event.id for event in played.emitted] == [1, 2, 5]
    assert [dict(step.query).get("since") for step in played.asked if isinstance(step, Call)] == [None, "2"]


def test_pages_follow_the_cursor() -> None:
    def page(run_id: str, cursor: str | None) -> RunList:
        return RunList.model_validate({"data": [run_json(id=run_id)], "nextCursor": cursor})

    played = Played(streams.pages(link=link(), status="failed"), [page("b", "c1"), page("a", None)])
    assert [each.id for each in played.emitted] == ["b", "a"]
    assert [dict(step.query).get("cursor") for step in played.asked if isinstance(step, Call)] == [None, "c1"]


def test_map_submits_everything_before_it_waits_and_keeps_the_order() -> None:
    batch = RunBatch.model_validate({"data": [run_json(id="a"), run_json(id="b")]})
    batches = calls.create_batches([{"image": "x"}] * 2)
    ends = [result(id="a"), result(id="a"), result(id="b"), result(id="b")]
    played = Played(streams.map_runs(batches, None, check=False, link=link()), [batch, *ends])
    assert [each.id for each in played.emitted] == ["a", "b"]
    paths = [step.path for step in played.asked if isinstance(step, Call)]
    assert paths[0] == "/v1/runs/batch"
    assert paths[1:] == [f"/v1/runs/{i}/{step}" for i in "ab" for step in ("wait", "result")]


def test_the_time_of_a_map_is_for_all_its_runs_and_their_submission() -> None:
    time = Time()
    batch = RunBatch.model_validate({"data": [run_json(id="a"), run_json(id="b")]})
    batches = calls.create_batches([{"image": "x"}] * 2)
    answers = [after(time, 2, batch), after(time, 2, result(id="a")), result(id="a"), *[REFUSED] * 99]
    played = Played(streams.map_runs(batches, 5, check=False, link=link(time=time)), answers, time)
    assert [each.id for each in played.emitted] == ["a"]
    assert isinstance(played.error, WaitTimeout)
    assert (played.error.run.id, time.now) == ("b", 5)
    time = Time()
    never = Played(streams.map_runs(batches, 5, check=False, link=link(time=time)), [REFUSED] * 99, time)
    assert (never.error, time.now) == (REFUSED, 5)
