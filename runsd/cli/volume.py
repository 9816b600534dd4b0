"""``runs volume``: what runs keep and share."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import session
from runsd.cli.options import JsonFlag, Labels, pairs
from runsd.cli.select import complete_volume

if TYPE_CHECKING:
    from runsd_sdk import Volume

app = typer.Typer(
    help="Keep volumes: directories that runs share.", no_args_is_help=True, rich_markup_mode=None
)
Name = Annotated[
    str, typer.Argument(metavar="VOLUME", help="An id or a name.", autocompletion=complete_volume)
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower case letters, digits, '.', '_', '-'.")],
    *,
    label: Labels = None,
    json: JsonFlag = False,
) -> None:
    """Make a volume."""
    labels = pairs(label, "--label")
    with session.connected() as client:
        from runsd.cli import output

        volume = client.volumes.create(name, labels=labels)
        if json:
            output.document(volume)
        else:
            output.line(volume.id)


@app.command("ls")
def list_volumes(*, json: JsonFlag = False) -> None:
    """List the volumes."""
    with session.connected() as client:
        from runsd.cli import output

        volumes = client.volumes.list()
        if json:
            output.document(volumes)
        else:
            rows = [(v.id, v.name, str(v.live_runs), output.ago(v.created_at)) for v in volumes]
            output.table(("ID", "NAME", "LIVE RUNS", "CREATED"), rows)


@app.command()
def show(volume: Name, *, json: JsonFlag = False) -> None:
    """Show one volume."""
    with session.connected() as client:
        from runsd.cli import output

        found = client.volumes.get(volume)
        if json:
            output.document(found)
        else:
            output.fields(_described(found))


@app.command()
def rm(
    volumes: Annotated[
        list[str],
        typer.Argument(metavar="VOLUME…", help="Ids or names.", autocompletion=complete_volume),
    ],
    *,
    json: JsonFlag = False,
) -> None:
    """Delete volumes and all that is in them; those that live runs use stay."""
    with session.connected() as client:
        from runsd.cli import output

        for volume in volumes:
            client.volumes.delete(volume)
            if not json:
                output.line(volume)
        if json:
            output.document(volumes)


def _described(volume: "Volume") -> Iterator[tuple[str, str]]:
    from runsd.cli import output

    yield "id", volume.id
    yield "name", volume.name
    yield "docker name", volume.docker_name
    yield "created", output.local(volume.created_at)
    yield "live runs", str(volume.live_runs)
    yield "labels", "\n".join(f"{key}={value}" for key, value in volume.labels.items())
