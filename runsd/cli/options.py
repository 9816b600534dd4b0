"""The options that describe a run, shared by ``run``, ``map`` and ``rerun``."""

import inspect
import os
import re
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints, overload

import typer

from runsd.cli import durations, select

T = TypeVar("T")
Json = dict[str, Any]

JsonFlag = Annotated[bool, typer.Option("--json", help="Write JSON on stdout.")]
RunId = Annotated[
    str,
    typer.Argument(metavar="ID", help="An id, a unique beginning of one, a name, or @last.",
                   autocompletion=select.complete),
]  # fmt: skip
RunIds = Annotated[
    list[str],
    typer.Argument(metavar="ID…", help="Ids, unique beginnings, names, or @last.",
                   autocompletion=select.complete),
]  # fmt: skip
Labels = Annotated[
    list[str] | None, typer.Option("--label", "-l", metavar="K=V", help="Label; may be repeated.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecOptions:
    """What was said of a run on the command line. None: not said."""

    name: Annotated[str | None, typer.Option(help="A name for people and filters.")] = None
    label: Labels = None
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="K[=V]", help="Variable; without =V its value here."),
    ] = None
    env_file: Annotated[Path | None, typer.Option(metavar="F", help="A file of K=V lines.")] = None
    secret: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=K|:/path]", help="Secret, as variable NAME or K, or as a file below"
                     " /run/secrets.", autocompletion=select.complete_secret),
    ] = None  # fmt: skip
    cpus: Annotated[str | None, typer.Option(metavar="N", help="Processor cores, such as 2 or 0.5.")] = None
    memory: Annotated[
        str | None, typer.Option("--memory", "-m", metavar="SIZE", help="Memory, such as 512m or 4g.")
    ] = None
    gpus: Annotated[str | None, typer.Option(metavar="N", help="Whole GPUs.")] = None
    volume: Annotated[
        list[str] | None,
        typer.Option("--volume", "-v", metavar="VOL:/path[:ro]", help="A volume of runsd and its place.",
                     autocompletion=select.complete_volume),
    ] = None  # fmt: skip
    workdir: Annotated[
        str | None, typer.Option("--workdir", "-w", metavar="DIR", help="Directory to run in.")
    ] = None
    user: Annotated[str | None, typer.Option("--user", "-u", metavar="USER[:GROUP]")] = None
    network: Annotated[str | None, typer.Option(metavar="NET", help="bridge, none, or one by name.")] = None
    runtime: Annotated[
        str | None, typer.Option(metavar="NAME", help="A runtime that the host allows, such as runsc.")
    ] = None
    timeout: Annotated[
        str | None, typer.Option(metavar="DUR", help="Hard deadline from the start, such as 90s or 2h.")
    ] = None
    stop_grace: Annotated[
        str | None, typer.Option(metavar="DUR", help="From SIGTERM to SIGKILL; 10s by default.")
    ] = None
    retries: Annotated[int | None, typer.Option(metavar="N", help="Further attempts after a failure.")] = None
    pull: Annotated[str | None, typer.Option(metavar="POLICY", help="missing, always or never.")] = None
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="K", help="The same key makes the run only once.")
    ] = None


def describes_run(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command one option for each field of its parameter ``options: SpecOptions``."""
    names = [field.name for field in fields(SpecOptions)]
    hints = get_type_hints(SpecOptions, include_extras=True)
    own = inspect.signature(command, eval_str=True).parameters
    parameters = [parameter for parameter in own.values() if parameter.name != "options"]
    taken = {flag for parameter in parameters for flag in _flags(parameter.annotation)}
    parameters += [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_without(hints[name], taken)
        )
        for name in names
    ]
    parameters.sort(key=lambda parameter: parameter.kind)

    def wrapper(**given: Any) -> T:
        options = SpecOptions(**{name: given.pop(name) for name in names})
        return command(options=options, **given)

    wrapper.__name__ = command.__name__
    wrapper.__doc__ = command.__doc__
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def spec_fields(options: SpecOptions) -> Json:
    """Return the fields of a RunSpec that were said, under their names on the wire."""
    requests = {
        "cpu": options.cpus,
        "memory": durations.quantity(options.memory) if options.memory is not None else None,
        "gpu": options.gpus,
    }
    said: Json = {
        "name": options.name,
        "labels": pairs(options.label, "--label"),
        "env": environment(options.env_file, options.env),
        "secrets": [secret(text) for text in options.secret or ()] or None,
        "resources": {"requests": _said(requests)} if _said(requests) else None,
        "volumeMounts": [mount(text) for text in options.volume or ()] or None,
        "workdir": options.workdir,
        "user": options.user,
        "network": options.network,
        "runtime": options.runtime,
        "timeoutSeconds": understood(durations.whole_seconds, options.timeout, "--timeout"),
        "stopGraceSeconds": understood(durations.seconds, options.stop_grace, "--stop-grace"),
        "retries": {"limit": options.retries} if options.retries is not None else None,
        "pullPolicy": options.pull,
    }
    return _said(said)


def command_line(words: Sequence[str] | None) -> list[str]:
    """Return the words of a program after an optional ``--``."""
    found = list(words or ())
    return found[1:] if found[:1] == ["--"] else found


def environment(file: Path | None, given: Sequence[str] | None) -> dict[str, str] | None:
    """Return the variables of a file, overridden by those of the options."""
    found: dict[str, str] = {}
    for where, texts in (("--env-file", _env_lines(file)), ("--env", given or ())):
        for text in texts:
            key, equals, value = text.partition("=")
            if not key:
                raise typer.BadParameter(f"{text!r} is not K=V", param_hint=where)
            if equals:
                found[key] = value
            elif key in os.environ:  # as docker: K alone passes on what is set here
                found[key] = os.environ[key]
    return found or None


def mount(text: str) -> Json:
    """Read ``VOL:/path`` or ``VOL:/path:ro``."""
    volume, *rest = text.split(":")
    if not volume or not rest or len(rest) > 2 or (len(rest) == 2 and rest[1] not in ("ro", "rw")):
        raise typer.BadParameter(f"{text!r} is not VOL:/path or VOL:/path:ro", param_hint="--volume")
    if volume.startswith((".", "/", "~")):
        said = f"{volume!r} is a directory of the host; make a volume (runs volume create) and name it here"
        raise typer.BadParameter(said, param_hint="--volume")
    found: Json = {"volumeId": volume, "mountPath": rest[0]}
    return found | {"readOnly": True} if rest[1:] == ["ro"] else found


def secret(text: str) -> Json:
    """Read ``NAME``, ``NAME=K`` or ``NAME:/path``."""
    name, mark, place = re.fullmatch(r"([^=:]*)([=:]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    if not name or (mark and not place):
        raise typer.BadParameter("write NAME, NAME=K or NAME:/run/secrets/file", param_hint="--secret")
    return {"name": name, "path" if mark == ":" else "env": place or name}


def pairs(texts: Sequence[str] | None, option: str) -> dict[str, str] | None:
    """Read ``K=V`` pairs."""
    found: dict[str, str] = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"{text!r} is not K=V", param_hint=option)
        found[key] = value
    return found or None


@overload
def understood(read: Callable[[str], T], text: str, option: str) -> T: ...


@overload
def understood(read: Callable[[str], T], text: str | None, option: str) -> T | None: ...


def understood(read: Callable[[str], T], text: str | None, option: str) -> T | None:
    """Read an option's text; a ValueError becomes a usage error that names the option."""
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _flags(annotation: Any) -> Sequence[str]:
    """Return the flags that an annotation of a parameter names."""
    return getattr(_info(annotation), "param_decls", None) or ()


def _without(annotation: Any, taken: set[str]) -> Any:
    """Return an annotation without the flags that the command has for something else."""
    if not taken.intersection(_flags(annotation)):
        return annotation
    info = copy(_info(annotation))
    info.param_decls = tuple(flag for flag in info.param_decls if flag not in taken)
    return Annotated[get_args(annotation)[0], info]


def _info(annotation: Any) -> Any:
    return next(iter(getattr(annotation, "__metadata__", ())), None)


def _env_lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"cannot read {file}: {error}", param_hint="--env-file") from error
    return [text for text in lines if text.strip() and not text.lstrip().startswith("#")]


def _said(fields_: Json) -> Json:
    return {name: value for name, value in fields_.items() if value is not None}
