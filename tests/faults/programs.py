"""Programs of many kinds for busybox, which print numbered, checksummed lines; each knows what it must print.

A line is ``<tag>.<ordinal> <number> <check>``: the ordinal says which start of the program wrote it, so a
line that is lost, repeated, torn or another's is seen in the bytes alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import Any

from runsd_sdk.run import Reason

# A third of the numbers below a million; every factor fits into a double, with which awk reckons.
_PRIME = 1_000_003
_CHECK = "(n * 7919 + s * 104729) % 1000003"
_PLAIN: Mapping[str, Any] = MappingProxyType({})
STATE = "/state"
"""Where the volume is mounted on which a program counts its starts."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is run, and what must come of it.

    ``lines`` is how many it prints to each stream, None for one that is ended from outside. ``codes`` are the
    exit codes of its first, second, … start, the last for all further ones. ``reasons`` are how a run of it
    may end when nobody but runsd and its owner does anything to it.
    """

    kind: str
    script: str
    salt: int
    lines: Mapping[str, int | None]
    codes: tuple[int, ...] = (0,)
    reasons: tuple[Reason, ...] = (Reason.EXITED,)
    fields: Mapping[str, Any] = field(default_factory=dict)
    counts: bool = False
    cancelled: bool = False

    def spec(self, tag: str) -> dict[str, Any]:
        """Return the fields of a run of it that can be told from all others by its tag."""
        script = f"t={tag}; s={self.salt}; k=1; "
        if self.counts:
            script += f"while ! mkdir {STATE}/$t.$k; do k=$((k+1)); done 2>/dev/null; "
        script += self.script
        # Long enough for all the time that a fault may take: only what is to be stopped at its deadline is.
        return {"command": ["sh", "-c", script], "name": tag, "timeout_seconds": 900, **self.fields}

    def code(self, ordinal: int) -> int:
        """Return the exit code of its nth start."""
        return self.codes[min(ordinal, len(self.codes)) - 1]

    def printed(self, tag: str, stream: str, *, ordinal: int, most: int) -> bytes:
        """Return what its nth start prints to a stream; of an endless one at least ``most`` bytes."""
        count = self.lines.get(stream, 0)
        lines: list[bytes] = []
        size = 0
        while len(lines) < count if count is not None else size < most:
            n = len(lines) + 1
            check = (n * 7919 + self.salt * 104729) % _PRIME
            lines.append(b"%s.%d %d %d\n" % (tag.encode(), ordinal, n, check))
            size += len(lines[-1])
        return b"".join(lines)


def some(random: Random, size: int, *, volume: str | None) -> list[Program]:
    """Return programs of all kinds, as many of each as the table says, in a random order.

    Those that need a volume are left out without one.
    """
    makers = [maker for maker, weight in KINDS for _ in range(weight)]
    found: list[Program] = []
    while len(found) < size:
        random.shuffle(makers)
        found += [maker(random, volume) for maker in makers if volume or maker not in COUNTING]
    return found[:size]


def instant(random: Random, volume: str | None = None) -> Program:
    """Print one line and end."""
    return _program(random, "instant", _shell(1), stdout=1)


def silent(random: Random, volume: str | None = None) -> Program:
    """Print nothing, and fail."""
    return _program(random, "silent", "exit 3", codes=(3,))


def quick(random: Random, volume: str | None = None) -> Program:
    """Print a few hundred lines at once."""
    count = random.randrange(100, 900)
    return _program(random, "quick", _awk(count), stdout=count)


def chatty(random: Random, volume: str | None = None) -> Program:
    """Print some megabyte at once."""
    return lots(random, random.randrange(20_000, 60_000))


def lots(random: Random, count: int) -> Program:
    """Print so many lines at once."""
    return _program(random, "chatty", _awk(count), stdout=count)


def bursts(random: Random, volume: str | None = None) -> Program:
    """Print thousands of lines in bursts."""
    count = 1000 * random.randrange(4, 9)
    script = f"b=0; while [ $b -lt {count} ]; do {_awk(1000, first='$b')}; b=$((b+1000)); sleep 0.2; done"
    return _program(random, "bursts", script, stdout=count)


def slow(random: Random, volume: str | None = None) -> Program:
    """Print a line now and then."""
    count = random.randrange(10, 40)
    return _program(random, "slow", _shell(count, pause=0.1), stdout=count)


def both(random: Random, volume: str | None = None) -> Program:
    """Print to both streams in turn, and fail."""
    count, code = random.randrange(20, 60), random.randrange(1, 120)
    script = _shell(count, pause=0.03, to=f"; echo $t.$k $n $(({_CHECK})) >&2")
    return _program(random, "both", f"{script}; exit {code}", stdout=count, stderr=count, codes=(code,))


def deadline(random: Random, volume: str | None = None) -> Program:
    """Print until it is stopped at its deadline."""
    fields = {"timeout_seconds": random.randrange(1, 4), "stop_grace_seconds": 3}
    return _program(
        random,
        "deadline",
        _shell(None, pause=0.05),
        stdout=None,
        fields=fields,
        reasons=(Reason.DEADLINE_EXCEEDED,),
    )


def stubborn(random: Random, volume: str | None = None) -> Program:
    """Print on past its deadline until it is killed."""
    fields = {"timeout_seconds": random.randrange(1, 4), "stop_grace_seconds": 1}
    script = f"trap '' TERM; {_shell(None, pause=0.05)}"
    return _program(
        random, "stubborn", script, stdout=None, fields=fields, reasons=(Reason.DEADLINE_EXCEEDED,)
    )


def close(random: Random, volume: str | None = None) -> Program:
    """End by itself at about its deadline."""
    fields = {"timeout_seconds": 1, "stop_grace_seconds": 1}
    script = f"{_shell(9, pause=0.1)}; exit 7"
    reasons = (Reason.EXITED, Reason.DEADLINE_EXCEEDED)
    return _program(random, "close", script, stdout=9, codes=(7,), fields=fields, reasons=reasons)


def cancelled(random: Random, volume: str | None = None) -> Program:
    """Print until its owner cancels it."""
    return _program(
        random,
        "cancelled",
        _shell(None, pause=0.05),
        stdout=None,
        reasons=(Reason.CANCELLED,),
        cancelled=True,
    )


def hungry(random: Random, volume: str | None = None) -> Program:
    """Print a line, and take more memory than it may have."""
    script = f"{_shell(1)}; exec tail /dev/zero"
    return _program(random, "hungry", script, stdout=1, codes=(137,), reasons=(Reason.OOM_KILLED,))


def failing(random: Random, volume: str | None = None) -> Program:
    """Fail a few times, then succeed: every start prints, and counts itself on a volume."""
    times, count = random.randrange(1, 4), random.randrange(5, 200)
    retries = {"limit": 10, "backoff_seconds": 0.1, "max_backoff_seconds": 0.5, "on": ["exited"]}
    fields = {"retries": retries, "volume_mounts": [{"volumeId": volume, "mountPath": STATE}]}
    script = f"{_awk(count)}; [ $k -gt {times} ] || exit 5"
    return _program(
        random, "failing", script, stdout=count, codes=(5,) * times + (0,), fields=fields, counts=True
    )


def hopeless(random: Random, volume: str | None = None) -> Program:
    """Fail as often as it is tried."""
    retries = {"limit": 2, "backoff_seconds": 0.1, "max_backoff_seconds": 0.5}
    fields = {"retries": retries, "volume_mounts": [{"volumeId": volume, "mountPath": STATE}]}
    return _program(
        random, "hopeless", f"{_awk(50)}; exit 9", stdout=50, codes=(9,), fields=fields, counts=True
    )


Maker = Callable[[Random, str | None], Program]
COUNTING = (failing, hopeless)
KINDS: list[tuple[Maker, int]] = [
    (instant, 2), (silent, 1), (quick, 2), (chatty, 2), (bursts, 2), (slow, 3), (both, 3), (deadline, 1),
    (stubborn, 1), (close, 1), (cancelled, 2), (hungry, 1), (failing, 2), (hopeless, 1),
]  # fmt: skip


def _program(
    random: Random, kind: str, script: str, *, stdout: int | None = 0, stderr: int | None = 0, **more: Any
) -> Program:
    return Program(kind, script, random.randrange(1_000_000), {"stdout": stdout, "stderr": stderr}, **more)


def _shell(count: int | None, *, pause: float = 0, to: str = "") -> str:
    """Return a loop that prints so many lines, or lines for ever, with a pause after each."""
    condition = ":" if count is None else f"[ $n -lt {count} ]"
    nap = f"; sleep {pause}" if pause else ""
    return f"n=0; while {condition}; do n=$((n+1)); echo $t.$k $n $(({_CHECK})){to}{nap}; done"


def _awk(count: int, *, first: str = "0") -> str:
    """Return a command that prints so many lines as fast as it can, numbered from after ``first``."""
    program = f'BEGIN {{ for (n = b + 1; n <= b + {count}; n++) printf "%s.%d %d %d\\n", t, k, n, {_CHECK} }}'
    return f"awk -v t=$t -v k=$k -v s=$s -v b={first} '{program}'"
