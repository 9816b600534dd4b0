"""A run as somebody else would ask for it: by a command line, by the SDK, by curl. Pure."""

import json
import pprint
import shlex
from dataclasses import dataclass
from typing import Any, Final

from runsd_sdk.spec import RunSpec

from runsd.access import DEFAULT_PROJECT
from runsd.web.command import command_line, document
from runsd.web.said import Json, said

_NAMES: Final = {field.alias: name for name, field in RunSpec.model_fields.items()}
# More is not for pasting, and to lay it out would keep the daemon busy.
_MOST: Final = 64 * 1024
_TOO_LONG: Final = "# This is too long for a page: the API has the whole specification of the run."


@dataclass(frozen=True, slots=True)
class Copied:
    """Three texts that each start the same run."""

    cli: str
    python: str
    curl: str


def copied(spec: RunSpec, api: str, project: str = DEFAULT_PROJECT) -> Copied:
    """Return how to ask for a run; ``api`` is where the daemon is, as in ``https://host`` or ``unix:///path``."""
    fields = said(spec)
    if len(json.dumps(fields)) > _MOST:
        return Copied(_TOO_LONG, _TOO_LONG, _TOO_LONG)
    return Copied(command_line(fields, project), call(fields, project), request(fields, api, project))


def call(fields: Json, project: str) -> str:
    """Return a program that starts a run with these fields and waits for it."""
    client = "" if project == DEFAULT_PROJECT else f"project={project!r}"
    keywords = "".join(f"    {_NAMES[name]}={_literal(value)},\n" for name, value in fields.items())
    return (
        f"from runsd_sdk import RunsClient\n\nclient = RunsClient({client})\n"
        f"run = client.create(\n{keywords})\nresult = run.wait()\nprint(result.status, result.exit_code)\n"
    )


def request(fields: Json, api: str, project: str) -> str:
    """Return a curl that starts a run with these fields."""
    if api.startswith("unix://"):
        words = ["curl", "--unix-socket", api.removeprefix("unix://"), "http://runsd/v1/runs"]
        key = ""
    else:
        words, key = ["curl", f"{api}/v1/runs"], ' -H "Authorization: Bearer $RUNSD_API_KEY"'
    headers = ["-H", "Content-Type: application/json"]
    if project != DEFAULT_PROJECT:
        headers += ["-H", f"Runsd-Project: {project}"]
    return f"{shlex.join(words)}{key} {shlex.join([*headers, '--data-binary', '@-'])}{document(fields)}"


def _literal(value: Any) -> str:
    return pprint.pformat(value, width=84, sort_dicts=False).replace("\n", "\n    ")
