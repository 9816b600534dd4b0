"""Runs one entrypoint inside a container as plain Python would, keeps its result, and what went wrong.

The daemon puts this file into the container as text and never imports it. It stands alone: the standard
library of Python 3.8 or newer, and of that little before the program asks for more: ``logging``,
``threading`` and ``multiprocessing`` are hooked when, and if, the program imports them.
"""

from __future__ import annotations

import atexit
import builtins
import collections.abc
import json
import os
import sys
import types
from _thread import allocate_lock, get_ident
from binascii import b2a_base64, crc32
from importlib.machinery import SourceFileLoader
from itertools import islice
from time import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to import than the rest of this
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn

MIB = 1 << 20
RESULT_BYTES = MIB
REPR_CHARS = 4096
DEPTH = 100
MESSAGE_CHARS = 4096
STACK_HEAD_CHARS, STACK_TAIL_CHARS = 8 << 10, 24 << 10
FULL_BYTES = 3 * MIB  # what first occurrences may fill of the file; the rest is left to counts
FILE_BYTES = 4 * MIB
DISTINCT = 256
FRAMES = 64
SLOWEST_S = 60.0
NAME = "_runsd_runner"
HERE = os.path.abspath(__file__)
SDK = os.path.join(os.path.dirname(HERE), "sdk")  # the SDK's stand-in


def main(job: dict[str, Any]) -> None:
    """Run the entrypoint that a job asks for, in this process and as its main program."""
    if "variables" in job:  # secret ones, which the container itself is not given
        with open(job["variables"], encoding="utf-8") as file:
            os.environ.update(json.load(file))
    source, out = job["source"], job["out"]
    if sys.path and sys.path[0] == os.path.dirname(os.path.realpath(HERE)):
        del sys.path[0]
    problems = observe(out, source)
    entry = job["entrypoint"]
    try:
        if "file" in entry:
            run_file(entry, source)
        elif "module" in entry:
            run_module(entry, source)
        else:
            run_function(entry, source, out)
    except SystemExit:
        raise
    except BaseException as error:
        problems.note(error, "uncaught")
        show_as_python_does(hidden="asyncio" if "function" in entry else "")
        raise


# --- Entrypoints


def run_file(entry: dict[str, Any], source: str) -> None:
    """Run a file as ``python FILE ARGS`` does."""
    path = os.path.abspath(os.path.join(source, entry["file"]))
    typed = entry["file"] if os.path.realpath(source) == os.path.realpath(os.getcwd()) else path
    sys.argv = [typed, *(entry.get("args") or ())]
    if os.path.isdir(path) or (path.endswith((".zip", ".pyz")) and os.path.isfile(path)):
        search(path, source)
        step_aside()
        run_as_main("__main__", alter_argv=False)
        return
    text = read(path, exit_code=2)
    search(os.path.dirname(os.path.realpath(path)), source)
    shown = path if sys.version_info >= (3, 9) else typed
    program = step_aside()
    program.__loader__ = SourceFileLoader("__main__", shown)
    program.__file__ = shown
    program.__cached__ = None  # type: ignore[attr-defined]
    exec(compile(text, shown, "exec", dont_inherit=True), program.__dict__)


def run_module(entry: dict[str, Any], source: str) -> None:
    """Run a module as ``python -m MODULE ARGS`` does."""
    sys.argv = ["-m", *(entry.get("args") or ())]
    search(os.getcwd(), source)
    step_aside()
    run_as_main(entry["module"], alter_argv=True)


def run_as_main(module: str, *, alter_argv: bool) -> None:
    """Call what the interpreter itself calls for ``-m``, and for a folder or an archive."""
    import runpy

    runpy._run_module_as_main(module, alter_argv)  # type: ignore[attr-defined]


def run_function(entry: dict[str, Any], source: str, out: str) -> None:
    """Call a function with JSON values, and keep what it returns."""
    import inspect

    target = entry["function"]
    args, kwargs = entry.get("args") or [], entry.get("kwargs") or {}
    where, _, name = target.rpartition(":")
    sys.argv = [target]
    step_aside()
    in_file = where.endswith(".py") or "/" in where
    module = load_file(target, where, source) if in_file else load_module(target, where, source)
    function = find(target, module, name)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        refuse(target, "TypeError", "it is a generator function; nothing of it was run: let it return a list")
    if (mistake := wrong_arguments(function, args, kwargs)) is not None:
        refuse(target, "TypeError", mistake)
    process = os.getpid()
    value = function(*args, **kwargs)
    if inspect.iscoroutine(value):
        import asyncio

        value = asyncio.run(value)
    if os.getpid() == process:  # not in a child that came out of the function by fork
        keep(value, out)


def step_aside() -> types.ModuleType:
    """Leave ``__main__`` to the program: a new module, with what the interpreter would have put into it."""
    sys.modules[NAME] = sys.modules["__main__"]
    program = types.ModuleType("__main__")
    if sys.version_info < (3, 14):
        program.__annotations__ = {}
    program.__builtins__ = builtins  # type: ignore[attr-defined]
    sys.modules["__main__"] = program
    return program


def search(first: str, source: str) -> None:
    """Let imports find a folder first, as plain Python does, and the source after all that is installed.

    The very last is the stand-in for the SDK, for programs that have the SDK nowhere else.
    """
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, first)
    if source not in sys.path:
        sys.path.append(source)
    sys.path.append(SDK)


def read(path: str, *, exit_code: int) -> bytes:
    """Read a program's text, or end as plain Python does when it cannot be opened."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        folder, name = os.path.split(path)
        try:
            names = [found for found in os.listdir(folder) if found.endswith(".py")]
        except OSError:
            names = []
        said = f"can't open file {path!r}: [Errno {error.errno}] {error.strerror}"
        give_up(type(error).__name__, said + hint(name, names), program=sys.executable, exit_code=exit_code)


def load_file(target: str, where: str, source: str) -> types.ModuleType:
    """Import the file of a function under its own name, so that ``__name__`` is not ``__main__``."""
    from importlib.util import module_from_spec, spec_from_file_location

    path = os.path.abspath(os.path.join(source, where))
    text = read(path, exit_code=2)
    search(os.path.dirname(os.path.realpath(path)), source)
    name = os.path.splitext(os.path.basename(path))[0]
    if name in sys.modules:  # it has the name of something that is loaded already, such as json.py
        name = "_" + name
    spec = spec_from_file_location(name, path, loader=SourceFileLoader(name, path))
    if spec is None:
        refuse(target, "ImportError", f"{where} is not a Python file")
    module = sys.modules[name] = module_from_spec(spec)
    exec(compile(text, path, "exec", dont_inherit=True), module.__dict__)
    return module


def load_module(target: str, where: str, source: str) -> types.ModuleType:
    """Import the module of a function as a program in the current folder would."""
    search(os.getcwd(), source)
    try:
        __import__(where)
    except ModuleNotFoundError as error:
        if error.name is None or not (where + ".").startswith(error.name + "."):
            raise
        refuse(target, "ModuleNotFoundError", f"no module named {error.name!r}")
    return sys.modules[where]


def find(target: str, module: types.ModuleType, name: str) -> Callable[..., Any]:
    """Follow a dotted name from a module to something that can be called."""
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            given = getattr(found, "__name__", part)
            names = [known for known in dir(found) if not known.startswith("_")]
            refuse(target, "AttributeError", f"{given} has no {part!r}{hint(part, names)}")
        found = getattr(found, part)
    if not callable(found):
        refuse(target, "TypeError", f"it is of type {kind_of(type(found))} and cannot be called")
    return found  # type: ignore[no-any-return]


def wrong_arguments(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> str | None:
    """Say what a call would get wrong, by the parameters' names, or return None."""
    import inspect

    try:  # a wrapper is asked what it takes itself: it may add arguments to those of what it wraps
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return None  # not every builtin says what it takes
    kinds = {name: parameter.kind for name, parameter in signature.parameters.items()}
    by_place = [name for name, kind in kinds.items() if kind <= inspect.Parameter.POSITIONAL_OR_KEYWORD]
    nameable = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    by_name = [name for name, kind in kinds.items() if kind in nameable]
    open_ended = set(kinds.values())
    wrong = []
    if len(args) > len(by_place) and inspect.Parameter.VAR_POSITIONAL not in open_ended:
        wrong.append(f"{len(args)} positional arguments are too many, it takes {len(by_place)}")
    for name in kwargs:
        if name in by_place[: len(args)] and name in by_name:
            wrong.append(f"argument {name!r} is given by position and by name")
        elif name not in by_name and inspect.Parameter.VAR_KEYWORD not in open_ended:
            only = "is taken by position only" if name in by_place else "is unexpected" + hint(name, by_name)
            wrong.append(f"argument {name!r} {only}")
    given = {*by_place[: len(args)], *(name for name in kwargs if name in by_name)}
    for name, parameter in signature.parameters.items():
        variable = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not variable and name not in given:
            wrong.append(f"argument {name!r} is missing")
    return "; ".join([*wrong, f"it takes {signature}"]) if wrong else None


def hint(name: str, names: list[str]) -> str:
    """Name the nearest of some names, as the end of a sentence."""
    from difflib import get_close_matches

    near = get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def refuse(target: str, kind: str, why: str) -> NoReturn:
    """End a run whose function cannot be called."""
    give_up(kind, f"cannot run {target}: {why}", program="runsd", exit_code=1)


def give_up(kind: str, sentence: str, *, program: str, exit_code: int) -> NoReturn:
    """Say in one sentence why nothing was run, keep it as a problem, and exit."""
    if OBSERVED:
        OBSERVED[0].note_sentence(kind, sentence)
    sys.stderr.write(f"{program}: {sentence}\n")
    sys.exit(exit_code)


def show_as_python_does(*, hidden: str) -> None:
    """Let the interpreter end with the exception under way, its trace without the runner's frames.

    The program's own ``sys.excepthook`` is called as ever; this one only shortens what it is given.
    """
    shown = getattr(sys, "excepthook", sys.__excepthook__)

    def hook(kind: Any, error: BaseException, trace: Any) -> None:
        sys.excepthook = shown
        sys.last_traceback = trace = without_ours(trace, hidden)
        error.__traceback__ = trace
        try:
            shown(kind, error, trace)
        except SystemExit:
            raise
        except BaseException as broken:  # in the interpreter's words (PyErr_PrintEx in pythonrun.c)
            sys.stderr.write("Error in sys.excepthook:\n")
            broken.__traceback__ = without_ours(broken.__traceback__)
            sys.__excepthook__(type(broken), broken, broken.__traceback__)
            sys.stderr.write("\nOriginal exception was:\n")
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = hook


def without_ours(trace: Any, hidden: str = "") -> Any:
    """Cut the runner's frames off the beginning of a trace, and those of a package named by ``hidden``."""
    ours = main.__code__.co_filename
    package = os.sep + hidden + os.sep
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file != ours and not (hidden and package in file and is_library(file)):
            break
        trace = trace.tb_next
    return trace


# --- Results


class TooLargeError(Exception):
    """A value is more JSON than is kept."""


def keep(value: Any, out: str) -> None:
    """Write what a function returned, whole or not at all. That it cannot be written fails no run."""
    path = os.path.join(out, "result.json")
    try:
        with open(path + ".tmp", "wb") as file:
            file.write(b'{"returnValue": ' + as_json(value) + b"}")
        os.replace(path + ".tmp", path)
    except OSError as error:
        sys.stderr.write(f"runsd: cannot keep the return value: {error}\n")


def as_json(value: Any) -> bytes:
    """Return a value as UTF-8 JSON of at most 1 MiB; what is more, or no JSON at all, is described."""
    try:
        text = encoded(Encoder().plain(value, ()))
        if len(text) <= RESULT_BYTES:
            return text
    except TooLargeError:
        pass
    except Exception:
        return encoded(described(value))
    return encoded({**described(value), "truncated": True})


def encoded(value: Any) -> bytes:
    """Write plain values as JSON. Half a surrogate pair, which is no UTF-8, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


class Encoder:
    """Turns a value into what JSON has, and stops soon after that would be over the size that is kept."""

    def __init__(self) -> None:
        self.left = RESULT_BYTES

    def plain(self, value: Any, within: tuple[int, ...]) -> Any:
        """Return a value as JSON's own types; ``within`` holds the ids of the values around it."""
        self.spend(1)
        if value is None or value is True or value is False:
            return value
        if len(within) > DEPTH or id(value) in within:
            return described(value)
        try:
            return self.known(value, (*within, id(value)))
        except (TooLargeError, MemoryError):
            raise
        except Exception:
            return described(value)

    def spend(self, chars: int) -> None:
        """Take from what is left of the size."""
        self.left -= chars
        if self.left < 0:
            raise TooLargeError

    def known(self, value: Any, within: tuple[int, ...]) -> Any:
        """Return a value of a known kind as JSON's own types; others are described."""
        kind = type(value)
        if (standard := standard_form(kind)) is not None:
            return self.plain(standard(value), within)
        if isinstance(value, str):
            self.spend(len(value))
            return str.__str__(value)
        if isinstance(value, float):
            return finite(float(value))
        if isinstance(value, int):
            self.spend(value.bit_length() // 4)
            str(int(value))  # one of too many digits is refused here (sys.set_int_max_str_digits)
            return int(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            self.spend(len(value))
            return b2a_base64(value, newline=False).decode("ascii")
        if isinstance(value, collections.abc.Mapping):
            return {self.key(key): self.plain(item, within) for key, item in value.items()}
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return {name: self.plain(item, within) for name, item in zip(kind._fields, value)}
        if isinstance(value, (list, tuple, range, collections.abc.Set, collections.deque)):
            return [self.plain(item, within) for item in value]
        return self.structured(value, within)

    def structured(self, value: Any, within: tuple[int, ...]) -> Any:
        """Return what has fields, or is an array, by what it can do rather than by its library."""
        kind = type(value)
        fields = getattr(kind, "__dataclass_fields__", None) or getattr(kind, "__attrs_attrs__", None)
        if hasattr(kind, "model_dump"):
            return self.plain(value.model_dump(mode="json"), within)
        if hasattr(kind, "__fields__") and hasattr(kind, "dict"):  # pydantic 1
            return self.plain(value.dict(), within)
        if fields:
            names = [field if isinstance(field, str) else field.name for field in fields]
            return {name: self.plain(getattr(value, name), within) for name in names if hasattr(value, name)}
        if hasattr(kind, "dtype") and hasattr(kind, "tolist"):
            size = getattr(value, "size", 0)
            self.spend(size if isinstance(size, int) else value.numel())  # numpy has the one, torch the other
            unit = {"M": str, "m": "timedelta64[us]"}.get(getattr(value.dtype, "kind", ""))
            return self.plain((value.astype(unit) if unit else value).tolist(), within)
        if hasattr(kind, "__fspath__"):
            return self.plain(os.fspath(value), within)
        return described(value)

    def key(self, key: Any) -> str:
        """Return a mapping's key as JSON has it: a string."""
        plain = self.plain(key, ())
        if isinstance(plain, str):
            return plain
        simple = plain is None or isinstance(plain, (bool, int, float))
        return json.dumps(plain) if simple else described(key)["repr"]


def standard_form(kind: type) -> Callable[[Any], Any] | None:
    """Find how a type of the standard library is written, without importing its module."""
    for base in kind.__mro__:
        if (found := STANDARD.get((base.__module__, base.__qualname__))) is not None:
            return found
    return None


STANDARD: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("enum", "Enum"): lambda value: value.value,
    ("datetime", "datetime"): lambda value: value.isoformat(),
    ("datetime", "date"): lambda value: value.isoformat(),
    ("datetime", "time"): lambda value: value.isoformat(),
    ("datetime", "timedelta"): lambda value: value.total_seconds(),
    ("decimal", "Decimal"): str,
    ("fractions", "Fraction"): str,
    ("uuid", "UUID"): str,
}


def finite(value: float) -> Any:
    """Return a float, or the name that protobuf's JSON has for one that JSON has not."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def described(value: Any) -> dict[str, Any]:
    """Return the beginning of a value's repr, and its type."""
    kind = kind_of(type(value), full=True)
    try:
        shown = "".join(islice(characters(value), REPR_CHARS))
    except Exception as error:
        shown = f"<{kind} whose repr() raised {type(error).__name__}>"
    return {"repr": shown, "type": kind}


def characters(value: Any) -> Iterator[str]:
    """Walk the characters of a repr, without making all of that of a large value."""
    if type(value) in (list, tuple, set, frozenset, dict) and len(value) > 16:
        opening, closing = "[]" if type(value) is list else "()" if type(value) is tuple else "{}"
        yield opening
        for place, item in enumerate(value):
            yield from ", " if place else ""
            yield from characters(item)
            if type(value) is dict:
                yield from ": "
                yield from characters(value[item])
        yield closing
    elif isinstance(value, (str, bytes, bytearray)):
        yield from repr(value[:REPR_CHARS])
    else:
        yield from repr(value)


def kind_of(kind: type, *, full: bool = False) -> str:
    """Name a type: as a traceback does, or with its module in any case."""
    try:
        module, name = kind.__module__, kind.__qualname__
    except Exception:  # a metaclass may do what it likes
        return "unknown"
    if not full and module in ("builtins", "__main__", "__mp_main__"):
        return name
    return f"{module}.{name}"


# --- Problems


class Seen:
    """What a process knows of one problem: since when, and what of it is not yet written."""

    def __init__(self, fingerprint: str, origin: str) -> None:
        self.fingerprint = fingerprint
        self.origin = origin
        self.written = 1
        self.pending = 0
        self.last = self.written_at = 0.0
        self.every_s = 1.0


class Problems:
    """Writes each problem of a process in full once, and then how often it came again.

    A line is one append of bounded size, so that processes may share the file. Nothing that goes wrong in
    here reaches the program; at worst a problem is not counted.
    """

    def __init__(self, out: str, source: str) -> None:
        self.path = os.path.join(out, "problems.jsonl")
        self.source = source
        self.now = time  # kept here, where no library that freezes time looks for it
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a process that was forked must: the locks are its parent's."""
        self.lock = allocate_lock()
        self.busy: set[int] = set()
        self.by_place: dict[tuple[Any, ...], tuple[Seen, list[Any]]] = {}
        self.seen: dict[str, Seen] = {}

    def note(self, error: BaseException, origin: str, trace: Any = None) -> None:
        """Keep an exception; ``trace`` is its own unless given."""
        thread = get_ident()
        if thread in self.busy:  # an exception whose str() logs exceptions, or a signal handler
            return
        self.busy.add(thread)
        try:
            self.count(error, trace or error.__traceback__, origin)
        except Exception:
            pass
        finally:
            self.busy.discard(thread)

    def note_sentence(self, kind: str, sentence: str) -> None:
        """Keep something that ended the run before it began."""
        fingerprint = digest(kind + sentence)
        self.append(
            event(fingerprint, "uncaught", self.now(), type=kind, message=sentence, stacktrace="", frames=[])
        )

    def count(self, error: BaseException, trace: Any, origin: str) -> None:
        """Write a problem that is new to this process, or count one that is known."""
        now = self.now()
        codes = list(codes_of(trace))
        place = (type(error), origin, *map(id, codes))
        found = self.by_place.get(place)
        seen = None if found is None else found[0]
        known = seen is not None
        if seen is None:
            frames = self.frames(trace)
            fingerprint = digest("\n".join([kind_of(type(error)), origin, *(at for at, _ in frames)]))
            seen = self.seen.get(fingerprint)
            known = seen is not None
            if seen is None:
                if len(self.seen) >= DISTINCT:
                    return
                seen = self.seen[fingerprint] = Seen(fingerprint, origin)
                seen.last = seen.written_at = now
                self.append(self.full(error, trace, seen, [where for _, where in frames]), most=FULL_BYTES)
            if len(self.by_place) >= 16 * DISTINCT:
                self.by_place.clear()
            self.by_place[place] = (seen, codes)  # what is made as it runs would leave its id to others
        if known:
            self.count_again(seen, now)

    def count_again(self, seen: Seen, now: float) -> None:
        """Count one more of a known problem; write the counts that are due.

        That is when the number has doubled, so that a process which is killed has at least half of it on
        file, and after a second, two, four, and so on up to a minute.
        """
        if not self.lock.acquire(timeout=0.1):
            return
        try:
            seen.pending += 1
            seen.last = now
            late = now - seen.written_at >= seen.every_s
            due = late or seen.pending >= seen.written
        finally:
            self.lock.release()
        if late:
            seen.every_s = min(2 * seen.every_s, SLOWEST_S)
        if due:
            self.flush()

    def flush(self) -> None:
        """Write all counts that are not yet written."""
        for seen in list(self.seen.values()):
            with self.lock:
                count, seen.pending = seen.pending, 0
                seen.written += count
                seen.written_at = seen.last
            if count:
                self.append(event(seen.fingerprint, seen.origin, seen.last, count=count))

    def full(self, error: BaseException, trace: Any, seen: Seen, frames: list[str]) -> bytes:
        """Put all that is known of an exception into one line."""
        import traceback

        try:
            message = str(error)[:MESSAGE_CHARS]
        except Exception:
            message = "<exception str() failed>"
        stack = "".join(traceback.format_exception(type(error), error, without_ours(trace)))
        cut = len(stack) - STACK_HEAD_CHARS - STACK_TAIL_CHARS
        if cut > 0:
            left_out = f"\n[... {cut} characters left out ...]\n"
            stack = stack[:STACK_HEAD_CHARS] + left_out + stack[-STACK_TAIL_CHARS:]
        return event(
            seen.fingerprint,
            seen.origin,
            seen.last,
            type=kind_of(type(error))[:MESSAGE_CHARS],
            message=message,
            stacktrace=stack,
            frames=frames[: -FRAMES - 1 : -1],
        )

    def frames(self, trace: Any) -> list[tuple[str, str]]:
        """Return where the program's own code was, outermost first: without line, and with it.

        That of a trace which is all library is where the library was.
        """
        found: list[tuple[str, str]] = []
        own: list[tuple[str, str]] = []
        trace = without_ours(trace)
        while trace is not None:
            code = trace.tb_frame.f_code
            file = os.path.abspath(code.co_filename) if code.co_filename[:1] != "<" else code.co_filename
            if file.startswith(self.source.rstrip("/") + "/"):
                file = file[len(self.source.rstrip("/")) + 1 :]
            at = (
                f"{file}:{code.co_name}",
                f"{file}:{trace.tb_lineno} in {code.co_name}",
            )
            for kept in (found,) if is_library(code.co_filename) else (found, own):
                if not kept or kept[-1][0] != at[0]:  # recursion is one place
                    kept.append(at)
            trace = trace.tb_next
        return (own or found)[-FRAMES:]

    def append(self, line: bytes, *, most: int = FILE_BYTES) -> None:
        """Append one line, unless the file would be too large.

        It is not held open: a program may close all descriptors, and open its own under their numbers.
        """
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                size = os.fstat(file).st_size
                if size == 0:
                    share(file)
                if size + len(line) <= most:
                    os.write(file, line)
            finally:
                os.close(file)
        except OSError:
            pass


def share(file: int) -> None:
    """Let processes of other users append too, whatever the umask."""
    try:
        os.fchmod(file, 0o666)
    except OSError:
        pass


def event(fingerprint: str, origin: str, when: float, **facts: Any) -> bytes:
    """Return one line of the file of problems."""
    fields = {"fingerprint": fingerprint, "origin": origin, "time": round(when, 3), **facts}
    return (json.dumps(fields, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def codes_of(trace: Any) -> Iterator[Any]:
    """Walk what tells one place of an exception from another, at little cost."""
    for _ in range(FRAMES):
        if trace is None:
            return
        yield trace.tb_frame.f_code
        trace = trace.tb_next


def is_library(file: str) -> bool:
    """Say whether a file came with Python or was installed, and is not the program's own."""
    return file.startswith(("<", STDLIB)) or "/site-packages/" in file or "/dist-packages/" in file


STDLIB = os.path.dirname(os.__file__) + os.sep


def digest(text: str) -> str:
    """Return 16 hexadecimal digits for a text."""
    raw = text.encode("utf-8", "backslashreplace")
    return f"{crc32(raw):08x}{crc32(raw[::-1]):08x}"


# --- Hooks

OBSERVED: list[Problems] = []
SPAWNERS = ("multiprocessing.spawn", "loky.backend.spawn", "joblib.externals.loky.backend.spawn")


def observe(out: str, source: str) -> Problems:
    """See the exceptions that this process and its children log or die of."""
    problems = Problems(out, source)
    OBSERVED.append(problems)
    hooks = {
        "logging": lambda module: see_logging(module, problems),
        "threading": lambda module: see_threads(module, problems),
        "multiprocessing.process": lambda module: see_processes(module, problems),
        **dict.fromkeys(SPAWNERS, lambda module: see_spawned(module, out, source)),
        "daft.execution.udf": lambda module: see_daft(module, problems, out, source),
    }
    for name in [name for name in hooks if name in sys.modules]:
        hooked(hooks.pop(name), sys.modules[name])
    sys.meta_path.insert(0, OnImport(hooks))
    atexit.register(problems.flush)
    os.register_at_fork(after_in_child=problems.forget)
    return problems


def hooked(hook: Callable[[Any], None], module: Any) -> None:
    """Hook a module; one that is not as expected stays as it is."""
    try:
        hook(module)
    except Exception:
        pass


class OnImport:
    """Calls hooks when their modules are imported; all else it leaves to the finders behind it."""

    def __init__(self, hooks: dict[str, Callable[[Any], None]]) -> None:
        self.hooks = hooks

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Find a module that is waited for as the others do, and hook it once it has run."""
        if name not in self.hooks:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None and finder is not self else None
            if spec is not None:
                self.follow(name, spec.loader)
                return spec
        return None

    def follow(self, name: str, loader: Any) -> None:
        """Let a loader call the hook after it has run its module."""
        run = getattr(loader, "exec_module", None)
        if run is None or isinstance(loader, type):
            return

        def exec_module(module: Any) -> None:
            del loader.exec_module
            run(module)
            hook = self.hooks.pop(name, None)
            if hook is not None:
                hooked(hook, module)

        # The interpreter cuts importlib's frames out of a trace, and with this name ours among them.
        exec_module.__code__ = exec_module.__code__.replace(co_filename="<frozen importlib._bootstrap>")
        loader.exec_module = exec_module


def see_logging(logging: Any, problems: Problems) -> None:
    """See each exception that a logger is given, whatever its handlers and filters do with it.

    A record is made before it is handled, so that the handlers run with no frame of ours on the stack.
    """
    make = logging.Logger.makeRecord

    def makeRecord(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        given = args[6] if len(args) > 6 else kwargs.get("exc_info")
        if given and isinstance(given, tuple) and isinstance(given[1], BaseException):
            problems.note(given[1], "logged", given[2])
        return make(self, *args, **kwargs)

    logging.Logger.makeRecord = makeRecord


def see_threads(threading: Any, problems: Problems) -> None:
    """See what a thread dies of, also where the program has a ``threading.excepthook`` of its own."""
    make = threading._make_invoke_excepthook

    def make_invoke() -> Callable[[Any], None]:
        invoke = make()

        def invoke_excepthook(thread: Any) -> None:
            error = sys.exc_info()[1]
            if error is not None and not isinstance(error, SystemExit):
                problems.note(error, "uncaught")
            invoke(thread)

        return invoke_excepthook

    threading._make_invoke_excepthook = make_invoke


def see_processes(process: Any, problems: Problems) -> None:
    """See what a child of ``multiprocessing`` dies of, where it prints it; write its counts at its end."""
    bootstrap = process.BaseProcess._bootstrap

    def _bootstrap(self: Any, *args: Any, **kwargs: Any) -> Any:
        import traceback

        show = traceback.print_exc

        def print_exc(*args: Any, **kwargs: Any) -> None:
            error = sys.exc_info()[1]
            if error is not None and sys._getframe(1).f_code is bootstrap.__code__:
                problems.note(error, "uncaught")
            show(*args, **kwargs)

        traceback.print_exc = print_exc
        try:
            return bootstrap(self, *args, **kwargs)
        finally:
            problems.flush()

    process.BaseProcess._bootstrap = _bootstrap


class Seed:
    """Begins to observe in the process that unpickles it."""

    def __init__(self, out: str, source: str) -> None:
        self.code = SEED.format(name=NAME, path=HERE, out=out, source=source)

    def __reduce__(self) -> tuple[Any, tuple[str, dict[str, Any]]]:
        return exec, (self.code, {})


SEED = """\
try:
    import sys
    from importlib.util import module_from_spec, spec_from_file_location
    spec = spec_from_file_location({name!r}, {path!r})
    sys.modules[spec.name] = module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.observe({out!r}, {source!r})
except Exception:
    pass
"""


def see_spawned(spawn: Any, out: str, source: str) -> None:
    """Have a spawned process observe before it imports the program, by what its parent sends it."""
    prepare = spawn.get_preparation_data

    def get_preparation_data(*args: Any, **kwargs: Any) -> dict[str, Any]:
        return {**prepare(*args, **kwargs), NAME: Seed(out, source)}

    spawn.get_preparation_data = get_preparation_data


class Word(str):
    """A word that begins to observe where it is unpickled, and is a plain one there."""

    code: str

    def __new__(cls, word: str, out: str, source: str) -> Word:
        """Make a word that is equal to a plain one."""
        self = str.__new__(cls, word)
        self.code = FIND.format(path=sys.path) + Seed(out, source).code
        return self

    def __reduce__(self) -> tuple[Any, tuple[str, dict[str, Any]]]:
        return eval, (f"exec({self.code!r}, {{}}) or {str(self)!r}", {})


FIND = """\
import sys
sys.path += [place for place in {path!r} if place not in sys.path]
"""


def see_daft(udf: Any, problems: Problems, out: str, source: str) -> None:
    """Have a process that Daft starts for functions of the program observe before it unpickles them.

    Daft starts these by ``subprocess``, of itself where threads seem slow to it, and sends this word first.
    They find modules where their parent does, as processes of ``multiprocessing`` do. Daft does not wait for
    their end: counts are written before the values go back.
    """
    udf._ENTER = Word(udf._ENTER, out, source)
    send = udf.SharedMemoryTransport.write_and_close

    def write_and_close(self: Any, data: bytes) -> Any:
        problems.flush()
        return send(self, data)

    udf.SharedMemoryTransport.write_and_close = write_and_close


if __name__ == "__main__":
    main(json.loads("".join(sys.argv[1:])))  # in pieces, for one argument has at most 128 KiB: execve(2)
