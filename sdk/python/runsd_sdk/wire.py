"""The manners of every value on the wire: camelCase names, exact instants, no surprises."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel


def format_instant(value: datetime) -> str:
    """Write an aware instant as RFC 3339 in UTC with microseconds."""
    # Not strftime: a C library may write the year 1 as 1, which nobody reads.
    return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


Instant = Annotated[datetime, PlainSerializer(format_instant, return_type=str, when_used="json")]


class Answer(BaseModel):
    """What the daemon says. Unknown fields are kept out of the way of older clients."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    def wire(self) -> dict[str, Any]:
        """Return the JSON object that stands for this value."""
        return self.model_dump(mode="json", by_alias=True)


class Body(BaseModel):
    """What a caller sends. Unknown fields and near-miss types are refused by name."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, strict=True
    )

    def wire(self) -> dict[str, Any]:
        """Return the JSON object that stands for this value, without what was not said."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
