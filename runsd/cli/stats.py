"""``runs stats``: what runs use."""

from typing import TYPE_CHECKING, Annotated

import typer

from runsd.cli import durations, select, session
from runsd.cli.options import JsonFlag

if TYPE_CHECKING:
    from runsd_sdk import Info, Metrics, Run


def stats(
    id: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="One run; all live ones by default.", autocompletion=select.complete
        ),
    ] = None,
    *,
    json: JsonFlag = False,
) -> None:
    """Show what runs use of processor and memory.

    Without an ID: all that are running, and the host.
    """
    with session.connected() as client:
        from runsd.cli import output

        if id is not None:
            metrics = client.metrics(select.run_id(client, id))
            output.document(metrics) if json else output.fields(_totals(metrics))
        else:
            used = [(run, client.metrics(run.id)) for run in client.iterate(status="running")]
            _print_all(used, client.info(), json=json)


def _print_all(used: "list[tuple[Run, Metrics]]", info: "Info", *, json: bool) -> None:
    from runsd.cli import output

    if json:
        runs = [{"id": run.id, "metrics": metrics.wire()} for run, metrics in used]
        return output.document({"info": info.wire(), "runs": runs})
    header = ("ID", "NAME", "CPUS", "CPU USED", "MEMORY", "PEAK", "RAN")
    output.table(header, [_row(run, metrics) for run, metrics in used])
    output.line()
    return output.fields(_host(info))


def _totals(metrics: "Metrics") -> list[tuple[str, str]]:
    from runsd_sdk.quantity import format_bytes

    from runsd.cli import output

    used, peak = metrics.cpu_seconds_used, metrics.memory_peak_bytes
    return [
        ("cpu used", "" if used is None else f"{used:g} s"),
        ("cpu allocated", f"{metrics.cpu_seconds_allocated:g} s"),
        ("memory", format_bytes(metrics.samples[-1].memory_bytes) if metrics.samples else ""),
        ("memory peak", "" if peak is None else format_bytes(peak)),
        ("cost", "" if metrics.cost_usd is None else output.money(metrics.cost_usd)),
        ("requests", _counted(metrics.requests)),
        ("tokens in", _counted(metrics.tokens_in)),
        ("tokens out", _counted(metrics.tokens_out)),
        ("samples", str(len(metrics.samples))),
        ("source", metrics.source or ""),
    ]


def _counted(number: int | None) -> str:
    return "" if number is None else str(number)


def _row(run: "Run", metrics: "Metrics") -> tuple[str, ...]:
    from runsd_sdk.quantity import format_bytes

    from runsd.cli import output

    requests, peak = run.spec.resources.requests, metrics.memory_peak_bytes
    used = "" if metrics.cpu_seconds_used is None else f"{metrics.cpu_seconds_used:.1f}s"
    now = format_bytes(metrics.samples[-1].memory_bytes) if metrics.samples else "-"
    memory = f"{now} / {format_bytes(requests.memory_bytes)}"
    shown_peak = "" if peak is None else format_bytes(peak)
    ran = durations.written(output.ran(run))
    return run.id, run.name or "", str(requests.cpu), used, memory, shown_peak, ran


def _host(info: "Info") -> list[tuple[str, str]]:
    from runsd_sdk.quantity import format_bytes, format_cpu

    used, total = info.in_use, info.capacity
    memory = f"{format_bytes(used.memory_bytes)} of {format_bytes(total.memory_bytes)}"
    return [
        ("cpus", f"{format_cpu(used.cpu_milli)} of {format_cpu(total.cpu_milli)}"),
        ("memory", memory),
        ("gpus", f"{used.gpus} of {total.gpus}" if total.gpus else ""),
        ("queued", str(info.queued)),
    ]
