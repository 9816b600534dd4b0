"""What a run costs so far is what its bill would be if it ended now."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from runsd_sdk.run import Phase, Run, RunUsage, Status
from runsd_sdk.spec import RunSpec

from runsd.api.costs import so_far
from runsd.clock import micros
from runsd.store.rows import fresh_run

T0 = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
PRICE = Decimal("0.00004")


def run(**changes: Any) -> Run:
    said = {"image": "x", "resources": {"requests": {"cpu": "500m"}}, "timeoutSeconds": 60}
    row = {
        "id": "run_x", "project": "default", "name": None, "labels": "{}", "now": 0, "trigger": "api",
        "rerun_of": None, "task": None, "task_version": None, "scheduled_us": None, "hostname": "h",
    }  # fmt: skip
    return fresh_run(row, RunSpec.model_validate(said), PRICE).model_copy(update=changes)


def after(seconds: float) -> int:
    return micros(T0 + timedelta(seconds=seconds))


def test_a_run_that_goes_on_costs_what_its_attempts_cost_and_this_one_until_now() -> None:
    usage = RunUsage(cost_usd="0.5")
    found = so_far(
        run(status=Status.RUNNING, phase=Phase.RUNNING, started_at=T0, usage=usage), after(10), PRICE
    )
    assert (found.usd, found.billed_usd, found.usd_per_s) == (
        Decimal("0.5002"), Decimal("0.5"), Decimal("0.00002"),
    )  # fmt: skip
    assert found.usd == found.billed_usd + 10 * found.usd_per_s


def test_it_never_costs_more_than_timeout_and_grace_nor_less_than_nothing() -> None:
    live = run(status=Status.RUNNING, phase=Phase.STOPPING, started_at=T0)
    found = so_far(live, after(9999), PRICE)
    assert found.most_s == 70
    assert found.usd == Decimal("0.0014")
    assert so_far(live, after(-5), PRICE).usd == 0


def test_what_waits_or_is_over_costs_what_is_billed() -> None:
    billed = RunUsage(cost_usd="0.25")
    waiting = so_far(run(usage=billed), after(9), PRICE)
    assert (waiting.usd, waiting.since) == (Decimal("0.25"), None)
    ended = run(status=Status.FAILED, phase=Phase.FINISHED, started_at=T0, finished_at=T0, usage=billed)
    assert so_far(ended, after(9), PRICE).usd == Decimal("0.25")
