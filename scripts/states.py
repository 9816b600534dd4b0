"""Print docs/states.md: the picture of the state machine, drawn from the tables that the daemon runs on.

.venv/bin/python scripts/states.py >docs/states.md
"""

from collections.abc import Iterator

from runsd_sdk.run import Phase, Reason, Status

from runsd.run import NEXT, STATUS_OF, Input

PAGE = """\
<!-- Printed by scripts/states.py from runsd/run.py; a test keeps the two the same. -->
# The states of a run

```mermaid
{diagram}
```

An arrow is one method of the store and one transaction. What a phase does not list is refused and
changes nothing: whoever comes second, be it a cancel behind an exit or a supervisor behind its
successor, is told so and looks again.

{refused}

## How a run ends

A terminal status never changes. The reason is the fine truth, and the status follows from it:

{reasons}

## Why

**Stopping is a request, not a place.** A cancel or a deadline is stored with its instant and its reason
before the first signal is sent, while the run stays where it is: pulling, starting or running.
`stopping` is how that reads from outside. A crash between the request and the signal thus loses nothing,
and a container that ends by itself in that moment keeps its own result.

**Starting comes before pulling.** An admitted run holds its resources from the start, and most images
are already there: only a run that has to wait for its image passes through `pulling`.

**A retry goes through the queue.** The attempt that is over has its own bill, exit and log; the next one
is admitted like any other run, when its backoff is over. It is never offered to a run that was
cancelled.

**An Engine that does not answer is no state.** Nothing is known then, so nothing is written;
`/v1/health` says what is the matter, and the run goes on from where it is.
"""


def page() -> str:
    """Return the whole page."""
    return PAGE.format(
        diagram="\n".join(diagram()), refused="\n".join(refused()), reasons="\n".join(reasons())
    )


def diagram() -> Iterator[str]:
    """Draw the table as a Mermaid state diagram."""
    yield "stateDiagram-v2"
    yield f"    [*] --> {Phase.QUEUED}"
    for phase in Phase:
        for input, following in NEXT[phase].items():
            yield f"    {phase} --> {following}: {input}"
        if not NEXT[phase]:
            yield f"    {phase} --> [*]"


def refused() -> Iterator[str]:
    """Lay out every phase and input; an empty cell is a refusal."""
    yield f"| phase | {' | '.join(Input)} |"
    yield "|---" * (1 + len(Input)) + "|"
    for phase in Phase:
        cells = [NEXT[phase].get(input, "") for input in Input]
        yield f"| **{phase}** | {' | '.join(cells)} |"


def reasons() -> Iterator[str]:
    """List every reason with its status."""
    yield "| reason | status |"
    yield "|---|---|"
    for reason in Reason:
        if reason is Reason.EXITED:
            yield f"| `{reason}` with code 0 | {Status.SUCCEEDED} |"
            yield f"| `{reason}` with another code | {STATUS_OF[reason]} |"
        else:
            yield f"| `{reason}` | {STATUS_OF[reason]} |"


if __name__ == "__main__":
    print(page(), end="")
