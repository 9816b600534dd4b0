"""What a full disk of the Engine's makes it say, put so that a person knows what to do. Pure."""

import re
from dataclasses import replace

from runsd.run import Outcome

_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)


def explained(outcome: Outcome, root: str | None) -> Outcome:
    """Return the outcome of a run that could not be started, with the remedy if the Engine's disk is full.

    ``root`` is where the Engine keeps its images and containers, if that is known.
    """
    if not _FULL.search(outcome.message):
        return outcome
    place = f"in {root}" if root else "where it keeps images and containers"
    remedy = f"the Docker Engine's disk is full; free space {place} (docker system prune), then run it again"
    return replace(outcome, message=f"{remedy}: {outcome.message}")
