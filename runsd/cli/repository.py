"""A repository as a person writes it: ``URL[@REF]``."""

import re

import typer

from runsd.cli.options import Json

# The @ before a host (https://me@host/x, git@host:x) is not the one before a ref.
_REPOSITORY = re.compile(r"(?P<url>(?:[a-z+]+://[^/]+/|[^/]+:|/|\.).*?)(?:@(?P<ref>[^@:]+))?")


def repository(text: str, *, secret: str | None = None) -> Json:
    """Return what was written, and its secret, as the fields of a GitSource. Raises BadParameter."""
    found = _REPOSITORY.fullmatch(text)
    if found is None:
        said = f"{text!r} is not URL or URL@REF; write https://…, ssh://…, git@host:… or /path"
        raise typer.BadParameter(said, param_hint="--git")
    named = {**found.groupdict(), "secret": secret}
    return {name: value for name, value in named.items() if value is not None}
