"""Templates, rendered: everything that is shown is escaped, and no value can be taken for markup."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runsd.web import words

if TYPE_CHECKING:  # loaded with the first page: a daemon that nobody looks at does without
    from jinja2 import Environment

_TEMPLATES: Final = Path(__file__).parent / "templates"


def render(template: str, values: dict[str, Any]) -> str:
    """Return a template with these values in it; a name that has none is an error."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(words.FILTERS)
    return environment
