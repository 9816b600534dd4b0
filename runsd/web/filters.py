"""What a list of runs is filtered by, as it stands in the address of its page. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import AfterValidator, Field, model_validator
from runsd_sdk.run import Status

from runsd.api.call import Query
from runsd.api.runs import RunQuery

Pair = tuple[str, str]


def _in_utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError as failure:
        raise ValueError("write a time between the years 1 and 9999 of UTC") from failure


When = Annotated[datetime, AfterValidator(_in_utc)]


class Filters(Query):
    """What a form has sent; what it left empty says nothing, and an instant of no zone is of UTC.

    ``open`` names the batches whose runs are shown, ``newest`` the run that was at the top of the first page.
    """

    status: list[Status] = []
    label: Annotated[list[str], Field(max_length=64)] = []
    text: Annotated[str, Field(max_length=200)] | None = None
    task: str | None = None
    name: str | None = None
    batch: Annotated[str, Field(max_length=64)] | None = None
    after: Annotated[When | None, Field(alias="from")] = None
    before: Annotated[When | None, Field(alias="to")] = None
    cursor: Annotated[str, Field(max_length=64)] | None = None
    newest: Annotated[str, Field(max_length=64)] | None = None
    open: Annotated[list[str], Field(max_length=200)] = []

    @model_validator(mode="before")
    @classmethod
    def _said(cls, given: dict[str, Any]) -> dict[str, Any]:
        said = {
            key: [each for each in value if each] if isinstance(value, list) else value
            for key, value in given.items()
        }
        return {key: value for key, value in said.items() if value}

    @property
    def wrong(self) -> str | None:
        """What no list can be filtered by, in a sentence."""
        for label in self.label:
            key, sep, _ = label.partition("=")
            if not key or not sep:
                return f"{label[:80]!r} is not a label filter; write key=value"
        return None

    @property
    def some(self) -> bool:
        """Whether there is a filter at all."""
        return any(self._pairs())

    def asked(self, **others: Any) -> RunQuery:
        """Return what the API is to be asked for."""
        said = {
            "status": self.status, "label": self.label, "text": self.text, "task": self.task,
            "name": self.name, "batch": self.batch, "created_after": self.after,
            "created_before": self.before, "cursor": self.cursor,
        }  # fmt: skip
        return RunQuery(**{**said, **others})

    def address(self, path: str, *others: Pair, cursor: str | None = None) -> str:
        """Return the address of a page of this list, the first one if there is no cursor."""
        pairs = [*self._pairs(), *(("open", each) for each in self.open), *others]
        return _address(path, [*pairs, ("cursor", cursor)] if cursor else pairs)

    def toggled(self, path: str, batch: str) -> str:
        """Return the address of this page with a batch's runs shown, or no longer."""
        opened = [each for each in self.open if each != batch]
        if len(opened) == len(self.open):
            opened.append(batch)
        return self.model_copy(update={"open": opened}).address(path, *self._place(), cursor=self.cursor)

    def here(self, path: str, newest: str | None = None) -> str:
        """Return the address of this page, which says of which run it knows at the top."""
        return self.address(path, *([("newest", newest)] if newest else ()), cursor=self.cursor)

    def chips(self, path: str) -> "list[Chip]":
        """Return what is filtered by, each with the address of the list without it."""
        pairs = list(self._pairs())
        return [
            Chip(key, value, _address(path, pairs[:n] + pairs[n + 1 :]))
            for n, (key, value) in enumerate(pairs)
        ]

    def _place(self) -> list[Pair]:
        return [("newest", self.newest)] if self.newest else []

    def _pairs(self) -> Iterator[Pair]:
        yield from (("status", status.value) for status in dict.fromkeys(self.status))
        yield from (("label", label) for label in dict.fromkeys(self.label))
        for key in ("text", "name", "task", "batch"):
            if value := getattr(self, key):
                yield key, value
        for key, instant in (("from", self.after), ("to", self.before)):
            if instant is not None:
                yield key, f"{instant.replace(tzinfo=None).isoformat()}Z"


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter; ``without`` is the address of the list that has it no longer."""

    key: str
    value: str
    without: str


def _address(path: str, pairs: list[Pair]) -> str:
    return f"{path}?{urlencode(pairs)}" if pairs else path
