"""What a type checker is to know of decorated functions; never run (see test_types.py)."""

from typing import assert_type

from runsd_sdk import AsyncRunsClient, RunFailed, RunsClient

client, aio = RunsClient(), AsyncRunsClient()


@client.function(python="3.12", cpu=2, memory="4Gi")
def scaled(x: int, *, by: float = 1.0) -> float:
    return x * by


@client.function
async def later(x: int) -> str:
    return str(x)


@aio.function(source=None)
def tripled(x: int) -> int:
    return 3 * x


class Model:
    @staticmethod
    @client.function()
    def fit(x: int) -> list[int]:
        return [x]


assert_type(scaled(3), float)
assert_type(scaled.remote(3, by=2), float)
assert_type(scaled.spawn(3).value(), float)
assert_type(scaled.with_options(cpu=4).remote(3), float)
assert_type(list(scaled.map([1])), list[float])
assert_type(list(scaled.map([1], return_exceptions=True)), list[float | RunFailed])
assert_type(later.remote(3), str)
assert_type(Model.fit.remote(3), list[int])


async def main() -> None:
    assert_type(await later(3), str)
    assert_type(tripled(3), int)
    assert_type(await tripled.remote(3), int)
    assert_type(await (await tripled.spawn(3)).value(), int)
    assert_type([x async for x in tripled.map([1])], list[int])


# An ignored error that is none is one: --strict says which are unused.
scaled.remote("a")  # type: ignore[arg-type]
scaled.remote()  # type: ignore[call-arg]
scaled.spawn(1, bye=2)  # type: ignore[call-arg]
client.function(cp=2)  # type: ignore[call-overload]
