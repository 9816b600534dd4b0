"""Stands in for the SDK inside a run that lacks it, so that decorated functions can be imported and called.

runsd puts this file into the container, last on the path: an installed SDK is found before it. It stands
alone, as the runner does: the standard library of Python 3.8 or newer.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to import than the rest of this
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, NoReturn

__all__ = ["AsyncRunsClient", "RunsClient"]
__path__: list[str] = []  # runsd_sdk.errors and the like are found too, below

REMEDY = (
    "inside a run runsd_sdk is a stand-in: a run has no daemon to ask. Call the function itself, as in"
    " square(3); a program that can reach a daemon adds runsd_sdk to the run's dependencies and tells its"
    " client where that daemon is"
)


class NoDaemon(RuntimeError, AttributeError):
    """What only the SDK itself can do was asked of its stand-in."""


class RunsClient:
    """Takes what the real one takes, and leaves functions as they are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def function(self, function: Any = None, /, **fields: Any) -> Any:
        """Return the function itself, or what returns it; what makes runs of it says why it cannot."""
        return with_refusals if function is None else with_refusals(function)

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def __enter__(self) -> RunsClient:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return refuse(name, of=type(self).__name__)


class AsyncRunsClient(RunsClient):
    """The same, with await."""

    async def close(self) -> None:  # type: ignore[override]
        """Do nothing: nothing is open."""

    async def __aenter__(self) -> AsyncRunsClient:
        return self

    async def __aexit__(self, *error: Any) -> None:
        pass


def with_refusals(function: Any) -> Any:
    """Give a function the names that the real decorator gives it; it stays what it is in all else."""
    plain = getattr(function, "__func__", function)
    for name in ("remote", "spawn", "map"):
        setattr(plain, name, refusal(name, of=plain.__qualname__))
    plain.with_options = lambda **fields: function
    return function


def refusal(name: str, *, of: str) -> Callable[..., NoReturn]:
    """Return what says, when it is called, why it cannot do it."""

    def refused(*args: Any, **kwargs: Any) -> NoReturn:
        refuse(name, of=of)

    return refused


def refuse(name: str, *, of: str) -> NoReturn:
    """Raise what names a remedy; for names of Python's own what Python raises."""
    if name.startswith("__"):
        raise AttributeError(f"{of!r} has no attribute {name!r}")
    raise NoDaemon(f"cannot use {of}.{name}: {REMEDY}")


# --- Every other name


class Unusable(type):
    """The type of all other names: they can be imported, called, caught and annotated with, no more."""

    def __getattr__(cls, name: str) -> Any:
        return refuse(name, of=cls.__name__)


class Placeholder(Exception, metaclass=Unusable):
    """Stands for one name: an exception, so that ``except`` takes it; a value, as GitSource(...) is."""

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args)

    def __getattr__(self, name: str) -> Any:
        return refuse(name, of=type(self).__name__)


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, Unusable(name, (Placeholder,), {"__module__": __name__}))


class Below:
    """Finds every module below this one: it has the names that this one has."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find ``runsd_sdk.errors`` and the like."""
        if not name.startswith(__name__ + "."):
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the interpreter."""

    def exec_module(self, module: ModuleType) -> None:
        """Let its names be placeholders, too."""
        module.__getattr__ = sys.modules[__name__].__getattr__  # type: ignore[method-assign]


sys.meta_path.append(Below())
