"""``runs open``: the web UI of this daemon in a browser, logged in."""

import os
import sys
from collections.abc import Callable
from json import dumps
from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import session
from runsd.cli.options import JsonFlag
from runsd.cli.session import say

if TYPE_CHECKING:
    from runsd_sdk.key import Login

_ANY_ADDRESS = ("0.0.0.0:", "[::]:")  # recognised, not listened at


def browse(
    *,
    url: Annotated[bool, typer.Option("--url", help="Write the link, and open no browser.")] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Of this host, where the daemon has only its socket.")
    ] = 0,
    numeric: Annotated[
        bool,
        typer.Option(
            "--numeric", help="Name no host but 127.0.0.1, for a browser that finds no names under localhost."
        ),
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Open the web UI; the link logs in once, within two minutes.

    A daemon that listens at its socket alone is shown through this command, until Ctrl-C.
    """
    with session.connected() as client:
        from runsd_sdk import address

        show = _shower(url=url, json=json)
        login, place = client.login(), address.find()
        path = login.path + _onward()
        if place.socket is None:
            return show(f"{place.base_url}{path}")
        if login.address is not None:
            return show(f"{_listening(login)}{path}")
        import asyncio

        from runsd.cli import doorway

        say("the browser comes through here; Ctrl-C ends it")
        serving = doorway.serve(
            place.socket, port, numeric=numeric, on_open=lambda base: show(f"{base}{path}")
        )
        try:
            return asyncio.run(serving)
        except OSError as failure:
            session.fail(
                f"cannot listen at port {port}: {failure.strerror or failure}; choose another --port"
            )


def _onward() -> str:
    from urllib.parse import quote

    project = os.environ.get("RUNSD_PROJECT")
    return f"&next={quote(f'/p/{quote(project)}/runs', safe='')}" if project else ""


def _listening(login: "Login") -> str:
    place = login.address or ""
    for any_address in _ANY_ADDRESS:
        if place.startswith(any_address):
            place = f"localhost:{place.removeprefix(any_address)}"
    return f"{'https' if login.encrypted else 'http'}://{place}"


def _shower(*, url: bool, json: bool) -> Callable[[str], None]:
    """Return what becomes of a link: it is opened, or written where that is asked for or cannot be."""

    def show(link: str) -> None:
        from runsd.cli import output

        if not (url or json):
            import webbrowser

            if webbrowser.open(link):
                return say("opened in the browser")
            say("there is no browser here; open this link within two minutes")
        output.line(dumps({"url": link}) if json else link)
        sys.stdout.flush()
        return None

    return show
