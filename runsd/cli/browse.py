"""``runs open``: the web UI of this daemon in a browser, logged in."""

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from runsd.cli import session
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
) -> None:
    """Open the web UI; the link logs in once, within two minutes.

    A daemon that listens at its socket alone is shown through this command, until Ctrl-C.
    """
    with session.connected() as client:
        from runsd_sdk import address

        login, place = client.login(), address.find()
        path = login.path + _onward()
        if place.socket is None:
            return _show(f"{place.base_url}{path}", only_url=url)
        if login.address is not None:
            return _show(f"{_listening(login)}{path}", only_url=url)
        from runsd.cli import doorway

        say("the browser comes through here; Ctrl-C ends it")
        serving = doorway.serve(place.socket, port, on_open=lambda base: _show(f"{base}{path}", only_url=url))
        try:
            return asyncio.run(serving)
        except OSError as failure:
            session.fail(
                f"cannot listen at port {port}: {failure.strerror or failure}; choose another --port"
            )


def _onward() -> str:
    project = os.environ.get("RUNSD_PROJECT")
    return f"&next={quote(f'/p/{quote(project)}/runs', safe='')}" if project else ""


def _listening(login: "Login") -> str:
    place = login.address or ""
    for any_address in _ANY_ADDRESS:
        if place.startswith(any_address):
            place = f"localhost:{place.removeprefix(any_address)}"
    return f"{'https' if login.encrypted else 'http'}://{place}"


def _show(link: str, *, only_url: bool) -> None:
    from runsd.cli import output

    if not only_url:
        import webbrowser

        if webbrowser.open(link):
            return say("opened in the browser")
        say("there is no browser here; open this link within two minutes")
    output.line(link)
    sys.stdout.flush()
    return None
