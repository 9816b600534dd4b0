"""Whether another attempt follows, and after how long. Values in, values out."""

from runsd_sdk.run import Reason, Status
from runsd_sdk.spec import Retries

from runsd.run import Outcome


def delay_s(policy: Retries | None, ended: Outcome, attempt: int, *, jitter: float) -> float | None:
    """Return the seconds until the next attempt, or None when this outcome stands.

    ``attempt`` counts from 1. The delay doubles with each attempt up to the policy's maximum; ``jitter`` in
    [0, 1) takes off up to half of it, so that runs that failed together do not return together.
    """
    if policy is None or attempt > policy.limit or not _covers(policy, ended):
        return None
    full: float = min(policy.max_backoff_seconds, policy.backoff_seconds * 2 ** (attempt - 1))
    return full * (1 - jitter / 2)


def _covers(policy: Retries, ended: Outcome) -> bool:
    if ended.status in (Status.SUCCEEDED, Status.CANCELLED):
        return False
    if ended.reason is Reason.EXITED:
        return "exited" in policy.on or f"exited:{ended.exit_code}" in policy.on
    return ended.reason.value in policy.on
