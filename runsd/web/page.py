"""One page as its handler sees it: the same call as the API's, answered with a template and its values."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, TypeVar

from aiohttp import web
from runsd_sdk.wire import Answer

from runsd.access import Access
from runsd.api.call import Call, Handler, NoQuery, Query, Reply

A = TypeVar("A", bound=Answer)


@dataclass(frozen=True, slots=True)
class Shown:
    """A template and what it shows, still to be rendered."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: HTTPStatus = HTTPStatus.OK


View = Callable[[Call], Coroutine[Any, Any, Shown | web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a project, below ``/p/{project}``. ``access`` and ``host`` are as in the API's routes.

    A page that is asked for by POST changes nothing; what it is about is in the body.
    """

    path: str
    view: View
    query: type[Query] = NoQuery
    access: Access = Access.READ
    host: bool = False
    method: str = "GET"


async def ask(call: Call, handler: Handler, answer: type[A], query: Query | None = None) -> A:
    """Return what a handler of the API answers to the caller of a page, with these parameters."""
    reply = await handler(replace(call, query=query or NoQuery()))
    if not isinstance(reply, Reply) or not isinstance(reply.body, answer):
        raise TypeError(f"{handler.__name__} gave no {answer.__name__}")
    return reply.body
