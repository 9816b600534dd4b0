"""What went wrong inside a run, out of what the run left behind: its file of problems, or its stderr.

Both were written by the program, or by whoever posed as it: each size is capped, and what cannot be read is
left out.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from runsd_sdk.run import RunProblem

TYPE_CHARS = 300
MESSAGE_CHARS = 4096
STACK_CHARS = 40_000
FRAMES = 64
COUNT = 10**12
INPUT_BYTES = 4 << 20
INPUT_LINES = INPUT_BYTES // 80
"""As many as the runner writes: none of its lines is shorter. Of empty ones it could be millions."""
STACKS_CHARS = 2 << 20
"""What all stack traces of an answer may have together; those after it are cut to their ends."""
STACK_END_CHARS = 2000


class Origin(StrEnum):
    """How a problem became known."""

    UNCAUGHT = "uncaught"
    LOGGED = "logged"
    OPENTELEMETRY = "opentelemetry"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of exception at one place of a program, and how often and when it came.

    ``frames`` are the program's own (``"scripts/train.py:12 in load"``), the innermost first; ``stacktrace``
    is the whole trace as Python prints it. What was found in stderr has no times.
    """

    type: str
    message: str
    stacktrace: str
    origin: Origin
    frames: tuple[str, ...] = ()
    count: int = 1
    first_seen: datetime | None = None
    last_seen: datetime | None = None


def grouped(lines: bytes, *, most: int = 200) -> list[Problem]:
    """Return the problems of a run's ``problems.jsonl``, in the order in which they were first written.

    A line has a problem in full, or only how often a known one came again. Each process of the run writes its
    own; what has the same fingerprint and origin is one problem. Bad lines, and a last one that is cut, are
    skipped.
    """
    found: dict[tuple[str, Origin], Problem] = {}
    again: dict[tuple[str, Origin], list[Problem]] = {}
    for key, problem in _events(lines[:INPUT_BYTES]):
        if problem.type and key not in found and len(found) < most:
            found[key] = problem
        else:
            again.setdefault(key, []).append(problem)
    return _fitting([_joined(problem, again.get(key, [])) for key, problem in found.items()])


def public(problems: Iterable[Problem]) -> list[RunProblem]:
    """Return problems as the API shows them."""
    return [
        RunProblem(
            type=problem.type,
            message=problem.message,
            stacktrace=problem.stacktrace,
            frames=list(problem.frames),
            count=problem.count,
            first_seen=problem.first_seen,
            last_seen=problem.last_seen,
            origin=problem.origin,
        )
        for problem in problems
    ]


def from_stderr(text: str, *, most: int = 200) -> list[Problem]:
    """Return the Python tracebacks in a program's stderr; exceptions that are chained are one problem.

    The type and message are those of the last exception of a chain, which is the one that was not caught.
    Of a message of several lines the first is told.
    """
    found: dict[tuple[str, ...], Problem] = {}
    for problem in _tracebacks(text.splitlines()):
        key = (problem.type, *(_place(frame) for frame in problem.frames or (problem.message,)))
        if key in found:
            found[key] = replace(found[key], count=found[key].count + 1)
        elif len(found) < most:
            found[key] = problem
    return _fitting(list(found.values()))


# --- A run's own file


def _events(lines: bytes) -> Iterator[tuple[tuple[str, Origin], Problem]]:
    for line in lines.split(b"\n", INPUT_LINES)[:INPUT_LINES]:
        try:
            fields = json.loads(line)
            if isinstance(fields, dict):
                yield _event(fields)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            continue


def _event(fields: dict[str, object]) -> tuple[tuple[str, Origin], Problem]:
    """Read one line's fields; raises ValueError, TypeError, KeyError or OverflowError."""
    when = _instant(fields.get("time"))
    frames = fields.get("frames")
    problem = Problem(
        type=_text(fields.get("type"), TYPE_CHARS),
        message=_text(fields.get("message"), MESSAGE_CHARS),
        stacktrace=_text(fields.get("stacktrace"), STACK_CHARS),
        origin=Origin(str(fields["origin"])),
        frames=tuple(_text(frame, TYPE_CHARS) for frame in frames[:FRAMES])
        if isinstance(frames, list)
        else (),
        count=_count(fields.get("count", 1)),
        first_seen=when,
        last_seen=when,
    )
    return (str(fields["fingerprint"])[:64], problem.origin), problem


def _text(value: object, most: int) -> str:
    """Return the beginning of a text, without half surrogate pairs, which no UTF-8 has."""
    return value[:most].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= COUNT:
        raise ValueError("cannot read a count")
    return value


def _instant(value: object) -> datetime:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("cannot read an instant")
    return datetime.fromtimestamp(value, UTC)


def _joined(problem: Problem, again: list[Problem]) -> Problem:
    """Return a problem with all that came of it."""
    times = [each.first_seen for each in (problem, *again) if each.first_seen is not None]
    return replace(
        problem,
        count=min(COUNT, problem.count + sum(each.count for each in again)),
        first_seen=min(times, default=None),
        last_seen=max(times, default=None),
    )


def _fitting(problems: list[Problem]) -> list[Problem]:
    """Return problems with as much of their stack traces as fits into one answer."""
    left = STACKS_CHARS
    fitting = []
    for problem in problems:
        whole = len(problem.stacktrace) <= max(left, STACK_END_CHARS)
        stack = problem.stacktrace if whole else problem.stacktrace[-STACK_END_CHARS:]
        fitting.append(replace(problem, stacktrace=stack))
        left -= len(stack)
    return fitting


# --- Tracebacks in stderr

_HEADER = re.compile(r"\s*(?P<group>\+ Exception Group )?Traceback \(most recent call last\):$")
_FRAME = re.compile(
    r'[ |]*File "(?P<file>[^"]{1,1000})", line (?P<line>\d{1,9})(?:, in (?P<name>.{1,300}))?$'
)
_LAST = re.compile(r"[ |]*(?P<type>[^\W\d][\w.<>]{0,300})(?:: ?(?P<message>.*))?$")
_GROUP = re.compile(r"\s+[|+]")
_SYNTAX = re.compile(r"(SyntaxError|IndentationError|TabError): ")
_CHAINED = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
_LIBRARY = re.compile(r"<|.*/(site-packages|dist-packages)/|.*/lib/python3\.\d+/")
_MESSAGE_LINES = 50


def _tracebacks(lines: list[str]) -> Iterator[Problem]:
    at = 0
    while at < len(lines):
        end, last = at, None
        if _HEADER.match(lines[at]):
            end, last = _chain(lines, at)
        elif _FRAME.match(lines[at]) and (end := _syntax_error(lines, at)) > at:
            last = end - 1
        if last is not None and (told := _LAST.match(lines[last])) is not None:
            yield _problem(lines[at:end], told["type"], told["message"] or "")
        at = max(end, at + 1)


def _chain(lines: list[str], at: int) -> tuple[int, int | None]:
    """Return where the traceback at a line ends, and the line with its last exception, if it has one.

    A chain goes on where its sentence and another header follow, after the rest of the exception's message.
    """
    ends, last = at, None
    place: int | None = at
    while place is not None:
        header = _HEADER.match(lines[place])
        end, own = _group(lines, place) if header is not None and header["group"] else _single(lines, place)
        if own is None:
            break
        ends, last = end, own
        place = _following(lines, end)
    return (end, None) if last is None else (ends, last)


def _single(lines: list[str], at: int) -> tuple[int, int | None]:
    end = _indented(lines, at + 1)
    if end >= len(lines) or _LAST.match(lines[end]) is None:
        return end, None
    return end + 1, end


def _indented(lines: list[str], at: int) -> int:
    while at < len(lines) and lines[at].startswith("  "):
        at += 1
    return at


def _following(lines: list[str], at: int) -> int | None:
    """Return the line of the header with which a chain goes on, or None where it ends."""
    for place in range(at, min(at + _MESSAGE_LINES, len(lines) - 2)):
        if _HEADER.match(lines[place]):
            return None
        if lines[place] in _CHAINED:
            return place + 2 if _HEADER.match(lines[place + 2]) else None
    return None


def _group(lines: list[str], at: int) -> tuple[int, int | None]:
    """Return where an exception group's traceback ends, and the line with the group's own exception."""
    end = at + 1
    while end < len(lines) and _GROUP.match(lines[end]):
        end += 1
    margin = len(lines[at]) - len(lines[at].lstrip()) + len("| ")
    own = (n for n in range(at + 1, end) if lines[n][margin : margin + 1].strip() and _LAST.match(lines[n]))
    return end, next(own, None)


def _syntax_error(lines: list[str], at: int) -> int:
    """Return where a syntax error that is printed without a header ends, or ``at`` if there is none."""
    for end in range(at + 1, min(at + 5, len(lines))):
        if not lines[end].startswith("  "):
            return end + 1 if _SYNTAX.match(lines[end]) else at
    return at


def _problem(trace: list[str], kind: str, message: str) -> Problem:
    text = "\n".join(trace)
    frames = [
        (not _LIBRARY.match(frame["file"]), f"{frame['file']}:{frame['line']} in {frame['name']}")
        for frame in map(_FRAME.match, trace)
        if frame is not None and frame["name"]
    ]
    own = [frame for is_own, frame in frames if is_own] or [frame for _, frame in frames]
    return Problem(
        type=_text(kind.removeprefix("__main__."), TYPE_CHARS),  # as the traceback module prints it
        message=_text(message, MESSAGE_CHARS),
        stacktrace=_text(text[-STACK_CHARS:], STACK_CHARS),
        origin=Origin.STDERR,
        frames=tuple(_text(frame, TYPE_CHARS) for frame in reversed(own[-FRAMES:])),
    )


def _place(frame: str) -> str:
    """Return a frame without its line."""
    return re.sub(r":\d+ in ", " in ", frame)
