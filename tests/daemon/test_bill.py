"""The bill: from the Engine's own instants, exact to the last digit, and never changed afterwards."""

import csv
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from runsd_sdk.run import Status

from tests.conftest import Serve
from tests.daemon.harness import Daemon

PRICE = Decimal("0.00004")
MICRO = Decimal("0.000001")


@pytest.mark.parametrize("cpu", ["100m", "0.333", "1"])
def test_a_bill_is_the_asked_cores_times_the_engines_own_record(daemon: Daemon, cpu: str) -> None:
    seen = daemon.witnessed("sleep 0.2", resources={"requests": {"cpu": cpu}}, labels={"cpu": cpu})
    cores = Decimal("0.1") if cpu == "100m" else Decimal(cpu)
    ran_s = (seen.ran // (seen.ran.resolution)) * MICRO
    usage = exact(daemon, f"/v1/runs/{seen.result.id}")["usage"]
    assert usage["durationSeconds"] == ran_s > Decimal("0.2")
    assert usage["vcpuSeconds"] == cores * ran_s
    assert Decimal(usage["costUsd"]) == cores * ran_s * PRICE
    (line,) = usage["attempts"]
    assert line["vcpuSeconds"] == usage["vcpuSeconds"]
    assert line["costUsd"] == usage["costUsd"]
    assert (line["startedAt"], line["finishedAt"]) == (
        micros(seen.state["StartedAt"]),
        micros(seen.state["FinishedAt"]),
    )


def test_time_in_the_queue_is_not_billed(daemon: Daemon) -> None:
    blocker = daemon.submit("sleep", "1", resources={"requests": {"memory": "2Gi"}})
    daemon.until(blocker.id, "run.running")
    result = daemon.run("true")
    assert result.started_at is not None
    assert result.finished_at is not None
    assert (result.started_at - result.created_at).total_seconds() > 0.5
    ran_s = max(0.0, (result.finished_at - result.started_at).total_seconds())
    assert result.usage.duration_seconds == ran_s
    # The Engine puts the start down when the program runs already, half a millisecond after it has begun.
    assert blocker.wait(30).usage.duration_seconds >= 0.9


def test_a_month_is_the_sum_of_its_runs_to_the_last_digit(daemon: Daemon) -> None:
    for cpu in ("111m", "70m", "999m"):
        daemon.run("sleep", "0.1", resources={"requests": {"cpu": cpu}}, labels={"cpu": cpu})
    daemon.run("/no/such/command")
    month = exact(daemon, "/v1/usage", month=this_month(), groupBy="run")
    runs = exact(daemon, "/v1/runs", limit=1000)["data"]
    billed = {run["id"]: run["usage"]["vcpuSeconds"] for run in runs if run["startedAt"]}
    assert {group["key"]: group["vcpuSeconds"] for group in month["groups"]} == billed
    assert month["vcpuSeconds"] == sum(billed.values()) > 0
    assert sum(Decimal(group["costUsd"]) for group in month["groups"]) == month["vcpuSeconds"] * PRICE
    assert month["runs"] == len(billed)
    assert (month["freeVcpuSeconds"], month["billableVcpuSeconds"], month["costUsd"]) == (100_000, 0, "0")
    for by in ("day", "label:cpu", "task"):
        groups = exact(daemon, "/v1/usage", groupBy=by)["groups"]
        assert sum(group["vcpuSeconds"] for group in groups) == month["vcpuSeconds"]


def test_usage_in_csv_has_the_same_figures(daemon: Daemon) -> None:
    daemon.run("sleep", "0.1")
    month = exact(daemon, "/v1/usage", groupBy="run")
    answer = daemon.http.get("/v1/usage", params={"groupBy": "run"}, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    *groups, total = csv.DictReader(answer.text.splitlines())
    assert [(row["key"], Decimal(row["vcpu_seconds"]), row["cost_usd"]) for row in groups] == [
        (group["key"], group["vcpuSeconds"], group["costUsd"]) for group in month["groups"]
    ]
    assert (total["key"], Decimal(total["vcpu_seconds"])) == ("total", month["vcpuSeconds"])
    assert daemon.client.usage_csv(group_by="run") == answer.text


def test_deleting_runs_and_their_logs_leaves_usage_as_it_was(daemon: Daemon) -> None:
    result = daemon.run("sleep", "0.1")
    before = exact(daemon, "/v1/usage", groupBy="run")
    daemon.client.delete(result.id)
    daemon.restart()
    assert exact(daemon, "/v1/usage", groupBy="run") == before
    assert result.id in {group["key"] for group in before["groups"]}


def test_beyond_the_free_tier_the_month_costs_the_configured_price(serve: Serve) -> None:
    price = Decimal("0.0123")
    billing = {
        "RUNSD_BILLING__FREE_VCPU_SECONDS": "0",
        "RUNSD_BILLING__PRICE_PER_VCPU_SECOND_USD": str(price),
    }
    with serve(**billing) as daemon:
        result = daemon.run("sleep", "0.3")
        assert result.status is Status.SUCCEEDED
        month = exact(daemon, "/v1/usage")
    assert month["pricePerVcpuSecondUsd"] == "0.0123"
    assert month["billableVcpuSeconds"] == month["vcpuSeconds"]
    assert Decimal(month["costUsd"]) == month["vcpuSeconds"] * price
    assert month["costUsd"] == result.usage.cost_usd


def exact(daemon: Daemon, path: str, **query: Any) -> Any:
    """Return an answer with its numbers as the decimals that are written there."""
    answer = daemon.http.get(path, params=query)
    answer.raise_for_status()
    return json.loads(answer.text, parse_float=Decimal)


def micros(engine_text: str) -> str:
    """Cut the Engine's nanoseconds down to microseconds, as text."""
    seconds, _, fraction = engine_text.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction.ljust(9, '0')[:6]}Z"


def this_month() -> str:
    return datetime.now(UTC).strftime("%Y-%m")
