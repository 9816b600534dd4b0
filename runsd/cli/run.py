"""``runs run`` and ``runs rerun``: one container to completion."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runsd.cli import session, specfile
from runsd.cli.options import JsonFlag, RunId, SpecOptions, command_line, describes_run, spec_fields
from runsd.cli.program import SEPARATOR
from runsd.cli.select import run_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from runsd_sdk import Run, RunHandle, RunsClient

File = Annotated[
    Path | None, typer.Option("--file", metavar="F", help="A spec in YAML or JSON; options override it.")
]
Image = Annotated[str | None, typer.Argument(metavar="IMAGE", help="Any image that the host may pull.")]
Command = Annotated[
    list[str] | None,
    typer.Argument(metavar="[--] [CMD]…", help="Arguments for the image's entrypoint, as with docker run."),
]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Print the id and leave.")]


@describes_run
def run(
    image: Image = None,
    command: Command = None,
    *,
    options: SpecOptions,
    detach: Detach = False,
    file: File = None,
    json: JsonFlag = False,
) -> None:
    """Run a container to completion and stream its output.

    Exits with the run's code; 124: timeout, 125: not the program's doing, 126/127: as docker, 130: cancelled.
    The first Ctrl-C cancels the run, the second leaves it.
    """
    fields = described(image, command, options, file)
    carry_out(
        lambda client: client.create(idempotency_key=options.idempotency_key, **fields),
        detach=detach,
        json=json,
    )


@describes_run
def rerun(
    id: RunId,
    command: Command = None,
    *,
    options: SpecOptions,
    image: Annotated[str | None, typer.Option(metavar="IMAGE", help="Another image.")] = None,
    file: File = None,
    json: JsonFlag = False,
) -> None:
    """Run again, with changes if you like; print the new id."""
    fields = described(image, None, options, file, image_needed=False)
    with session.connected() as client:
        before = client.get(run_id(client, id))
        if words := command_line(command):
            fields |= {"command" if before.spec.command else "args": words}
        handle = client.rerun(before.id, idempotency_key=options.idempotency_key, **fields)
        submitted(handle.run, json=json)


def described(
    image: str | None,
    command: list[str] | None,
    options: SpecOptions,
    file: Path | None,
    *,
    image_needed: bool = True,
) -> dict[str, Any]:
    """Return what a spec file, the options and the arguments say together, the later over the earlier."""
    from runsd_sdk import fields

    written = fields.plain(specfile.read(file)) if file else {}
    said = spec_fields(options)
    if image == SEPARATOR:
        image, command = _after_separator(
            command or [], image_known="image" in written or "python" in written
        )
    if image is not None:
        said["image"] = image
    if words := command_line(command):
        said["command" if "command" in written else "args"] = words
    found = fields.merged(written, said)
    if image_needed and "image" not in found and "python" not in found:
        raise typer.BadParameter("which image? name one, or a --file that does", param_hint="IMAGE")
    return found


def _after_separator(words: list[str], *, image_known: bool) -> tuple[str | None, list[str]]:
    """Tell IMAGE from CMD in ``-- WORDS``: where the file names the image, all words are the program's."""
    if image_known or not words:
        return None, words
    return words[0], words[1:]


def carry_out(submit: "Callable[[RunsClient], RunHandle]", *, detach: bool, json: bool) -> None:
    """Submit a run and stand in for it until it is over, or print its id and leave it."""
    with session.connected(stands_for_run=True) as client:
        from runsd.cli import attach
        from runsd.cli.interrupts import interrupts

        with interrupts(client) as ours:
            handle = submit(client)
            ours.take([handle.id])
            if detach and not ours.asked:
                return submitted(handle.run, json=json)
            follow = attach.wait_for_result if json else attach.attach
            raise typer.Exit(follow(client, handle.id))


def submitted(run: "Run", *, json: bool) -> None:
    """Print a run that was accepted."""
    from runsd.cli import output

    if json:
        output.document(run)
    else:
        output.line(run.id)
