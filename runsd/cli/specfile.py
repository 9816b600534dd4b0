"""``--file``: a RunSpec written down, as YAML or JSON."""

from pathlib import Path
from typing import Any

import typer


def read(file: Path) -> dict[str, Any]:
    """Return the fields of a spec file. JSON is YAML too."""
    import yaml

    try:
        found = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise typer.BadParameter(f"cannot read {file}: {error}", param_hint="--file") from error
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{file} does not hold an object with a run's fields", param_hint="--file")
    return found
