"""A command whose last words are a program's: ``[IMAGE] [--] [CMD]…``."""

from typing import Any, Final

from typer.core import TyperCommand

SEPARATOR: Final = "--"


class ProgramCommand(TyperCommand):
    """Tells the command of a ``--`` that stands before all other words: its IMAGE is then the separator.

    The parser drops that one, and IMAGE would swallow the program's first word.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words after the command's name."""
        given = list(args)
        rest = super().parse_args(ctx, args)
        image, command = ctx.params.get("image"), ctx.params.get("command") or []
        if image is not None and given[: -1 - len(command)][-1:] == [SEPARATOR]:
            ctx.params |= {"image": SEPARATOR, "command": [image, *command]}
        return rest
