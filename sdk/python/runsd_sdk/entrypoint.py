"""Where a run finds a function again: its entrypoint, and the folder that has to go along."""

import inspect
import os
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal

from runsd_sdk.errors import InvalidFunction
from runsd_sdk.python import SourceSpec


class Nearest(Enum):
    """The default source: the current directory, or else the folder from which the function is imported."""

    NEAREST = "nearest"


NEAREST: Final = Nearest.NEAREST
Origin = Path | SourceSpec | Literal[Nearest.NEAREST] | None

_ANYTHING = inspect.signature(lambda *args, **kwargs: None)
_MAIN = frozenset({"__main__", "__mp_main__"})  # the latter: in a child that multiprocessing has spawned
_PACKAGES = frozenset({"site-packages", "dist-packages"})
_STANDARD = Path(sysconfig.get_path("stdlib")).resolve()


@dataclass(frozen=True, slots=True)
class Place:
    """An entrypoint within a source.

    ``folder`` is what has to be uploaded, if anything. ``search`` is where, below the source's root, imports
    begin, if that is not the root itself.
    """

    entrypoint: str
    folder: Path | None = None
    search: str = ""


def check(function: object) -> None:
    """Raise InvalidFunction for what no run could find or call, wherever its source is."""
    name = getattr(function, "__qualname__", None)
    if not callable(function) or isinstance(function, type) or not isinstance(name, str):
        kind = "class" if isinstance(function, type) else type(function).__name__
        raise InvalidFunction(f"cannot make a run of {function!r}: it is a {kind}; decorate a function")
    parts = name.split(".")
    if "<lambda>" in parts:
        raise refused(function, "it is a lambda, which no other process could find; write it with def")
    if "<locals>" in parts:
        said = "it is inside another function, where no other process could find it; move it to its module"
        raise refused(function, said)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise refused(function, "it is a generator function; let it return a list")
    if len(parts) > 1 and next(iter(signature(function).parameters), None) in ("self", "cls"):
        said = "it is a method, and its object cannot go along; make it a @staticmethod, or a function"
        raise refused(function, said)


def place(function: Callable[..., Any], origin: Origin) -> Place:
    """Find a function's entrypoint by its module's name and file. Raises InvalidFunction."""
    module, file = _home(function)
    name = function.__qualname__
    if origin is None:
        if module is None:
            raise refused(function, f"it is in the script {file}, which needs a source; name its folder")
        return Place(f"{module}:{name}")
    if _is_installed(file):
        if isinstance(origin, SourceSpec) and module is not None:
            return Place(f"{module}:{name}")
        raise refused(
            function,
            f"its module is installed, in {file.parent}; give source=None, and what has it among the"
            " dependencies, or the folder that it comes from as source",
        )
    base = _base(function, module, file)
    root = _root(function, origin, base)
    folder = None if isinstance(origin, SourceSpec) else root
    if module is None or base == file.parent:  # a script, or a module beside it
        _check_name(function, file)
        return Place(f"{file.relative_to(root).as_posix()}:{name}", folder)
    return Place(f"{module}:{name}", folder, "" if base == root else base.relative_to(root).as_posix())


def signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return what a function takes, as a run will look at it: behind a decorator, what its wrapper takes."""
    try:
        return inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):  # not everything that is compiled says what it takes
        return _ANYTHING


def refused(function: Callable[..., Any], why: str) -> InvalidFunction:
    """Return the error for a function that cannot be carried out as a run."""
    name = getattr(function, "__qualname__", repr(function))
    return InvalidFunction(f"cannot make a run of {name}: {why}")


def _home(function: Callable[..., Any]) -> tuple[str | None, Path]:
    """Return the module of a function, unless that is a script, and its file."""
    module = sys.modules.get(function.__module__)
    file = getattr(module, "__file__", None)
    code = getattr(inspect.unwrap(function), "__code__", None)
    if file is None or (code is not None and code.co_filename.startswith("<")):
        raise refused(
            function, "it is in no file, as at a prompt or in a notebook; write it into a file and import it"
        )
    name: str | None = function.__module__
    if name in _MAIN:  # run by python -m, it has a specification; as a script, none
        name = getattr(getattr(module, "__spec__", None), "name", None)
    path = Path(os.path.abspath(file))  # noqa: PTH100 a link in place of the file is the file
    return None if name in _MAIN else name, path.parent.resolve() / path.name


def _is_installed(file: Path) -> bool:
    return not _PACKAGES.isdisjoint(file.parts) or file.is_relative_to(_STANDARD)


def _base(function: Callable[..., Any], module: str | None, file: Path) -> Path:
    """Return the folder from which imports find the module."""
    if module is None:
        return file.parent
    parts = tuple(module.split("."))
    own = file.parent if file.stem == "__init__" else file.with_suffix("")
    if own.parts[-len(parts) :] == parts:
        return own.parents[len(parts) - 1]
    if len(parts) == 1:  # a file that was loaded under a name of its own
        return file.parent
    raise refused(function, f"its module calls itself {module}, but is {file}; give it the name of its file")


def _root(function: Callable[..., Any], origin: Path | SourceSpec | Nearest, base: Path) -> Path:
    """Return the source's root on this machine."""
    if isinstance(origin, Path):
        if not base.is_relative_to(root := origin.resolve()):
            raise refused(function, f"it is imported from {base}, which is not in its source {root}")
        return root
    if isinstance(origin, SourceSpec) and origin.git is not None:
        return next((top for top in (base, *base.parents) if (top / ".git").exists()), base)
    private = (Path(os.path.expanduser("~")).resolve(), Path(base.anchor))  # noqa: PTH111 raises nothing
    here = Path.cwd().resolve()
    if base.is_relative_to(here) and here not in private:
        return here
    if base in private:
        raise refused(function, f"all of {base} would go along; move it to a folder, or name one as source")
    return base


def _check_name(function: Callable[..., Any], file: Path) -> None:
    if file.suffix != ".py" or not file.is_file():
        raise refused(function, f"{file} is no file that ends in .py; move the function to one")
