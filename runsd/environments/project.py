"""A source's own word on what it needs: its requirements file, pyproject.toml or uv.lock, as bytes."""

import asyncio
import posixpath
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from runsd.environments import requirements, standards, toml
from runsd.environments.requirements import Included, Requirements
from runsd.errors import DependenciesFailed

Fetch = Callable[[str], Awaitable[bytes | None]]
"""Returns a file of the source by its path from the top; None where there is none."""

_MOST_FILES = 20
_MOST_BYTES = 16 * 1024**2


async def read(path: str, fetch: Fetch) -> Requirements:
    """Read what a file of the source requires, and the files that it names in turn.

    Raises DependenciesFailed when it is not there, or says what is not understood or not allowed.
    """
    text = await _text(path, fetch, named_by=None)
    match posixpath.basename(path):
        case "uv.lock":
            return Requirements(uv_lock=text)
        case "pyproject.toml":
            return await asyncio.to_thread(pyproject, text, path)
        case _:
            return await _requirements(path, text, fetch)


def pyproject(text: str, where: str) -> Requirements:
    """Understand ``[project] dependencies``, and of ``[tool.uv]`` what says where from."""
    document = _toml(text, where)
    project = document.get("project")
    if not isinstance(project, dict):
        raise _cannot(where, "it has no [project] table; name a requirements file instead")
    if "dependencies" in project.get("dynamic", ()):
        raise _cannot(where, "its dependencies are dynamic; name a requirements file instead")
    lines = tuple(requirements.requirement(text, where) for text in _texts(project, "dependencies", where))
    uv = _table(_table(document, "tool"), "uv")
    if uv.get("override-dependencies"):
        raise _cannot(where, "override-dependencies are not understood here; name the uv.lock instead")
    constraints = _texts(uv, "constraint-dependencies", where)
    return Requirements(
        lines=lines,
        constraints=tuple(requirements.requirement(text, where) for text in constraints),
        extra_indexes=_indexes(lines, uv, where),
        python=_specifier(project.get("requires-python", ""), where),
    )


def _indexes(lines: tuple[str, ...], uv: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """Return the indexes that ``[tool.uv.sources]`` names for the dependencies."""
    names = {standards.canonicalize_name(standards.Requirement(line).name) for line in lines}
    known = {index.get("name"): index.get("url") for index in uv.get("index", ()) if isinstance(index, dict)}
    urls = []
    for name, source in _table(uv, "sources").items():
        if standards.canonicalize_name(name) not in names:
            continue
        for one in source if isinstance(source, list) else [source]:
            url = known.get(one.get("index")) if isinstance(one, dict) else None
            if not isinstance(url, str):
                raise _cannot(
                    where,
                    f"{name} is to come from elsewhere than an index ([tool.uv.sources]); name the uv.lock",
                )
            urls.append(requirements.page(url, where))
    return tuple(dict.fromkeys(urls))


async def _requirements(path: str, text: str, fetch: Fetch) -> Requirements:
    found, included = await asyncio.to_thread(requirements.requirements_file, text, path)
    waiting = [(path, one) for one in included]
    seen = {path}
    while waiting:
        base, one = waiting.pop(0)
        target = _inside(base, one)
        if target in seen:
            continue
        seen.add(target)
        if len(seen) > _MOST_FILES:
            raise _cannot(path, f"it names more than {_MOST_FILES} files")
        text = await _text(target, fetch, named_by=base)
        more, further = await asyncio.to_thread(requirements.requirements_file, text, target)
        if one.as_constraints:
            more = replace(more, lines=(), constraints=more.constraints + more.lines)
            further = [replace(each, as_constraints=True) for each in further]
        found += more
        waiting += [(target, each) for each in further]
    return found


def _inside(base: str, one: Included) -> str:
    """Return a named file's path from the top of the source; nothing outside of it may be read."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(base), one.path))
    if one.path.startswith("/") or ":" in one.path or target.split("/")[0] == ".." or "$" in one.path:
        raise _cannot(base, f"it names {one.path!r}, which is not a file of the source")
    return target


async def _text(path: str, fetch: Fetch, *, named_by: str | None) -> str:
    content = await fetch(path)
    if content is None:
        by = f", which {named_by} names" if named_by else ""
        raise DependenciesFailed(f"cannot read the requirements: the source has no file {path}{by}")
    if len(content) > _MOST_BYTES:
        raise _cannot(path, f"it has more than {_MOST_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        raise _cannot(path, "it is not UTF-8") from failure


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        return toml.parsed(text)
    except ValueError as failure:
        raise _cannot(where, str(failure)) from failure


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _texts(table: Mapping[str, Any], key: str, where: str) -> list[str]:
    values = table.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _cannot(where, f"{key} is not a list of texts")
    return values


def _specifier(value: Any, where: str) -> str:
    try:
        return str(standards.SpecifierSet(value))
    except (standards.InvalidSpecifier, TypeError, AttributeError) as failure:
        raise _cannot(where, f"requires-python is {value!r}") from failure


def _cannot(where: str, why: str) -> DependenciesFailed:
    return DependenciesFailed(f"cannot read the requirements in {where}: {why}")
