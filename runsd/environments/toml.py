"""TOML that anybody may have written."""

import tomllib
from typing import Any


def parsed(text: str) -> dict[str, Any]:
    """Return a document. Raises ValueError for what is none, also for what is nested without end."""
    try:
        return tomllib.loads(text)
    except RecursionError as failure:
        raise ValueError("it is nested too deep") from failure
