"""Real programs: what the receiver counts is what happened."""

from tests.telemetry import model
from tests.telemetry.station import RUN, Station


async def test_what_the_sdk_exports_by_its_variables_alone(station: Station) -> None:
    await station.run("exporting", OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN="logs/dup")
    told = await station.accounts.of_run(RUN)
    own = [one for one in told.shown() if not one.name.startswith("otel.")]  # the SDK tells of itself too
    amounts = {(one.name, one.attributes): one.amount for one in own}
    steps = {fold: amounts.pop(("steps", (("fold", fold),))).value for fold in range(3)}
    assert steps == {0: 10, 1: 10, 2: 10}
    assert amounts.pop(("loss", ())).value == 0.25
    seconds = amounts.pop(("step.seconds", ()))
    assert (seconds.count, seconds.sum, seconds.low, seconds.high) == (3, 8, 1, 5)
    assert not amounts
    assert {(one.type, one.message): one.count for _, one in told.problems()} == {
        ("ValueError", "invalid literal for int() with base 10: 'no such row'"): 2,
        ("KeyError", "logged"): 1,
    }
    assert all("Traceback" in one.stacktrace for _, one in told.problems())
    assert told.totals() is None


async def test_requests_and_tokens_of_the_openai_client_in_two_processes(station: Station) -> None:
    async with model.serving() as server:
        await station.run("asking", server.url, "streams", "other")
    assert await station.totals() == server.totals
    assert server.requests == 2 * 15


async def test_requests_and_tokens_by_metrics_alone(station: Station) -> None:
    async with model.serving() as server:
        await station.run("asking", server.url, "alone", OTEL_TRACES_SAMPLER="always_off")
    assert await station.totals() == server.totals
    assert server.requests == 14
