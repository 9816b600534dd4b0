"""``client.function`` of AsyncRunsClient: ``function.py`` with await."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Unpack, cast, overload

from runsd_sdk import remote
from runsd_sdk.async_handle import AsyncFunctionHandle
from runsd_sdk.entrypoint import NEAREST
from runsd_sdk.errors import RunFailed
from runsd_sdk.fields import FunctionFields
from runsd_sdk.program import C, GivenSource, P, Program, R

if TYPE_CHECKING:
    from runsd_sdk.aio import AsyncDriver
    from runsd_sdk.async_client import AsyncRunsClient


class AsyncFunction(Generic[P, C, R]):
    """A function: called, it runs here and returns C; ``remote``, ``spawn`` and ``map`` make runs for an R.

    Arguments and values travel as JSON: what a run returns is a dict where the function has returned a
    dataclass. Raises InvalidArguments for what JSON cannot carry, or what the function does not take.
    """

    def __init__(self, functions: "AsyncFunctions", program: Program) -> None:
        update_wrapper(self, program.function)
        self.__signature__ = program.signature
        self._functions = functions
        self._program = program

    def __repr__(self) -> str:
        return f"<AsyncFunction {self._program.function.__qualname__}>"

    def __reduce__(self) -> str:
        return self._program.function.__qualname__  # pickled by its name, as every function is

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> C:
        """Call it here."""
        return cast("C", self._program.function(*args, **kwargs))

    async def remote(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Carry out a call as a run, and return its value.

        RemoteException if the function raised, another RunFailed if the run came to another end.
        """
        return await (await self.spawn(*args, **kwargs)).value()

    async def spawn(self, *args: P.args, **kwargs: P.kwargs) -> AsyncFunctionHandle[R]:
        """Submit a call as a run and return at once."""
        return await self._functions.spawn(self._program, self._program.call(args, kwargs))

    @overload
    def map(self, *iterables: Iterable[Any], timeout: float | None = None) -> AsyncGenerator[R, None]: ...
    @overload
    def map(
        self, *iterables: Iterable[Any], timeout: float | None = None, return_exceptions: Literal[True]
    ) -> AsyncGenerator[R | RunFailed, None]: ...
    @overload
    def map(
        self, *iterables: Iterable[Any], timeout: float | None = None, return_exceptions: bool
    ) -> AsyncGenerator[R, None] | AsyncGenerator[R | RunFailed, None]: ...
    def map(
        self, *iterables: Iterable[Any], timeout: float | None = None, return_exceptions: bool = False
    ) -> AsyncGenerator[Any, None]:
        """Submit a run for each call when first asked; yield their values in that order.

        As the builtin, it takes one argument of each iterable, until the shortest ends. The first failure in
        that order is raised, and the other runs go on; with ``return_exceptions`` it is yielded. ``timeout``
        is for all of them together: WaitTimeout.
        """
        runs = self._program.calls(iterables)
        return self._functions.map(self._program, runs, timeout, return_exceptions=return_exceptions)

    def with_options(self, **fields: Unpack[FunctionFields]) -> "AsyncFunction[P, C, R]":
        """Return the same function, whose runs have other fields."""
        return AsyncFunction(self._functions, self._program.with_fields(fields))


class AsyncDecorator(Protocol):
    """Makes an AsyncFunction of a function."""

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncFunction[P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> AsyncFunction[P, R, R]: ...


class AsyncFunctions:
    """The decorator of a client, with the fields that all runs of a function have, or without any.

    ``source`` is where the function's code is: a directory, which is uploaded once, a GitSource or
    SourceSpec, or None for what the image has. By default it is the current directory, if the function's
    module is found below it, or else the one that it is imported from.
    """

    def __init__(self, client: "AsyncRunsClient", driver: "AsyncDriver") -> None:
        self._client = client
        self._driver = driver
        self._sent = remote.Sent(driver.link)

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncFunction[P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> AsyncFunction[P, R, R]: ...
    @overload
    def __call__(
        self, /, *, source: GivenSource = NEAREST, **fields: Unpack[FunctionFields]
    ) -> AsyncDecorator: ...
    def __call__(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        source: GivenSource = NEAREST,
        **fields: Unpack[FunctionFields],
    ) -> Any:
        """Make an AsyncFunction, or what makes one: ``@client.function(python="3.12", cpu=2)``."""

        def decorate(function: Callable[..., Any], /) -> AsyncFunction[..., Any, Any]:
            return AsyncFunction(self, Program(function, fields, source=source))

        return decorate if function is None else decorate(function)

    async def spawn(self, program: Program, run: dict[str, Any]) -> AsyncFunctionHandle[Any]:
        """Submit one call."""
        flow = remote.spawn(program, run, sent=self._sent, link=self._driver.link)
        return AsyncFunctionHandle(self._client, await self._driver.run(flow))

    def map(
        self,
        program: Program,
        runs: list[dict[str, Any]],
        timeout: float | None,
        *,
        return_exceptions: bool,
    ) -> AsyncGenerator[Any, None]:
        """Submit calls, and yield their values."""
        return self._driver.iterate(
            remote.map_calls(
                program,
                runs,
                timeout,
                return_exceptions=return_exceptions,
                sent=self._sent,
                link=self._driver.link,
            )
        )
