"""A decorated function as a program: what is sent for a call of it, and for which source."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from runsd_sdk import arguments, entrypoint, fields
from runsd_sdk.entrypoint import NEAREST, Nearest, Origin, Place
from runsd_sdk.errors import InvalidArguments
from runsd_sdk.fields import FunctionFields, Json
from runsd_sdk.python import WORKSPACE, GitSource, SourceSpec
from runsd_sdk.spec import RunSpec

P = ParamSpec("P")
C = TypeVar("C")  # what a call here returns
R = TypeVar("R")  # what a run returns
GivenSource = str | os.PathLike[str] | SourceSpec | GitSource | Nearest | None


class Program:
    """A function and the fields of its runs; raises InvalidFunction and InvalidSpec for what cannot run."""

    def __init__(
        self, function: Callable[..., Any], fields_: FunctionFields, *, source: GivenSource = NEAREST
    ) -> None:
        self.function: Callable[..., Any] = getattr(function, "__func__", function)  # of a static method
        entrypoint.check(self.function)
        self.signature = entrypoint.signature(self.function)
        self._fields = fields_
        self._source = source
        self._origin = _origin(source)
        any_run = {"source": {"upload": f"src_{0:032}"}, **fields.of_function(fields_, function="any:any")}
        fields.validated(RunSpec, any_run)

    def with_fields(self, more: FunctionFields) -> "Program":
        """Return the same function with other fields."""
        return Program(self.function, {**self._fields, **more}, source=self._source)

    @cached_property
    def place(self) -> Place:
        """Where its entrypoint is. Raises InvalidFunction."""
        return entrypoint.place(self.function, self._origin)

    @property
    def folder(self) -> os.PathLike[str] | None:
        """What has to be uploaded before it can run, if anything."""
        return self.place.folder

    def call(self, args: Sequence[object], kwargs: Mapping[str, object]) -> Json:
        """Return the run of one call, but its source. Raises InvalidArguments and InvalidFunction."""
        arguments.check(self.function.__qualname__, self.signature, args, kwargs)
        called = {"function": self.place.entrypoint, "args": list(args), "kwargs": dict(kwargs)}
        run = fields.of_function(self._fields, **called)
        if self.place.search:
            env = run.get("env", {})
            paths = [f"{WORKSPACE}/{self.place.search}", *filter(None, [env.get("PYTHONPATH")])]
            run["env"] = {**env, "PYTHONPATH": ":".join(paths)}
        return run

    def calls(self, iterables: Sequence[Iterable[object]]) -> list[Json]:
        """Return the runs of a map: one argument of each iterable, until the shortest ends."""
        if not iterables:
            raise InvalidArguments(f"cannot map {self.function.__qualname__}: give at least one iterable")
        return [self.call(args, {}) for args in zip(*iterables, strict=False)]

    def sourced(self, run: Mapping[str, object], upload: str | None) -> Mapping[str, object]:
        """Return a run with its source: the upload, or what was given."""
        if upload is not None:
            return {**run, "source": {"upload": upload}}
        return {**run, "source": self._origin.wire() if isinstance(self._origin, SourceSpec) else None}


def _origin(source: GivenSource) -> Origin:
    if isinstance(source, GitSource):
        return SourceSpec(git=source)
    if source is None or isinstance(source, SourceSpec | Nearest):
        return source
    return Path(source)
