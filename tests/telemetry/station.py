"""A receiver on loopback with its accounts on a real file, and whoever sends to it."""

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from runsd.engine.docker import DockerEngine
from runsd.logs.database import open_logs
from runsd.mask import Mask
from runsd.signals import Signals
from runsd.sqlite import Sqlite
from runsd.telemetry import environment
from runsd.telemetry.accounts import Accounts
from runsd.telemetry.ledger import Ledger
from runsd.telemetry.listener import Listener
from runsd.telemetry.receiver import Receiver
from runsd.telemetry.sums import Totals
from runsd.telemetry.tokens import Tokens

RUN = "run_" + "0" * 26
PROGRAMS = Path(__file__).with_name("programs")
ENDED_S = 100
PROTOBUF, JSON = "application/x-protobuf", "application/json"


@dataclass
class Station:
    """Both sides of the receiver. ``live`` has the live attempt of each run."""

    directory: Path
    db: Sqlite
    session: aiohttp.ClientSession
    tokens: Tokens
    live: dict[str, int] = field(default_factory=lambda: {RUN: 1})
    mask: Mask | None = None
    port: int = 0
    address: str = "127.0.0.1"

    async def __aenter__(self) -> "Station":
        self.accounts = Accounts(Ledger(self.db), live=self._live, mask_of=self._mask_of)
        self.receiver = Receiver(self.accounts, self.tokens)
        self.listener = Listener(
            self.receiver,
            DockerEngine.at("unix:///nowhere"),  # it is not asked
            networks=["bridge"],
            port=self.port,
            remembered=self.directory / "telemetry.port",
            signals=Signals(),
        )
        await self.listener.listen(self.address)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.listener.close()
        self.receiver.close()

    @property
    def url(self) -> str:
        assert self.listener.endpoint is not None, self.listener.trouble
        return self.listener.endpoint

    def headers(self, kind: str = PROTOBUF, *, attempt: int = 1) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.token(RUN, attempt)}", "Content-Type": kind}

    async def send(
        self, signal: str, body: bytes, kind: str = PROTOBUF, *, attempt: int = 1, **more: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Post a payload, and return status, headers and body of the answer."""
        headers = {**self.headers(kind, attempt=attempt), **more}
        data = io.BytesIO(body)
        async with self.session.post(f"{self.url}/v1/{signal}", data=data, headers=headers) as answer:
            return answer.status, dict(answer.headers), await answer.read()

    async def totals(self) -> Totals | None:
        return (await self.accounts.of_run(RUN)).totals()

    async def run(self, program: str, *arguments: str, **more: str) -> None:
        """Run a program on this host as it is run in a container: told by variables alone."""
        variables = environment.variables(
            RUN, 1, name="test", endpoint=self.url, token=self.tokens.token(RUN, 1), given=more
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAMS / f"{program}.py"),
            *arguments,
            env={"PATH": "/usr/bin:/bin", **variables, **more},
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(ENDED_S):
                _, said = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, said.decode()

    async def _mask_of(self, _: str) -> Mask | None:
        return self.mask

    async def _live(self, run_id: str) -> int:
        return self.live.get(run_id, 0)


@asynccontextmanager
async def open_station(directory: Path) -> AsyncIterator[Station]:
    """Open a station on a file of its own."""
    db = await open_logs(directory / "logs.db")
    try:
        async with (
            aiohttp.ClientSession() as session,
            Station(directory, db, session, Tokens.kept_in(directory)) as station,
        ):
            yield station
    finally:
        await db.close()
