"""Telemetry as the daemon has it: received where containers reach it, kept, and shown."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from runsd_sdk.host import TelemetryHealth
from runsd_sdk.run import CallSample

from runsd.clock import Clock
from runsd.config import TelemetrySettings
from runsd.engine.port import Engine
from runsd.signals import Signals
from runsd.sqlite import Sqlite
from runsd.telemetry import environment
from runsd.telemetry.accounts import Accounts, Live, MaskOf
from runsd.telemetry.ledger import Ledger
from runsd.telemetry.listener import Listener
from runsd.telemetry.receiver import Receiver
from runsd.telemetry.sums import Account
from runsd.telemetry.tokens import Tokens

_PORT_FILE = "telemetry.port"


class Telemetry:
    """What runs tell by OpenTelemetry. ``serve`` listens and stores, ``close`` ends both in order."""

    def __init__(
        self,
        logs_db: Sqlite,
        engine: Engine,
        *,
        data_dir: Path,
        live: Live,
        mask_of: MaskOf,
        networks: Sequence[str],
        settings: TelemetrySettings,
        engine_here: bool,
        signals: Signals,
        clock: Clock,
    ) -> None:
        self._tokens = Tokens.kept_in(data_dir)
        self._accounts = Accounts(
            Ledger(logs_db),
            live=live,
            mask_of=mask_of,
            clock=clock,
            on_stored=lambda run_id: signals.notify(f"measured:{run_id}"),
        )
        self._receiver = Receiver(self._accounts, self._tokens)
        remembered = data_dir / _PORT_FILE
        self._listener = Listener(
            self._receiver, engine,
            networks=networks, port=settings.port, remembered=remembered, signals=signals,
        )  # fmt: skip
        self._absent = _absent(settings, engine_here=engine_here)

    @property
    def health(self) -> TelemetryHealth:
        """The public words for where it is received, or why it is not."""
        return TelemetryHealth(
            endpoint=self._listener.endpoint, message=self._absent or self._listener.trouble
        )

    def variables(
        self, run_id: str, attempt: int, *, network: str, name: str | None, given: Mapping[str, str]
    ) -> dict[str, str]:
        """Return what is to be added to the environment that an attempt's container is given."""
        endpoint = self._listener.endpoint
        if endpoint is None or network == "none":
            return {}
        token = self._tokens.token(run_id, attempt)
        return environment.variables(run_id, attempt, name=name, endpoint=endpoint, token=token, given=given)

    async def final(self, run_id: str, attempt: int) -> None:
        """Store what an attempt has told, whose program has ended; where it told nothing, this is nothing."""
        await self._accounts.final(run_id, attempt)

    async def of_run(self, run_id: str) -> Account:
        """Return what all attempts of a run have told up to now. Raises NotNow."""
        return await self._accounts.of_run(run_id)

    async def calls(self, run_id: str) -> Sequence[CallSample]:
        """Return how many calls of models a run had told of by and by. Raises NotNow."""
        return await self._accounts.calls(run_id)

    async def look(self) -> None:
        """Listen where the containers of the Engine that answers now can reach it."""
        if self._absent is None:
            await self._listener.look()

    async def serve(self) -> None:
        """Keep listening, and store what comes, for as long as the daemon lives."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._accounts.serve(), name="telemetry-accounts")
            if self._absent is None:
                group.create_task(self._listener.serve(), name="telemetry-listener")

    async def close(self) -> None:
        """Listen no more, and store everything."""
        await self._listener.close()
        self._receiver.close()
        await self._accounts.close()


def _absent(settings: TelemetrySettings, *, engine_here: bool) -> str | None:
    if not settings.receive:
        return "turned off by telemetry.receive"
    return None if engine_here else "the Engine is on another host, whose containers cannot reach this one"
