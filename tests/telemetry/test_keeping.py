"""What is kept, and where is listened, over the lives of several daemons."""

import socket
from dataclasses import replace
from pathlib import Path

from runsd.logs.kept import KeptLogs
from runsd.mask import Mask
from runsd.telemetry.accounts import Accounts
from runsd.telemetry.ledger import Ledger
from runsd.telemetry.sums import Totals
from tests.telemetry.station import RUN, Station
from tests.telemetry.test_receiver import call
from tests.unit.telling import batch, error, sums
from tests.unit.telling import call as span


async def live(_: str) -> int:
    return 1


async def no_mask(_: str) -> None:
    return None


async def rows(station: Station) -> int:
    return len(await station.db.all("select 1 from telemetry"))


async def test_the_final_flush_stores_everything_and_nothing_where_nothing_was_told(station: Station) -> None:
    await station.accounts.final(RUN, 1)
    assert await rows(station) == 0
    await station.send("traces", call(1))
    await station.accounts.final(RUN, 1)
    assert await rows(station) == 1
    await station.send("traces", call(2))  # a word after the last one, while the attempt is live
    assert await station.totals() == Totals(2, 20, 10)


async def test_after_a_crash_cumulative_metrics_are_whole_and_nothing_is_told_twice(station: Station) -> None:
    first = Accounts(Ledger(station.db), live=live, mask_of=no_mask)
    await first.add((RUN, 1), batch(sums("steps", 3), span(1)))
    await first.of_run(RUN)  # stored
    await first.add((RUN, 1), batch(sums("steps", 5, time=5), span(2)))  # not stored: it dies here
    second = Accounts(Ledger(station.db), live=live, mask_of=no_mask)
    await second.add((RUN, 1), batch(sums("steps", 9, time=9), span(3)))
    told = await second.of_run(RUN)
    assert [one.amount.value for one in told.shown()] == [9]
    assert told.totals() == Totals(2, 20, 10)  # spans that were not stored are gone


async def test_calls_are_counted_over_time_ever_more_seldom_and_finally(station: Station) -> None:
    now = 1_000_000_000
    stored: list[str] = []
    accounts = Accounts(
        Ledger(station.db), live=live, mask_of=no_mask, clock=lambda: now, on_stored=stored.append
    )
    for number in range(1, 41):
        await accounts.add((RUN, 1), batch(span(number)))
        await accounts.of_run(RUN)
        now += 1_000_000
    seconds = [each.time.timestamp() - 1000 for each in await accounts.calls(RUN)]
    assert seconds == [0, 1, 3, 7, 15, 25, 35]
    assert [each.requests for each in await accounts.calls(RUN)] == [1, 2, 4, 8, 16, 26, 36]
    await accounts.final(RUN, 1)
    last = (await accounts.calls(RUN))[-1]
    assert (last.requests, last.tokens_in, last.tokens_out) == (40, 400, 200)
    assert set(stored) == {RUN}


async def test_calls_of_a_second_attempt_come_on_top_of_those_of_the_first(station: Station) -> None:
    for attempt in (1, 2):
        station.live[RUN] = attempt
        await station.accounts.add((RUN, attempt), batch(span(1)))
        await station.accounts.final(RUN, attempt)
    assert [each.requests for each in await station.accounts.calls(RUN)] == [1, 2]
    kept = KeptLogs(station.db)
    assert await kept.run_ids("", 10) == [RUN]
    await kept.forget(RUN)
    assert await station.accounts.calls(RUN) == []
    assert await kept.run_ids("", 10) == []


async def test_attempts_and_runs_do_not_mix(station: Station) -> None:
    accounts = Accounts(Ledger(station.db), live=live, mask_of=no_mask)
    other = RUN[:-1] + "1"
    for run in (RUN, other):
        await accounts.add((run, 1), batch(span(1)))
    assert [(await accounts.of_run(run)).totals() for run in (RUN, other)] == [Totals(1, 10, 5)] * 2


async def test_of_a_secret_nothing_is_kept(station: Station) -> None:
    station.mask = Mask(["hush-hush"])
    told = error("a hush-hush message", stack="at hush-hush")
    point = sums("hush-hush", 1, attributes={"a": "b hush-hush", "hush-hush": "c"}, process="hush-hush")
    await station.accounts.add((RUN, 1), batch(point, told, replace(span(1), raised=(told,))))
    kept = await station.accounts.of_run(RUN)
    assert [problem.message for _, problem in kept.problems()] == ["a ********* message"]
    stored = [row["value"] for row in await station.db.all("select value from telemetry")]
    assert stored and not [value for value in stored if "hush-hush" in value]


async def test_who_is_not_live_has_no_account(station: Station) -> None:
    assert await station.accounts.open((RUN, 2)) is None
    assert await station.accounts.open((RUN, 1)) is not None


async def test_the_next_daemon_listens_where_containers_were_told_to_send(station: Station) -> None:
    before = station.url
    await station.listener.close()
    async with replace(station) as again:
        assert again.url == before


async def test_a_port_that_somebody_took_is_given_up(station: Station) -> None:
    before = station.url
    await station.listener.close()
    with socket.create_server(("127.0.0.1", int(before.rpartition(":")[2]))):
        async with replace(station) as again:
            assert again.url != before
            assert (await again.send("traces", call(1)))[0] == 200


async def test_an_address_that_is_not_there_is_said_and_tried_again(station: Station) -> None:
    async with replace(station, address="203.0.113.1") as elsewhere:  # RFC 5737
        assert elsewhere.listener.endpoint is None
        assert elsewhere.listener.trouble is not None
        assert "no interface" in elsewhere.listener.trouble
        await elsewhere.listener.listen("127.0.0.1")
        assert elsewhere.listener.trouble is None


async def test_a_chosen_port_is_the_only_one(station: Station, tmp_path: Path) -> None:
    port = int(station.url.rpartition(":")[2])
    async with replace(station, port=port, directory=tmp_path / "none") as second:
        assert second.listener.endpoint is None
        assert "telemetry.port" in (second.listener.trouble or "")
