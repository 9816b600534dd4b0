"""``--file``: a RunSpec written down, as YAML or JSON."""

import json
from pathlib import Path
from typing import Any

import typer


def read(file: Path) -> dict[str, Any]:
    """Return the fields of a spec file."""
    import yaml

    try:
        found = _read(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise typer.BadParameter(f"cannot read {file}: {error}", param_hint="--file") from error
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{file} does not hold an object with a run's fields", param_hint="--file")
    return found


def _read(text: str) -> Any:
    # Not all JSON means the same as YAML 1.1: there 1e-07 is a text, and "\ud83d\ude00" two characters.
    import yaml

    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)
