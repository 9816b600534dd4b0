"""A run as the words of ``runs run`` and ``runs py``. Pure.

What a command has no option for, and what is not fit to be pasted into a terminal, goes along as a file.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, Final

from runsd_sdk.python import ENTRYPOINTS

from runsd.access import DEFAULT_PROJECT
from runsd.web.said import Json

Words = list[str]

_END: Final = " <<'END'\n"


def command_line(fields: Json, project: str) -> str:
    """Return the command that starts a run with these fields: ``runs py`` where it can, else ``runs run``."""
    words, rest = _py(fields) if "python" in fields else _run(fields)
    if project != DEFAULT_PROJECT:
        words = [f"RUNSD_PROJECT={project}", *words]
    return shlex.join(words) + (document(rest) if rest else "")


def document(fields: Json) -> str:
    """Return the fields as the standard input of a command; no line of JSON is its last line."""
    return f"{_END}{json.dumps(fields, indent=2)}\nEND"


def _run(fields: Json) -> tuple[Words, Json]:
    """Return the words of ``runs run``, and what goes along as a file."""
    options, rest = _options(fields, without=("image", "command", "args"))
    rest |= {name: fields[name] for name in ("python", "source") if name in fields}
    program: Words = []
    if "command" in fields or not _fit(fields.get("args", [])) or fields.get("args", [])[:1] == ["--"]:
        # Words on the command line are arguments, unless a file says that they are the command.
        rest |= {name: fields[name] for name in ("command", "args") if name in fields}
    elif "args" in fields:
        program = ["--", *fields["args"]]
    file = ["--file", "/dev/stdin"] if rest else []
    image = [fields["image"]] if "image" in fields else []
    return ["runs", "run", *options, *file, *image, *program], rest


def _py(fields: Json) -> tuple[Words, Json]:
    """Return the words of ``runs py``, which takes no file: where it needs one, those of ``runs run``."""
    options, rest = _options(fields, without=("python", "source", "image"))
    program, source = _program(fields["python"]), _source(fields)
    if rest or program is None or source is None:
        return _run(fields)
    image = ["--image", fields["image"]] if "image" in fields else []
    before, target = program
    return ["runs", "py", *options, *source, *image, *before, *target], {}


def _options(fields: Json, *, without: tuple[str, ...]) -> tuple[Words, Json]:
    """Return what options can say of a run, and the fields that they cannot."""
    words: Words = []
    rest: Json = {}
    for name, value in fields.items():
        if name in ("python", "source", *without):
            continue
        found = _OPTIONS[name](value) if name in _OPTIONS else None
        if found is None or not _fit(found):
            rest[name] = value
        else:
            words += found
    return words, rest


def _fit(words: Words) -> bool:
    """Say whether words can be pasted into a terminal: nothing in them acts there, or hides what they say."""
    return all(word.replace("\n", "").isprintable() for word in words)


# How options say a field. None: they cannot.


def _plain(flag: str) -> Callable[[Any], Words | None]:
    return lambda value: [flag, str(value)]


def _pairs(flag: str) -> Callable[[Mapping[str, str]], Words | None]:
    return lambda value: [word for key, text in value.items() for word in (flag, f"{key}={text}")]


def _resources(value: Json) -> Words | None:
    flags = {"cpu": "--cpus", "memory": "--memory", "gpu": "--gpus"}
    words: Words = []
    for name, asked in value["requests"].items():
        # To the command 512m and 4g are docker's, powers of 1024.
        if isinstance(asked, float) or (name == "memory" and re.search(r"[kmgt]$", str(asked))):
            return None
        words += [flags[name], str(asked)]
    return words


def _duration(flag: str) -> Callable[[float], Words | None]:
    def said_as(seconds: float) -> Words | None:
        if seconds != int(seconds):
            text = repr(seconds)
            return [flag, f"{text}s"] if re.fullmatch(r"\d+\.\d{1,6}", text) else None
        for unit, length in (("h", 3600), ("m", 60)):
            if seconds and seconds % length == 0:
                return [flag, f"{int(seconds) // length}{unit}"]
        return [flag, f"{int(seconds)}s"]

    return said_as


def _secrets(value: list[Json]) -> Words | None:
    if any("env" in use and "path" in use for use in value):
        return None
    return [word for use in value for word in ("--secret", _secret(use))]


def _secret(use: Json) -> str:
    if "path" in use:
        return f"{use['name']}:{use['path']}"
    return f"{use['name']}={use['env']}" if "env" in use else str(use["name"])


def _mounts(value: list[Json]) -> Words | None:
    words: Words = []
    for mount in value:
        volume, path = mount["volumeId"], mount["mountPath"]
        if ":" in volume or ":" in path or volume.startswith((".", "/", "~")):
            return None
        words += ["-v", f"{volume}:{path}:ro" if mount.get("readOnly") else f"{volume}:{path}"]
    return words


def _retries(value: Json) -> Words | None:
    return ["--retries", str(value["limit"])] if list(value) == ["limit"] else None


def _program(python: Json) -> tuple[Words, Words] | None:
    """Return the options of a Python program, and the words behind them."""
    entry = python["entrypoint"]
    kind = next(each for each in ENTRYPOINTS if each in entry)
    words = [word for name in ("version", "requirements") if name in python
             for word in ("--python" if name == "version" else "--requirements", python[name])]  # fmt: skip
    words += [word for package in python.get("dependencies", ()) for word in ("--with", package)]
    args, kwargs, target = entry.get("args", []), entry.get("kwargs", {}), entry[kind]
    behind = ["--", *args] if args and kind != "function" else []
    if kind == "module":
        words += ["-m", target]
    else:
        behind = [target, *behind]
    if kind == "function":
        words += [word for value in args for word in ("--arg", json.dumps(value))]
        words += [word for key, value in kwargs.items() for word in ("--kwarg", f"{key}={json.dumps(value)}")]
    strange = (
        (kind == "file" and ":" in target)
        or target.startswith("-")
        or args[:1] == ["--"]
        or not all(key.isidentifier() for key in kwargs)
    )
    return None if strange or not _fit([*words, *behind]) else (words, behind)


def _source(fields: Json) -> Words | None:
    """Return the options of a source: what has none goes along from where the command is typed."""
    if "source" not in fields:
        return ["--git", "default"]
    git = (fields["source"] or {}).get("git")
    if git is None or not re.fullmatch(
        r"(?:[a-z+]+://[^/@]+/|[\w.-]+@[\w.-]+:|/)[^@]*", git["url"], re.ASCII
    ):
        return None
    ref = git.get("ref")
    if ref is not None and not re.fullmatch(r"[^@:]+", ref):
        return None
    words = ["--git", git["url"] if ref is None else f"{git['url']}@{ref}"]
    words += ["--git-secret", git["secret"]] if "secret" in git else []
    return words if _fit(words) else None


_OPTIONS: Final[Mapping[str, Callable[[Any], Words | None]]] = {
    "name": _plain("--name"),
    "labels": _pairs("-l"),
    "env": _pairs("-e"),
    "secrets": _secrets,
    "resources": _resources,
    "volumeMounts": _mounts,
    "workdir": _plain("-w"),
    "user": _plain("-u"),
    "network": _plain("--network"),
    "runtime": _plain("--runtime"),
    "timeoutSeconds": _duration("--timeout"),
    "stopGraceSeconds": _duration("--stop-grace"),
    "retries": _retries,
    "pullPolicy": _plain("--pull"),
}
