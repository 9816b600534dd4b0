"""What a person sees of the nine folds: a live table while they run, then results and the bill."""

import json
import time
from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from runsd_sdk import RunHandle, RunResult, RunsClient, Status, Usage

LOOK_SECONDS = 0.5
COLOUR = {
    Status.PENDING: "dim",
    Status.RUNNING: "cyan",
    Status.SUCCEEDED: "green",
    Status.FAILED: "red",
    Status.CANCELLED: "yellow",
    Status.TIMEOUT: "red",
}


def watch(client: RunsClient, handles: Sequence[RunHandle]) -> None:
    """Show the folds until all are over: a live table on a terminal, else a line for each that ends."""
    console = Console(stderr=True)
    progress = dict.fromkeys(range(len(handles)), "")
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while going := [fold for fold, handle in enumerate(handles) if not handle.status.terminal]:
            for fold in going:
                handles[fold].refresh()
                progress[fold] = last_line(client, handles[fold].id) if handles[fold].run.started_at else ""
                if handles[fold].status.terminal and not console.is_terminal:
                    console.print(f"fold {fold}: {handles[fold].run.message}")
            live.update(folds_table(handles, progress), refresh=True)
            time.sleep(LOOK_SECONDS)


def last_line(client: RunsClient, run_id: str) -> str:
    """Return the last line that the trainer wrote to stderr."""
    entries = list(client.logs(run_id, stream="stderr", tail=1))
    return entries[-1].text.strip() if entries else ""


def folds_table(handles: Sequence[RunHandle], progress: dict[int, str]) -> Table:
    """Draw the folds as they are."""
    table = Table("fold", "run", "status", "progress", box=None)
    for fold, handle in enumerate(handles):
        colour = COLOUR[handle.status]
        state = handle.run.phase if handle.status == Status.PENDING else handle.status
        table.add_row(str(fold), handle.id, f"[{colour}]{state}[/]", progress[fold])
    return table


def show(results: Sequence[RunResult], month: Usage) -> None:
    """Print each fold's accuracy beside persistence, its line of the bill, and the month so far."""
    table = Table(title="Warmer than usual in three months?", caption=summary(month), box=None)
    for heading in ("fold", "accuracy", "persistence", "seconds", "vCPU-s", "used", "peak", "cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    for fold, result in enumerate(results):
        said = json.loads(result.stdout) if result.exit_code == 0 else {}
        bill = result.usage
        table.add_row(
            str(fold),
            number(said.get("accuracy"), 2) or f"[{COLOUR[result.status]}]{result.status}[/]",
            number(said.get("baseline"), 2),
            number(bill.duration_seconds, 3),
            number(bill.vcpu_seconds, 3),
            number(bill.cpu_seconds_used, 2) + ("~" if bill.source == "samples" else ""),
            f"{bill.memory_peak_bytes / 2**20:.0f} MiB" if bill.memory_peak_bytes else "",
            f"${Decimal(bill.cost_usd):f}",
            end_section=fold == len(results) - 1,
        )
    total = sum((Decimal(result.usage.cost_usd) for result in results), Decimal(0))
    seconds = sum(result.usage.vcpu_seconds for result in results)
    table.add_row("all", "", "", "", number(seconds, 3), "", "", f"${total:f}")
    problems = [f"fold {fold}: {r.message}" for fold, r in enumerate(results) if r.exit_code != 0]
    Console().print(Group(table, *problems))


def summary(month: Usage) -> str:
    """Say what the month costs so far."""
    return (
        f"{month.month}: {month.vcpu_seconds:.1f} vCPU-seconds in {month.runs} runs, "
        f"{month.free_vcpu_seconds:,.0f} are free: ${month.cost_usd}"
    )


def number(value: float | None, digits: int) -> str:
    """Write a figure, or nothing where there is none."""
    return "" if value is None else f"{value:.{digits}f}"
