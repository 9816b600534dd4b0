"""A command's talk with the daemon: one client, and every error as a sentence and an exit code."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from runsd_sdk import RunsClient

BROKEN_PIPE = 141  # as a shell reports SIGPIPE


@contextmanager
def connected(*, stands_for_run: bool = False) -> "Iterator[RunsClient]":
    """Give a client; end the command with a sentence on stderr when the daemon or the run says no.

    A command that ``stands_for_run`` exits with the run's own code, so its other troubles are 125.
    """
    from runsd_sdk import RunsClient, RunsdError

    try:
        with RunsClient() as client:
            yield client
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has what it wanted. Python would flush once more at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None
    except RunsdError as error:
        from runsd.cli.outcome import NOT_THE_PROGRAM

        fail(str(error), code=NOT_THE_PROGRAM if stands_for_run else _code(error))


def say(message: str) -> None:
    """Write a remark for the person, apart from the data."""
    sys.stderr.write(f"runs: {message}\n")
    sys.stderr.flush()


def fail(message: str, *, code: int = 1) -> NoReturn:
    """Say what could not be done, and leave."""
    say(message)
    raise typer.Exit(code)


def _code(error: Exception) -> int:
    from runsd_sdk import errors

    from runsd.cli import outcome

    match error:
        case errors.NotFound():
            return outcome.NOT_FOUND
        case errors.Unauthorized() | errors.Forbidden():
            return outcome.NOT_ALLOWED
        case errors.DaemonUnreachable():
            return outcome.UNREACHABLE
        case errors.InvalidSpec() | errors.InvalidAddress():
            return outcome.USAGE
    return outcome.FAILED
