"""What a run uses: processor time, memory, calls of models, and what it tells by names of its own."""

from runsd_sdk.run import Metrics

from runsd.api import runs
from runsd.api.call import Call
from runsd.web.meters import MOST_POINTS, points, rows
from runsd.web.page import Shown, ask
from runsd.web.run import framed


async def show(call: Call) -> Shown:
    """Show what a run uses over time, and in all."""
    frame = await framed(call)
    told = await ask(call, runs.metrics, Metrics)
    used = points(told.samples)
    calls = rows(told.calls, most=MOST_POINTS)
    values = {"metrics": told, "used": used, "rows": rows(used), "calls": calls, "call_rows": rows(calls)}
    return Shown("run_metrics.html", frame | values)
