"""Accounts: what live attempts have told, added up in memory and stored once a second.

What was acknowledged and not yet stored is lost with a crash: at most what came in the last second or so.
Cumulative metrics tell it again with their next payload; spans do not.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog
from runsd_sdk.run import CallSample

from runsd.clock import Clock, now_us
from runsd.errors import NotNow, SecretsLocked
from runsd.mask import Mask
from runsd.telemetry.bucket import Bucket
from runsd.telemetry.counting import Counted, Counting
from runsd.telemetry.facts import Batch
from runsd.telemetry.ledger import Attempt, Ledger
from runsd.telemetry.rows import Row, RowKind, changes
from runsd.telemetry.sums import Account
from runsd.telemetry.veil import veiled

log = structlog.get_logger()

Live = Callable[[str], Awaitable[int]]
"""Returns the number of a run's live attempt, 0 for none."""

MaskOf = Callable[[str], Awaitable[Mask | None]]
"""Returns what covers a live run's secrets."""

_FLUSH_EVERY_S = 1.0
_SWEEP_EVERY_S = 30.0
# So much is done at a time while nobody else on the event loop is.
_AT_ONCE = 256
# What an attempt may send: this many bytes at once, and so many each second in the long run.
_BURST_BYTES = 16 * 1024**2
_BYTES_PER_S = 2 * 1024**2


@dataclass(slots=True)
class Opened:
    """The account of a live attempt, how much it may send, and what of it could not be stored yet."""

    account: Account
    bucket: Bucket
    mask: Mask | None = None
    counting: Counting = field(default_factory=Counting)
    held_bytes: int = 0
    unsaved: dict[tuple[RowKind, str], Row] = field(default_factory=dict)

    @property
    def has_changed(self) -> bool:
        """Whether there is something to store."""
        account = self.account
        changed = account.calls.changed or account.series.changed or account.exceptions.changed
        return bool(changed or self.unsaved or (account.more and not account.more_is_known))


class Accounts:
    """The accounts of live attempts. ``serve`` stores what has changed."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        live: Live,
        mask_of: MaskOf,
        clock: Clock = now_us,
        on_stored: Callable[[str], None] = lambda run_id: None,
    ) -> None:
        self._ledger = ledger
        self._live = live
        self._mask_of = mask_of
        self._clock = clock
        self._on_stored = on_stored
        self._opened: dict[Attempt, Opened] = {}
        # Held while an account is read or stored, so that nobody goes on from what is about to change.
        self._lock = asyncio.Lock()
        self._told = asyncio.Event()

    async def open(self, attempt: Attempt) -> Opened | None:
        """Return the account of an attempt; None when it is not live. Raises NotNow."""
        if (present := self._opened.get(attempt)) is not None:
            return present
        async with self._lock:
            if attempt not in self._opened:
                mask = await self._mask(attempt[0])  # first: whoever is live after that has all of it
                if await self._live(attempt[0]) != attempt[1]:
                    return None
                account = await self._ledger.of_attempt(attempt)
                bucket = Bucket.full(_BURST_BYTES, _BYTES_PER_S, time.monotonic())
                self._opened[attempt] = Opened(account, bucket, mask)
                self._told.set()
            return self._opened[attempt]

    async def add(self, attempt: Attempt, batch: Batch) -> int:
        """Take in a batch, and return how much of it there was no room for. Raises NotNow."""
        refused = 0
        for piece in batch.pieces(_AT_ONCE):
            opened = await self.open(attempt)
            if opened is not None:
                refused += opened.account.add(veiled(piece, opened.mask) if opened.mask else piece)
            self._told.set()
            await asyncio.sleep(0)
        return refused

    async def final(self, run_id: str, attempt: int) -> None:
        """Store what an attempt has told, and close its account: its program has ended.

        What cannot be stored now is stored when it can be. What comes all the same while the attempt is live
        goes on from there.
        """
        if (run_id, attempt) in self._opened:
            await self._flush([(run_id, attempt)], close=True)

    async def of_run(self, run_id: str) -> Account:
        """Return what all attempts of a run have told up to now. Raises NotNow."""
        await self._flush([attempt for attempt in self._opened if attempt[0] == run_id])
        return await self._ledger.of_run(run_id)

    async def calls(self, run_id: str) -> Sequence[CallSample]:
        """Return how many calls of models a run had told of by and by. Raises NotNow."""
        return await self._ledger.calls(run_id)

    async def serve(self) -> None:
        """Store what comes for as long as the daemon lives, and forget who has ended."""
        swept = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(_SWEEP_EVERY_S if self._opened else None):
                    await self._told.wait()
                self._told.clear()
                await asyncio.sleep(_FLUSH_EVERY_S)
            except TimeoutError:
                pass
            await self._flush(list(self._opened))
            if time.monotonic() - swept > _SWEEP_EVERY_S:
                swept = time.monotonic()
                await self._sweep()

    async def close(self) -> None:
        """Store everything."""
        await self._flush(list(self._opened), close=True)

    async def _mask(self, run_id: str) -> Mask | None:
        try:
            return await self._mask_of(run_id)
        except SecretsLocked as failure:
            raise NotNow(str(failure)) from failure

    async def _flush(self, attempts: list[Attempt], *, close: bool = False) -> None:
        async with self._lock:
            present = {one: self._opened[one] for one in attempts if one in self._opened}
            for opened in present.values():
                while rows := changes(opened.account, most=_AT_ONCE):
                    opened.unsaved.update({(row.kind, row.key): row for row in rows})
                    await asyncio.sleep(0)
            changed = {
                one: list(opened.unsaved.values()) for one, opened in present.items() if opened.unsaved
            }
            counted = self._count(present if close else changed, close=close)
            try:
                if changed or counted:
                    await self._ledger.write(changed, counted)
            except NotNow as failure:
                log.warning("telemetry.not_stored", error=str(failure))
                self._told.set()  # there is something to store still
                for one in counted:
                    self._opened[one].counting.last = None
                return
            for run_id, _ in changed:
                self._on_stored(run_id)
            for one, opened in present.items():
                opened.unsaved.clear()
                if close and not opened.has_changed:
                    del self._opened[one]

    def _count(self, attempts: Iterable[Attempt], *, close: bool) -> dict[Attempt, Counted]:
        """Return what calls there were so far in those attempts whose turn it is, or which are over."""
        now = self._clock()
        found: dict[Attempt, Counted] = {}
        for one in attempts:
            opened = self._opened[one]
            if close or opened.counting.due_us <= now:
                counted = opened.counting.count(opened.account.totals(), now)
                if counted is not None:
                    found[one] = counted
        return found

    async def _sweep(self) -> None:
        for attempt in list(self._opened):
            try:
                ended = await self._live(attempt[0]) != attempt[1]
            except NotNow:
                return
            if ended:
                await self._flush([attempt], close=True)
