"""``runs webhook``: who is told of the events of runs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import session
from runsd.cli.options import JsonFlag
from runsd.cli.select import complete_webhook

if TYPE_CHECKING:
    from runsd_sdk import Delivery, Webhook

app = typer.Typer(
    help="Tell other programs of the events of runs.", no_args_is_help=True, rich_markup_mode=None
)
Id = Annotated[str, typer.Argument(metavar="WEBHOOK", help="An id.", autocompletion=complete_webhook)]
Message = Annotated[
    str, typer.Argument(metavar="DELIVERY", help="An id, as in the header webhook-id of the request.")
]
Events = Annotated[
    list[str] | None,
    typer.Option(
        "--event",
        "-e",
        help="A type of event, as run.finished, run.finished:failed or '*'. Repeat it for several.",
    ),
]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")]


@app.command()
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to send them, as https://….")],
    *,
    event: Events = None,
    description: Description = None,
    json: JsonFlag = False,
) -> None:
    """Register a URL; its secret is shown this once.

    It is told when runs have finished, unless --event says otherwise.
    """
    with session.connected() as client:
        from runsd.cli import output

        events = event or ["run.finished"]
        webhook = client.webhooks.create(url, events=events, description=description or "")
        if json:
            output.document(webhook)
        else:
            output.fields([("id", webhook.id), ("secret", webhook.secret or "")])


@app.command("ls")
def list_webhooks(*, json: JsonFlag = False) -> None:
    """List the webhooks."""
    with session.connected() as client:
        from runsd.cli import output

        webhooks = client.webhooks.list()
        if json:
            output.document(webhooks)
        else:
            rows = [
                (one.id, _state(one), str(one.pending), one.url, " ".join(one.events)) for one in webhooks
            ]
            output.table(("ID", "STATE", "PENDING", "URL", "EVENTS"), rows)


@app.command()
def show(webhook: Id, *, json: JsonFlag = False) -> None:
    """Show one webhook."""
    with session.connected() as client:
        from runsd.cli import output

        found = client.webhooks.get(webhook)
        if json:
            output.document(found)
        else:
            output.fields(_described(found))


@app.command()
def edit(
    webhook: Id,
    *,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Another URL.")] = None,
    event: Events = None,
    description: Description = None,
    enable: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Tell it of events, or of none.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Change a webhook, enable or disable it."""
    with session.connected() as client:
        from runsd.cli import output

        changed = client.webhooks.update(
            webhook, url=url, events=event, description=description, enabled=enable
        )
        if json:
            output.document(changed)
        else:
            output.fields(_described(changed))


@app.command()
def rotate(webhook: Id, *, json: JsonFlag = False) -> None:
    """Change a webhook's secret; for a day the former signs too."""
    with session.connected() as client:
        from runsd.cli import output

        changed = client.webhooks.rotate(webhook)
        if json:
            output.document(changed)
        else:
            output.line(changed.secret or "")


@app.command()
def test(webhook: Id, *, json: JsonFlag = False) -> None:
    """Send a test message, and say what came of it."""
    with session.connected() as client:
        _tell(client.webhooks.test(webhook), json=json)


@app.command()
def deliveries(
    webhook: Id,
    *,
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help="Only these: pending, delivered, failed.")
    ] = None,
    limit: Annotated[int, typer.Option("-n", min=1, max=200, help="How many.")] = 20,
    json: JsonFlag = False,
) -> None:
    """List what a webhook was told, newest first."""
    with session.connected() as client:
        from runsd.cli import output

        found = client.webhooks.deliveries(webhook, status=status, limit=limit).data
        if json:
            output.document(found)
        else:
            rows = [
                (one.id, one.type, one.run_id or "", _outcome(one), output.ago(one.created_at))
                for one in found
            ]
            output.table(("ID", "EVENT", "RUN", "STATUS", "CREATED"), rows)


@app.command()
def delivery(webhook: Id, delivery: Message, *, json: JsonFlag = False) -> None:
    """Show one message and every attempt to send it."""
    with session.connected() as client:
        from runsd.cli import output

        found = client.webhooks.delivery(webhook, delivery)
        if json:
            output.document(found)
        else:
            output.fields(_attempted(found))


@app.command()
def redeliver(webhook: Id, delivery: Message, *, json: JsonFlag = False) -> None:
    """Send a message again, and say what came of it."""
    with session.connected() as client:
        _tell(client.webhooks.redeliver(webhook, delivery), json=json)


@app.command()
def rm(
    webhooks: Annotated[
        list[str], typer.Argument(metavar="WEBHOOK…", help="Ids.", autocompletion=complete_webhook)
    ],
    *,
    json: JsonFlag = False,
) -> None:
    """Delete webhooks; what is pending is not sent."""
    with session.connected() as client:
        from runsd.cli import output

        for webhook in webhooks:
            client.webhooks.delete(webhook)
            if not json:
                output.line(webhook)
        if json:
            output.document(webhooks)


def _tell(delivery: "Delivery", *, json: bool) -> None:
    """Print what came of a message; a person who asked for it learns by the exit code, too."""
    from runsd.cli import output

    if json:
        output.document(delivery)
    else:
        output.fields(_attempted(delivery))
    if delivery.status != "delivered":
        raise typer.Exit(1)


def _state(webhook: "Webhook") -> str:
    if not webhook.enabled:
        return "disabled"
    return "failing" if webhook.failing_since else "enabled"


def _described(webhook: "Webhook") -> Iterator[tuple[str, str]]:
    from runsd.cli import output

    yield "id", webhook.id
    yield "url", webhook.url
    yield "events", " ".join(webhook.events)
    yield "description", webhook.description
    yield "state", _state(webhook)
    yield "why", webhook.disabled_reason or ""
    yield "failing since", output.local(webhook.failing_since)
    yield "pending", str(webhook.pending)
    yield "created", output.local(webhook.created_at)


def _outcome(delivery: "Delivery") -> str:
    tried = len(delivery.attempts)
    return f"{delivery.status.value} ({tried})" if tried > 1 else delivery.status.value


def _attempted(delivery: "Delivery") -> Iterator[tuple[str, str]]:
    from runsd.cli import output

    yield "id", delivery.id
    yield "event", delivery.type
    yield "run", delivery.run_id or ""
    yield "status", delivery.status.value
    yield "next attempt", output.local(delivery.next_attempt_at)
    yield (
        "attempts",
        "\n".join(
            f"{output.local(one.at)}  {one.duration_seconds:.3f} s  {one.error or one.status_code}"
            for one in delivery.attempts
        ),
    )
