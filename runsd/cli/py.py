"""``runs py``: a Python file, module or function to completion."""

import json as jsons
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runsd.cli.options import Json, JsonFlag, SpecOptions, command_line, describes_run, spec_fields
from runsd.cli.repository import repository
from runsd.cli.run import Detach, carry_out

if TYPE_CHECKING:
    from runsd_sdk import RunHandle, RunsClient

_OF_PROJECT = "default"

Target = Annotated[
    str | None, typer.Argument(metavar="FILE | FILE:FUNC", help="A file, or a function in a file or module.")
]
Words = Annotated[
    list[str] | None, typer.Argument(metavar="[-- ARGS]…", help="Arguments of a file or module.")
]
Module = Annotated[
    str | None, typer.Option("--module", "-m", metavar="MODULE", help="A module, as with python -m.")
]
Positional = Annotated[
    list[str] | None, typer.Option("--arg", metavar="JSON", help="Argument of a function; may be repeated.")
]
Named = Annotated[
    list[str] | None, typer.Option("--kwarg", metavar="K=JSON", help="Argument of a function, by name.")
]
Version = Annotated[str | None, typer.Option("--python", metavar="3.12", help="The version of Python.")]
Packages = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="PKG", help="A package, such as numpy or 'numpy>=2'; may be repeated."),
]
Requirements = Annotated[
    str | None,
    typer.Option(metavar="F", help="A requirements.txt, pyproject.toml or uv.lock of the source."),
]
Git = Annotated[
    str | None,
    typer.Option(
        metavar="URL[@REF]",
        help="A repository, instead of the directory you are in; 'default' is the project's.",
    ),
]
GitSecret = Annotated[
    str | None, typer.Option(metavar="NAME", help="A secret that opens the repository of --git.")
]
BaseImage = Annotated[str | None, typer.Option("--image", metavar="IMAGE", help="Another base image.")]


@describes_run
def py(
    target: Target = None,
    words: Words = None,
    *,
    options: SpecOptions,
    module: Module = None,
    arg: Positional = None,
    kwarg: Named = None,
    python: Version = None,
    with_: Packages = None,
    requirements: Requirements = None,
    git: Git = None,
    git_secret: GitSecret = None,
    image: BaseImage = None,
    detach: Detach = False,
    json: JsonFlag = False,
) -> None:
    """Run a Python program to completion and stream its output.

    The directory you are in goes along, but what .gitignore names; --git takes a repository instead. Exits as
    `runs run` does.
    """
    if git is None:
        target, requirements = _from_here(target), _from_here(requirements)
    said = {"version": python, "dependencies": with_, "requirements": requirements}
    program: Json = {name: value for name, value in said.items() if value is not None}
    program["entrypoint"] = _entrypoint(target, words, module, arg, kwarg)
    fields: Json = {**spec_fields(options), "python": program}
    if image is not None:
        fields["image"] = image
    if git_secret is not None and git in (None, _OF_PROJECT):
        raise typer.BadParameter("it is for a repository; name one by --git", param_hint="--git-secret")
    source = None if git in (None, _OF_PROJECT) else {"git": repository(git, secret=git_secret)}

    def submit(client: "RunsClient") -> "RunHandle":
        said = fields
        if git != _OF_PROJECT:
            uploaded = source or _uploaded(client, target if module is None else None)
            said = {**fields, "source": uploaded}
        return client.create(idempotency_key=options.idempotency_key, **said)

    carry_out(submit, detach=detach, json=json)


def _from_here(path: str | None) -> str | None:
    """Write a path, or that of a function, as the source has it: from the directory that goes along."""
    if path is None or not (path.startswith("/") or ".." in path.split("/")):
        return path
    found = os.path.relpath(os.path.abspath(path))  # noqa: PTH100 links are not to be followed
    if found.startswith("../"):
        said = f"{path} is not in the directory you are in, which is what goes along; change to another one"
        raise typer.BadParameter(said)
    return found


def _entrypoint(
    target: str | None,
    words: list[str] | None,
    module: str | None,
    arg: list[str] | None,
    kwarg: list[str] | None,
) -> Json:
    if module is not None:
        words = [*([target] if target is not None else []), *command_line(words)]
        target = None
    function = target is not None and ":" in target
    if (arg or kwarg) and not function:
        raise typer.BadParameter("only a function takes these; write FILE:FUNC", param_hint="--arg, --kwarg")
    if module is not None:
        return {"module": module, "args": words}
    if target is None:
        raise typer.BadParameter("what shall run? name a file, FILE:FUNC, or -m MODULE", param_hint="FILE")
    if not function:
        return {"file": target, "args": command_line(words)}
    if command_line(words):
        raise typer.BadParameter("a function takes --arg and --kwarg, not words", param_hint="ARGS")
    args = [_value(text, "--arg") for text in arg or ()]
    return {"function": target, "args": args, "kwargs": dict(_pair(text) for text in kwarg or ())}


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key.isidentifier() or not equals:
        raise typer.BadParameter(f"{text!r} is not K=JSON", param_hint="--kwarg")
    return key, _value(value, "--kwarg")


def _value(text: str, option: str) -> Any:
    try:
        return jsons.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        said = f"{text!r} is not JSON ({error}); a text needs its quotes: '\"{text}\"'"
        raise typer.BadParameter(said, param_hint=option) from error


def _no_constant(name: str) -> None:
    raise ValueError(f"it has no {name}")


def _uploaded(client: "RunsClient", target: str | None) -> Json:
    from runsd_sdk import packing

    here = Path.cwd()
    file = os.path.normpath((target or "").partition(":")[0])
    if (here / file).is_file() and file not in packing.listed(here):
        said = f"{file} does not go along: git ignores it, or it is in a directory that is never packed"
        raise typer.BadParameter(said, param_hint="FILE")
    return {"upload": client.upload(here).id}
