"""``client.function``: functions that can be called here, and carried out as runs."""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Unpack, cast, overload

from runsd_sdk import remote
from runsd_sdk.entrypoint import NEAREST
from runsd_sdk.errors import RunFailed
from runsd_sdk.fields import FunctionFields
from runsd_sdk.handle import FunctionHandle
from runsd_sdk.program import C, GivenSource, P, Program, R

if TYPE_CHECKING:
    from runsd_sdk.client import RunsClient
    from runsd_sdk.sync import SyncDriver


class Function(Generic[P, C, R]):
    """A function: called, it runs here and returns C; ``remote``, ``spawn`` and ``map`` make runs for an R.

    Arguments and values travel as JSON: what a run returns is a dict where the function has returned a
    dataclass. Raises InvalidArguments for what JSON cannot carry, or what the function does not take.
    """

    def __init__(self, functions: "Functions", program: Program) -> None:
        update_wrapper(self, program.function)
        self.__signature__ = program.signature
        self._functions = functions
        self._program = program

    def __repr__(self) -> str:
        return f"<Function {self._program.function.__qualname__}>"

    def __reduce__(self) -> str:
        return self._program.function.__qualname__  # pickled by its name, as every function is

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> C:
        """Call it here."""
        return cast("C", self._program.function(*args, **kwargs))

    def remote(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Carry out a call as a run, and return its value.

        RemoteException if the function raised, another RunFailed if the run came to another end.
        """
        return self.spawn(*args, **kwargs).value()

    def spawn(self, *args: P.args, **kwargs: P.kwargs) -> FunctionHandle[R]:
        """Submit a call as a run and return at once."""
        return self._functions.spawn(self._program, self._program.call(args, kwargs))

    @overload
    def map(self, *iterables: Iterable[Any], timeout: float | None = None) -> Iterator[R]: ...
    @overload
    def map(
        self, *iterables: Iterable[Any], timeout: float | None = None, return_exceptions: Literal[True]
    ) -> Iterator[R | RunFailed]: ...
    @overload
    def map(
        self, *iterables: Iterable[Any], timeout: float | None = None, return_exceptions: bool
    ) -> Iterator[R] | Iterator[R | RunFailed]: ...
    def map(
        self, *iterables: Iterable[Any], timeout: float | None = None, return_exceptions: bool = False
    ) -> Iterator[Any]:
        """Submit a run for each call when first asked; yield their values in that order.

        As the builtin, it takes one argument of each iterable, until the shortest ends. The first failure in
        that order is raised, and the other runs go on; with ``return_exceptions`` it is yielded. ``timeout``
        is for all of them together: WaitTimeout.
        """
        runs = self._program.calls(iterables)
        return self._functions.map(self._program, runs, timeout, return_exceptions=return_exceptions)

    def with_options(self, **fields: Unpack[FunctionFields]) -> "Function[P, C, R]":
        """Return the same function, whose runs have other fields."""
        return Function(self._functions, self._program.with_fields(fields))


class Decorator(Protocol):
    """Makes a Function of a function."""

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> Function[P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Function[P, R, R]: ...


class Functions:
    """The decorator of a client, with the fields that all runs of a function have, or without any.

    ``source`` is where the function's code is: a directory, which is uploaded once, a GitSource or
    SourceSpec, or None for what the image has. By default it is the current directory, if the function's
    module is found below it, or else the one that it is imported from.
    """

    def __init__(self, client: "RunsClient", driver: "SyncDriver") -> None:
        self._client = client
        self._driver = driver
        self._sent = remote.Sent(driver.link)

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> Function[P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Function[P, R, R]: ...
    @overload
    def __call__(
        self, /, *, source: GivenSource = NEAREST, **fields: Unpack[FunctionFields]
    ) -> Decorator: ...
    def __call__(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        source: GivenSource = NEAREST,
        **fields: Unpack[FunctionFields],
    ) -> Any:
        """Make a Function, or what makes one: ``@client.function(python="3.12", cpu=2)``."""

        def decorate(function: Callable[..., Any], /) -> Function[..., Any, Any]:
            return Function(self, Program(function, fields, source=source))

        return decorate if function is None else decorate(function)

    def spawn(self, program: Program, run: dict[str, Any]) -> FunctionHandle[Any]:
        """Submit one call."""
        flow = remote.spawn(program, run, sent=self._sent, link=self._driver.link)
        return FunctionHandle(self._client, self._driver.run(flow))

    def map(
        self,
        program: Program,
        runs: list[dict[str, Any]],
        timeout: float | None,
        *,
        return_exceptions: bool,
    ) -> Iterator[Any]:
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
