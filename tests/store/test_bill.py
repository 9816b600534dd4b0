"""What is stored of an end: the outcome, a bill that adds up, and months that are the sum of their runs."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runsd_sdk.run import Reason, Status
from runsd_sdk.spec import Requests, Resources, Retries

from runsd import billing
from runsd.clock import micros
from runsd.run import Outcome
from runsd.store.ended import Ended
from runsd.store.usage import UsageTotal
from tests.store.desk import BEGAN, FAILURE, PROJECT, SECOND, START, Desk, open_desk

DAY_S = 24 * 3600
NOVEMBER = (PROJECT, "2026-11-01", "2026-12-01")
DECEMBER = (PROJECT, "2026-12-01", "2027-01-01")
PRICE = Decimal("0.00004")


async def test_an_outcome_is_stored_whole(desk: Desk) -> None:
    run = await desk.finished(ran_s=2.5, outcome=FAILURE)
    assert (run.status, run.reason, run.exit_code, run.message) == (
        Status.FAILED, Reason.EXITED, 3, "exited with code 3",
    )  # fmt: skip
    assert run.started_at is not None
    assert run.finished_at is not None
    assert (run.finished_at - run.started_at).total_seconds() == 2.5
    assert (run.usage.duration_seconds, run.usage.vcpu_seconds, run.usage.cost_usd) == (2.5, 2.5, "0.0001")
    assert [attempt.attempt for attempt in run.usage.attempts] == [1]


async def test_every_attempt_of_a_run_is_on_its_bill(desk: Desk) -> None:
    work = await desk.running(retries=Retries(limit=2))
    for _ in range(2):
        assert await desk.attempts.retry(work, desk.ended(work, ran_s=1, outcome=FAILURE), not_before_us=0)
        work = await desk.admit(work.id)
        await desk.attempts.started(work, desk.hands.now(), **BEGAN)
        work = await desk.work(work.id)
    assert await desk.attempts.finish(work, desk.ended(work, ran_s=3))
    run = await desk.get(work.id)
    assert (run.status, run.attempt) == (Status.SUCCEEDED, 3)
    assert [item.duration_seconds for item in run.usage.attempts] == [1, 1, 3]
    assert run.usage.vcpu_seconds == 5
    lines = await desk.db.all("select attempt, nano_vcpu_s from usage_lines order by attempt")
    assert [tuple(line) for line in lines] == [(1, 10**9), (2, 10**9), (3, 3 * 10**9)]


async def test_an_attempt_is_never_billed_beyond_timeout_and_grace(desk: Desk) -> None:
    run = await desk.finished(ran_s=DAY_S, timeout_seconds=60, stop_grace_seconds=2.5)
    assert run.usage.duration_seconds == 62.5


async def test_a_run_is_finished_once(desk: Desk) -> None:
    work = await desk.running()
    ended = [desk.ended(work, ran_s=n) for n in range(1, 6)]
    stored = await asyncio.gather(*(desk.attempts.finish(work, end) for end in ended))
    assert sum(stored) == 1
    assert len(await desk.db.all("select * from usage_lines")) == 1
    assert (await desk.told(work.id)).count("run.finished") == 1


async def test_usage_over_attempts_adds_seconds_and_keeps_the_highest_peak(desk: Desk) -> None:
    work = await desk.running(retries=Retries(limit=1))
    first = Ended(FAILURE, work.started_us, work.started_us, 1_500_000, 4096, "cgroup")
    assert await desk.attempts.retry(work, first, not_before_us=0)
    work = await desk.admit(work.id)
    now = desk.hands.now()
    await desk.attempts.started(work, now, **BEGAN)
    assert await desk.attempts.finish(work, Ended(FAILURE, now, now, 250_000, 1024, "cgroup"))
    usage = (await desk.get(work.id)).usage
    assert (usage.cpu_seconds_used, usage.memory_peak_bytes, usage.source) == (1.75, 4096, "cgroup")


async def test_an_attempt_that_never_ran_has_no_line(desk: Desk) -> None:
    work = await desk.admitted()
    assert await desk.attempts.finish(work, Ended(Outcome(Reason.IMAGE_NOT_FOUND, "no such image")))
    run = await desk.get(work.id)
    assert (run.status, run.usage.cost_usd, run.usage.attempts) == (Status.FAILED, "0", [])
    assert await desk.usage.total(*NOVEMBER) == UsageTotal("", 0, 0)


async def test_a_lost_attempt_is_not_billed_and_is_on_the_month_as_nothing(desk: Desk) -> None:
    work = await desk.running()
    assert await desk.attempts.finish(work, Ended(Outcome(Reason.LOST, "gone"), work.started_us))
    assert (await desk.get(work.id)).usage.cost_usd == "0"
    assert await desk.usage.total(*NOVEMBER) == UsageTotal("", 0, 1)


async def test_nine_runs_of_four_cores_for_ten_minutes(desk: Desk) -> None:
    resources = Resources(requests=Requests(cpu="4"))
    runs = [await desk.finished(ran_s=600, resources=resources) for _ in range(9)]
    assert {run.usage.cost_usd for run in runs} == {"0.096"}
    total = await desk.usage.total(*NOVEMBER)
    assert (total.runs, billing.vcpu_seconds(total.nano_vcpu_s)) == (9, 21_600)
    assert billing.money(billing.cost_usd(total.nano_vcpu_s, PRICE)) == "0.864"


async def test_a_run_across_the_months_end_is_on_both_months(desk: Desk) -> None:
    desk.hands.us = micros(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))
    run = await desk.finished(ran_s=3)
    november, december = await desk.usage.total(*NOVEMBER), await desk.usage.total(*DECEMBER)
    assert (november.runs, december.runs) == (1, 1)
    assert 0 < november.nano_vcpu_s < billing.NANO
    assert november.nano_vcpu_s + december.nano_vcpu_s == 3 * billing.NANO
    assert run.usage.vcpu_seconds == 3


async def grouped(desk: Desk, by: str, label: str | None = None) -> dict[str, tuple[float, int]]:
    groups = await desk.usage.groups(*NOVEMBER, by=by, label=label)
    return {group.key: (group.nano_vcpu_s / billing.NANO, group.runs) for group in groups}


async def test_a_month_is_grouped_by_day_run_task_and_label(desk: Desk) -> None:
    one = await desk.finished(ran_s=1, labels={"team": "a", "x.y/z-1": "q"})
    two = await desk.finished(ran_s=2, labels={"team": "b"})
    desk.hands.forward(DAY_S)
    three = await desk.finished(ran_s=4, labels={"team": "a"})
    assert await grouped(desk, "day") == {"2026-11-22": (3, 2), "2026-11-23": (4, 1)}
    assert await grouped(desk, "run") == {one.id: (1, 1), two.id: (2, 1), three.id: (4, 1)}
    assert await grouped(desk, "task") == {"": (7, 3)}
    assert await grouped(desk, "label", "team") == {"a": (5, 2), "b": (2, 1)}
    assert await grouped(desk, "label", "x.y/z-1") == {"": (6, 2), "q": (1, 1)}


@pytest.mark.parametrize("label", ['a"b', "a\\b", "a\nb", "ü", "[0]", "$", "*", "a\0b", "'", "{}"])
async def test_a_group_by_any_label_is_a_value_and_never_a_path(label: str, desk: Desk) -> None:
    await desk.finished(ran_s=1, labels={"team": "a"})
    assert await grouped(desk, "label", label) == {"": (1, 1)}


async def test_labels_on_the_bill_are_those_at_the_end(desk: Desk) -> None:
    work = await desk.running(labels={"team": "a"})
    await desk.runs.relabel(PROJECT, work.id, {"team": "b"})
    assert await desk.attempts.finish(work, desk.ended(work, ran_s=1))
    await desk.runs.relabel(PROJECT, work.id, {"team": "c"})
    assert await grouped(desk, "label", "team") == {"b": (1, 1)}


ran = st.tuples(
    st.integers(START - 20 * DAY_S * SECOND, START + 20 * DAY_S * SECOND),
    st.integers(0, 86_400 * SECOND),
    st.integers(10, 64_000),
)


@given(st.lists(ran, max_size=6))
@settings(max_examples=25, deadline=None)
def test_months_and_days_are_the_sums_of_their_runs(attempts: list[tuple[int, int, int]]) -> None:
    async def add_up() -> None:
        with TemporaryDirectory() as directory:
            async with open_desk(Path(directory) / "runsd.db") as desk:
                await carried_out(desk, attempts)
                months = [("2026-10", "2026-11"), ("2026-11", "2026-12"), ("2026-12", "2027-01")]
                between = [(PROJECT, f"{first}-01", f"{after}-01") for first, after in months]
                totals = [(await desk.usage.total(*month)).nano_vcpu_s for month in between]
                for by in ("day", "run"):
                    groups = [await desk.usage.groups(*month, by=by) for month in between]
                    assert [sum(group.nano_vcpu_s for group in month) for month in groups] == totals
                assert sum(totals) == sum(us * cpu for _, us, cpu in attempts)
                runs = [row["id"] for row in await desk.db.all("select id from runs")]
                costs = [Fraction((await desk.get(id)).usage.cost_usd) for id in runs]
                assert sum(costs) == Fraction(billing.money(billing.cost_usd(sum(totals), PRICE)))

    asyncio.run(add_up())


async def carried_out(desk: Desk, attempts: list[tuple[int, int, int]]) -> None:
    for started_us, ran_us, cpu_milli in attempts:
        resources = Resources(requests=Requests(cpu=f"{cpu_milli}m"))
        work = await desk.running(timeout_seconds=86_400, stop_grace_seconds=600, resources=resources)
        assert await desk.attempts.finish(work, Ended(FAILURE, started_us, started_us + ran_us))
