"""What a run's pages make of its events, bill, samples, traces and values."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from runsd_sdk.run import AttemptUsage, Event, Phase, Run, RunUsage, Sample
from runsd_sdk.spec import RunSpec

from runsd.store.rows import fresh_run
from runsd.web.bill import bill
from runsd.web.facts import facts
from runsd.web.meters import points, rows
from runsd.web.results import tail
from runsd.web.run import is_plain
from runsd.web.timeline import WIDTH, Span, bar, spent, timeline
from runsd.web.trace import marked
from runsd.web.tree import MOST_CHARS, MOST_DEEP, MOST_NODES, MOST_WIDE, Node, tree

T0 = datetime(2026, 11, 22, 23, 59, 50, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def events(*told: tuple[float, str, dict[str, Any]]) -> list[Event]:
    return [
        Event(id=n, run_id="run_x", project="default", time=at(when), type=f"run.{type}", data=data)
        for n, (when, type, data) in enumerate(told, 1)
    ]


RETRIED = events(
    (0, "submitted", {}),
    (1, "admitted", {"attempt": 1}),
    (1.5, "pulling", {"attempt": 1}),
    (2, "pull_progress", {"doneBytes": 1}),
    (4.5, "image_ready", {"attempt": 1}),
    (5, "running", {"attempt": 1}),
    (6, "relabelled", {"labels": {}}),
    (7, "retrying", {"attempt": 1}),
    (9, "admitted", {"attempt": 2}),
    (10, "running", {"attempt": 2}),
    (12, "stopping", {"attempt": 2}),
    (13, "finished", {"attempt": 2}),
)


def test_events_become_spans_without_holes_from_submission_to_end() -> None:
    spans = timeline(RETRIED, at(99))
    assert [(span.phase, span.attempt, span.seconds) for span in spans] == [
        (Phase.QUEUED, 0, 1),
        (Phase.STARTING, 1, 0.5),
        (Phase.PULLING, 1, 3),
        (Phase.STARTING, 1, 0.5),
        (Phase.RUNNING, 1, 2),
        (Phase.QUEUED, 1, 2),
        (Phase.STARTING, 2, 1),
        (Phase.RUNNING, 2, 2),
        (Phase.STOPPING, 2, 1),
    ]
    assert all(one.ended == other.began for one, other in pairwise(spans))
    assert {each.phase: each.seconds for each in spent(spans)} == {
        Phase.QUEUED: 3, Phase.PULLING: 3, Phase.STARTING: 2, Phase.RUNNING: 4, Phase.STOPPING: 1,
    }  # fmt: skip
    assert sum(each.share for each in spent(spans)) == 1


def test_what_goes_on_ends_now_and_never_before_it_began() -> None:
    assert timeline(RETRIED[:6], at(8))[-1] == Span(Phase.RUNNING, 1, at(5), at(8))
    assert timeline(RETRIED[:6], at(3))[-1].seconds == 0


def test_of_a_run_whose_first_events_are_gone_nothing_is_made_up() -> None:
    assert timeline(RETRIED[5:], at(99)) == []
    assert (spent([]), bar([])) == ([], [])


def test_bar_is_full_and_shows_the_shortest_span() -> None:
    day = Span(Phase.RUNNING, 1, at(0.01), at(86_400))
    pieces = bar([Span(Phase.QUEUED, 0, at(0), at(0.01)), day])
    assert abs(sum(piece.width for piece in pieces) - WIDTH) < 0.1
    assert pieces[0].width > 3
    assert pieces[1].at == pieces[0].width
    nothing = bar([Span(Phase.QUEUED, 0, at(0), at(0))])
    assert nothing[0].width == WIDTH


def run(spec: dict[str, Any], *attempts: AttemptUsage) -> Run:
    full = RunSpec.model_validate(spec)
    row = {
        "id": "run_x", "project": "default", "name": None, "labels": "{}", "now": 0, "trigger": "api",
        "rerun_of": None, "task": None, "task_version": None, "scheduled_us": None, "hostname": "h",
    }  # fmt: skip
    made = fresh_run(row, full, Decimal("0.00004"))
    return made.model_copy(update={"usage": RunUsage(attempts=list(attempts))})


def test_each_line_of_a_bill_is_a_sum_that_a_reader_can_do() -> None:
    used = AttemptUsage(
        attempt=2, started_at=at(0), finished_at=at(40), duration_seconds=20.000001,
        vcpu_seconds=5.00000025, cost_usd="0.00020000001",
    )  # fmt: skip
    (line,) = bill(run({"image": "x", "resources": {"requests": {"cpu": "250m"}}}, used))
    assert (line.cores, line.seconds, line.vcpu_seconds) == ("0.25", "20.000001", "5.00000025")
    assert Decimal(line.cores) * Decimal(line.seconds) * Decimal("0.00004") == Decimal(line.cost_usd)
    assert round(line.cut_s, 3) == 20
    assert bill(run({"image": "x"})) == []


def test_facts_tell_what_was_asked_and_leave_out_what_was_not() -> None:
    spec = {"image": "i", "command": ["sh", "-c", "echo 'a b'"], "retries": {"limit": 2}, "priority": 3}
    told = dict(facts(RunSpec.model_validate(spec)))
    assert told["Command"] == """sh -c 'echo '"'"'a b'"'"''"""
    assert told["Retries"].startswith("up to 2, after 1.00 s to 1 m 00 s, on exited,")
    assert (told["Cores"], told["Memory"], told["Timeout"]) == ("1", "1.0 GiB", "1 h 00 m")
    assert told.keys().isdisjoint({"GPUs", "Waits at most", "Shared memory", "Directory", "Pull"})
    entry = {"function": "a.py:f", "args": [1], "kwargs": {"k": None}}
    told = dict(facts(RunSpec.model_validate({"python": {"version": "3.12", "entrypoint": entry}})))
    assert (told["Function"], told["Arguments"], told["Named arguments"]) == ("a.py:f", "[1]", '{"k": null}')


def nodes(node: Node) -> int:
    return 1 + sum(map(nodes, node.parts))


def test_a_small_value_is_shown_whole_and_in_order() -> None:
    root = tree({"b": [True, None, 1.5], "a": {"x": "é\n"}})
    assert (root.kind, root.text, root.whole) == ("object", "2 entries", True)
    assert [part.key for part in root.parts] == ["b", "a"]
    assert [(part.key, part.text) for part in root.parts[0].parts] == [
        ("0", "true"),
        ("1", "null"),
        ("2", "1.5"),
    ]
    assert root.parts[1].parts[0].text == '"é\\n"'


def test_wide_deep_and_long_values_are_cut_and_say_so() -> None:
    wide = tree(list(range(5000)))
    assert (len(wide.parts), wide.hidden) == (MOST_WIDE, 5000 - MOST_WIDE)
    deep: Any = "bottom"
    for _ in range(900):
        deep = [deep]
    told = tree(deep)
    assert nodes(told) == MOST_DEEP + 1
    assert not told.whole
    many = tree([[list(range(100))] * 100] * 100)
    assert nodes(many) == MOST_NODES + 1
    assert len(many.parts) == 100  # what is near comes first
    long = tree("x" * (MOST_CHARS + 7))
    assert long.hidden == 7
    assert len(tree({"k" * 10_000: 10**4000}).parts[0].text) == MOST_CHARS


def test_text_that_turns_around_is_spelt_out() -> None:
    assert tree("a\u202eb\u2066\x1b").text == '"a\\u202eb\\u2066\\u001b"'


TRACE = """Traceback (most recent call last):
  File "/workspace/a.py", line 3, in main
    load()
    ~~~~^^
  File "/usr/lib/python3.13/json/decoder.py", line 345, in decode
    raw_decode()
ValueError: said
    on several lines
"""


def test_frames_of_the_program_are_marked_with_their_code() -> None:
    for frames in (["a.py:3 in main"], ["/workspace/a.py:9 in of_a_later_exception"], []):
        parts = marked(TRACE, frames)
        assert "".join(part.text for part in parts) == TRACE
        (own,) = [part.text for part in parts if part.own]
        assert own == "".join(TRACE.splitlines(keepends=True)[1:4])
    assert not any(part.own for part in marked(TRACE, ["b.py:3 in main"]))


def test_a_trace_that_is_none_is_shown_as_it_is() -> None:
    for text in ("", "\n\n", 'File "', "x" * 10_000, '  File "a", line 1, in <b>'):
        assert "".join(part.text for part in marked(text, [])) == text


def sample(when: float, cpu: float, memory: int) -> Sample:
    return Sample(time=at(when), cpu_seconds=cpu, memory_bytes=memory)


def test_cores_are_what_was_used_between_samples_and_begin_anew_with_an_attempt() -> None:
    told = points([sample(0, 0.5, 10), sample(2, 1.5, 30), sample(6, 1.5, 20), sample(9, 0.1, 5)])
    assert [point.cores for point in told] == [None, 0.5, 0, None]
    assert [point.memory_bytes for point in told] == [10, 30, 20, 5]
    assert points([]) == rows([]) == []


def test_of_many_samples_no_use_and_no_peak_is_lost() -> None:
    samples = [sample(n, n * 0.25, 1000 if n == 5001 else n % 7) for n in range(10_000)]
    told = points(samples)
    assert len(told) <= 601
    assert max(point.memory_bytes for point in told) == 1000
    assert {point.cores for point in told[1:]} == {0.25}
    assert told[-1].time == samples[-1].time
    few = rows(told)
    assert len(few) <= 40
    assert few[-1] is told[-1]


def test_the_end_of_an_output_says_whether_there_was_more() -> None:
    assert (tail("a\nb").text, tail("a\nb").cut, tail("a", cut=True).cut) == ("a\nb", False, True)
    many = tail("line\n" * 100)
    assert (many.text.count("\n"), many.cut) == (25, True)
    assert len(tail("x" * 100_000).text) == 20_000


def test_labels_that_lines_cannot_hold_are_edited_as_json() -> None:
    assert all(map(is_plain, ("", "a=b", " a", '"><script>')))
    assert not any(map(is_plain, ("a\nb", "a ", "\n", "a\u2028b", "a\r")))


def test_a_bar_that_is_drawn_again_and_again_is_one_line_in_its_last_state() -> None:
    bar = "".join(f"\r{n}%|{'#' * n}" for n in range(101))
    shown = tail(f"begin\n\x1b[32m{bar}\x1b[0m\r\nend\r\n")
    assert (shown.text, shown.cut) == (f"begin\n100%|{'#' * 100}\nend\n", False)


def test_the_end_of_an_output_is_text_and_nothing_for_a_terminal() -> None:
    shown = tail("\x1b[32mdone\x1b[0m \x1b]0;title\x07<b>\ud800\n")
    assert (shown.text, shown.cut) == ("done <b>?\n", False)
