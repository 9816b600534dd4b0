"""How much is measured: as much as the time allows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Rounds, and the size of each thing that is measured in a round."""

    rounds: int
    heat_runs: int  # runs of a burst that only finds somebody's best concurrency
    heat_at_once: tuple[int, ...]
    burst_runs: int
    singles: int
    exits: int
    submits: int
    batches: int
    capture_bytes: int
    follow_seconds: float
    sleepers: int
    idle_seconds: float
    youth_seconds: float  # after which nobody is measured more often than every ten seconds
    queued: int
    probes: int
    lists: int


FULL = Scale(
    rounds=3, heat_runs=32, heat_at_once=(4, 8, 32), burst_runs=96, singles=8, exits=24, submits=2000,
    batches=5, capture_bytes=100_000_000, follow_seconds=5, sleepers=100, idle_seconds=15, youth_seconds=5,
    queued=10_000, probes=10, lists=200,
)  # fmt: skip
QUICK = Scale(
    rounds=1, heat_runs=0, heat_at_once=(4,), burst_runs=24, singles=5, exits=10, submits=1000,
    batches=2, capture_bytes=25_000_000, follow_seconds=3, sleepers=20, idle_seconds=8, youth_seconds=10,
    queued=10_000, probes=5, lists=200,
)  # fmt: skip
SMALLEST = Scale(
    rounds=1, heat_runs=0, heat_at_once=(2,), burst_runs=2, singles=2, exits=2, submits=16,
    batches=1, capture_bytes=1_000_000, follow_seconds=0.5, sleepers=2, idle_seconds=1, youth_seconds=0,
    queued=10, probes=2, lists=5,
)  # fmt: skip
SCALES = {"full": FULL, "quick": QUICK, "smallest": SMALLEST}
