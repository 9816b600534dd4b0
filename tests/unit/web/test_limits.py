"""Limits beside what a project has: those that are set, exactly, and no others."""

from datetime import UTC, datetime

from runsd_sdk.host import Capacity, EngineHealth, EngineState, Info, Sandboxes, Spent, Starts
from runsd_sdk.project import ProjectLimits

from runsd.web.limits import shares

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NOTHING = Capacity(cpu_milli=0, memory_bytes=0, gpus=0)


def info(spent: Spent | None = None) -> Info:
    engine = EngineHealth(
        state=EngineState.ANSWERING, reachable=True, version=None, api_version=None, since=NOW, message=None
    )
    return Info(
        version="1", instance="i", hostname="h", engine=engine, capacity=NOTHING, free=NOTHING,
        in_use=Capacity(cpu_milli=1500, memory_bytes=2**29, gpus=0), largest_run=NOTHING, project="p",
        queued=7, live=3, spent=spent, usage_source="cgroup", starts=Starts(now=0, most=1, waiting=0),
        sandboxes=Sandboxes(idle=0, lent=0, most=0), started_at=NOW,
    )  # fmt: skip


def test_only_limits_that_are_set_are_told() -> None:
    assert shares(ProjectLimits(), info()) == []
    (runs,) = shares(ProjectLimits(runs=3), info())
    assert (runs.said, runs.reached) == ("3 of 3", True)


def test_what_is_had_is_told_in_the_units_of_its_limit() -> None:
    limits = ProjectLimits(
        runs=4, cpu="2", memory="1Gi", queued=0, monthly_vcpu_seconds=1000, monthly_usd="12.50"
    )
    spent = Spent(month="2026-11", vcpu_seconds=12.5, cost_usd="0.04")
    assert [(limit.name, limit.said, limit.reached) for limit in shares(limits, info(spent))] == [
        ("Budget of the month", "$0.040 of $12.50", False),
        ("vCPU-seconds of the month", "12.5 of 1,000", False),
        ("Live runs", "3 of 4", False),
        ("Cores in use", "1.5 of 2", False),
        ("Memory in use", "512.0 MiB of 1.0 GiB", False),
        ("Queued runs", "7 of 0", True),
    ]
