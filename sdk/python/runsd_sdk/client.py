"""``RunsClient``: the whole API, blocking."""

import builtins
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self, Unpack

from runsd_sdk import address, calls, fields, flows, streams
from runsd_sdk.audit import AuditEntry
from runsd_sdk.calls import Stream
from runsd_sdk.fields import ProgramFields, SpecFields
from runsd_sdk.function import Functions
from runsd_sdk.handle import RunHandle
from runsd_sdk.host import Health, Info, Source, Usage
from runsd_sdk.key import Login
from runsd_sdk.keys import Keys
from runsd_sdk.link import Link
from runsd_sdk.projects import Projects
from runsd_sdk.python import SourceSpec
from runsd_sdk.run import (
    BatchState,
    Event,
    LogEntry,
    Metrics,
    Queue,
    Run,
    RunAttempts,
    RunList,
    RunProblems,
    RunResult,
    Why,
)
from runsd_sdk.secrets import Secrets
from runsd_sdk.tasks import Tasks
from runsd_sdk.volumes import Volumes
from runsd_sdk.webhooks import Webhooks


class RunsClient:
    """Speaks to a daemon: the local one, or ``host`` (``unix:///…``, ``http://…``) with a key.

    Over ``https://``, ``ca_file`` has the certificates to trust instead of the public authorities.

    When a daemon that has answered before falls silent, calls insist for ``patience_seconds``: runs live
    through its restart, and so do waits and followed logs. Threads may share a client.
    """

    def __init__(
        self,
        host: str | None = None,
        *,
        api_key: str | None = None,
        project: str | None = None,
        ca_file: str | None = None,
        patience_seconds: float = 60,
    ) -> None:
        from runsd_sdk.sync import SyncDriver  # loads the HTTP client: a third of the import's time

        self._link = Link(patience_s=patience_seconds)
        place = address.find(host, api_key=api_key, project=project, ca_file=ca_file)
        self._driver = SyncDriver(place, self._link)
        self.volumes = Volumes(self._driver)
        self.webhooks = Webhooks(self._driver)
        self.keys = Keys(self._driver)
        self.projects = Projects(self._driver)
        self.function = Functions(self, self._driver)
        self.secrets = Secrets(self._driver)
        self.tasks = Tasks(self, self._driver)

    def close(self) -> None:
        """Close all connections."""
        self._driver.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def create(self, *, idempotency_key: str | None = None, **spec: Unpack[SpecFields]) -> RunHandle:
        """Submit a run and return at once. A repeated key answers the run that it first made."""
        return RunHandle(self, self._driver.ask(calls.create(spec, idempotency_key=idempotency_key)))

    def create_python(
        self,
        source: str | os.PathLike[str] | SourceSpec | None = ".",
        *,
        idempotency_key: str | None = None,
        **program: Unpack[ProgramFields],
    ) -> RunHandle:
        """Submit a Python program and return at once: ``create_python(file="train.py", args=["3"])``.

        ``source`` is a directory, which is uploaded, or a SourceSpec; None for what the image has already.
        """
        spec = fields.of_program(program)
        if isinstance(source, SourceSpec):
            spec["source"] = source
        else:
            spec["source"] = None if source is None else SourceSpec(upload=self.upload(source).id)
        return self.create(idempotency_key=idempotency_key, **spec)

    def create_batch(
        self, specs: Sequence[SpecFields | Mapping[str, object]], *, idempotency_key: str | None = None
    ) -> builtins.list[RunHandle]:
        """Submit up to 1,000 runs together, or none of them."""
        batch = self._driver.ask(calls.create_batch(specs, idempotency_key=idempotency_key))
        return [RunHandle(self, run) for run in batch.data]

    def create_and_wait(
        self,
        *,
        check: bool = False,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        **spec: Unpack[SpecFields],
    ) -> RunResult:
        """Submit a run and return its result.

        With ``check``, a run that did not succeed raises RunFailed. ``timeout`` is the caller's patience in
        seconds: when it runs out, also while the daemon is silent, WaitTimeout, and the run goes on;
        DaemonUnreachable if the daemon has said nothing of the run until then.
        """
        call = calls.create(spec, idempotency_key=idempotency_key)
        return self._driver.run(flows.create_and_wait(call, timeout, check=check, link=self._link))

    def map(
        self,
        over: Sequence[SpecFields],
        *,
        check: bool = False,
        timeout: float | None = None,
        **spec: Unpack[SpecFields],
    ) -> Iterator[RunResult]:
        """Submit one run per override of ``spec`` when first asked; yield their results in that order.

        ``timeout`` is for all of them together; see create_and_wait for it and ``check``.
        """
        batches = calls.create_batches(fields.spread(spec, over))
        return self._driver.iterate(streams.map_runs(batches, timeout, check=check, link=self._link))

    def get(self, run_id: str) -> Run:
        """Return a run as it is now."""
        return self._driver.ask(calls.get(run_id))

    def batch(self, run_id: str) -> BatchState:
        """Return how far the runs are that were submitted together with one."""
        return self._driver.ask(calls.batch(run_id))

    def list(
        self,
        *,
        status: str | Sequence[str] | None = None,
        label: Mapping[str, str] | None = None,
        name: str | None = None,
        task: str | None = None,
        text: str | None = None,
        batch: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> RunList:
        """Return a page of runs, newest first."""
        return self._driver.ask(
            calls.list_runs(
                status=status,
                label=label,
                name=name,
                task=task,
                text=text,
                batch=batch,
                created_after=created_after,
                created_before=created_before,
                limit=limit,
                cursor=cursor,
            )
        )

    def iterate(
        self,
        *,
        status: str | Sequence[str] | None = None,
        label: Mapping[str, str] | None = None,
        name: str | None = None,
        task: str | None = None,
        text: str | None = None,
        batch: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Iterator[Run]:
        """Yield every run that matches, newest first, page by page."""
        return self._driver.iterate(
            streams.pages(
                status=status,
                label=label,
                name=name,
                task=task,
                text=text,
                batch=batch,
                created_after=created_after,
                created_before=created_before,
                link=self._link,
            )
        )

    def handle(self, run_id: str) -> RunHandle:
        """Return a handle for a run that exists."""
        return RunHandle(self, self.get(run_id))

    def wait(self, run_id: str, timeout: float | None = None, *, check: bool = False) -> RunResult:
        """Return a run's result once it is over; see create_and_wait for ``timeout`` and ``check``."""
        return self._driver.run(flows.wait(run_id, timeout, check=check, link=self._link))

    def result(self, run_id: str) -> RunResult:
        """Return the result of a run that is over; Conflict for one that is not."""
        return self._driver.ask(calls.result(run_id))

    def cancel(self, run_id: str) -> Run:
        """Ask for a run to be stopped. One that is over is returned as it is."""
        return self._driver.ask(calls.cancel(run_id))

    def rerun(
        self, run_id: str, *, idempotency_key: str | None = None, **overrides: Unpack[SpecFields]
    ) -> RunHandle:
        """Submit the same run again, with some fields changed; None removes a field."""
        call = calls.rerun(run_id, overrides, idempotency_key=idempotency_key)
        return RunHandle(self, self._driver.ask(call))

    def rerun_batch(
        self, run_ids: Sequence[str], *, idempotency_key: str | None = None
    ) -> builtins.list[RunHandle]:
        """Submit up to 1,000 runs again as they were, together or none of them."""
        batch = self._driver.ask(calls.rerun_batch(run_ids, idempotency_key=idempotency_key))
        return [RunHandle(self, run) for run in batch.data]

    def extend(self, run_id: str, timeout_seconds: int) -> Run:
        """Set the time limit of a live run, in seconds from its start."""
        return self._driver.ask(calls.extend(run_id, timeout_seconds))

    def relabel(self, run_id: str, labels: Mapping[str, str]) -> Run:
        """Replace a run's labels."""
        return self._driver.ask(calls.relabel(run_id, labels))

    def delete(self, run_id: str) -> None:
        """Forget a run that is over, with its logs. Its usage stays."""
        self._driver.ask(calls.delete(run_id))

    def logs(
        self,
        run_id: str,
        *,
        follow: bool = False,
        stream: Stream = "all",
        tail: int | None = None,
        since: str | None = None,
        attempt: int | None = None,
    ) -> Iterator[LogEntry]:
        """Yield output entry by entry, from after the cursor ``since`` or the last ``tail`` lines.

        With ``follow``, until the run is over, without loss or repetition whatever happens to the connection.
        """
        return self._driver.iterate(
            streams.logs(
                run_id,
                follow=follow,
                stream=stream,
                tail=tail,
                since=since,
                attempt=attempt,
                link=self._link,
            )
        )

    def raw_logs(
        self, run_id: str, stream: Stream = "stdout", *, attempt: int | None = None
    ) -> Iterator[bytes]:
        """Yield the exact bytes of a stream, as far as they are written."""
        return self._driver.iterate(streams.raw(calls.raw_logs(run_id, stream, attempt=attempt)))

    def events(
        self, run_id: str | None = None, *, follow: bool = False, since: int | None = None
    ) -> Iterator[Event]:
        """Yield events of one run or of all, from after the event ``since``, oldest first.

        With ``follow``, as they happen: those of one run until it is over, those of all for ever.
        """
        flow = streams.live_events if follow else streams.past_events
        return self._driver.iterate(flow(run_id, since=since, link=self._link))

    def metrics(self, run_id: str) -> Metrics:
        """Return a run's samples and totals."""
        return self._driver.ask(calls.metrics(run_id))

    def attempts(self, run_id: str) -> RunAttempts:
        """Return a run's attempts, the first one first."""
        return self._driver.ask(calls.attempts(run_id))

    def problems(self, run_id: str) -> RunProblems:
        """Return the exceptions that a run met, so far."""
        return self._driver.ask(calls.problems(run_id))

    def why(self, run_id: str) -> Why:
        """Return why a run is pending, or why it ended, in words and with the next step."""
        return self._driver.ask(calls.why(run_id))

    def upload(self, folder: str | os.PathLike[str] = ".", *, max_bytes: int = calls.MOST_PACKED) -> Source:
        """Send a directory's files, without what git ignores, as a source for runs.

        The same files are the same source, which is kept once. Raises InvalidFolder for what cannot be sent.
        """
        return self._driver.run(flows.upload(folder, max_bytes=max_bytes, link=self._link))

    def queue(self, *, limit: int | None = None) -> Queue:
        """Return what of the project holds the host, and what waits, in the order in which it is taken."""
        return self._driver.ask(calls.queue(limit=limit))

    def usage(self, month: str | None = None, *, group_by: str | None = None) -> Usage:
        """Return a month's usage (``"2026-11"``), grouped by ``day``, ``label:KEY``, ``task`` or ``run``."""
        return self._driver.ask(calls.usage(month, group_by=group_by))

    def usage_csv(self, month: str | None = None, *, group_by: str | None = None) -> str:
        """Return a month's usage as CSV."""
        return self._driver.ask(calls.usage_csv(month, group_by=group_by))

    def audit(
        self,
        *,
        who: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[AuditEntry]:
        """Yield who changed what in the project, or for admins of the host without one in all, newest first.

        ``who`` is a user or key by id or name; ``action`` may be the noun alone, as in ``run``.
        """
        return self._driver.iterate(
            streams.audit(who=who, action=action, since=since, until=until, link=self._link)
        )

    def login(self) -> Login:
        """Return a link with which a browser logs in as this client's caller, once and soon."""
        return self._driver.ask(calls.create_login())

    def health(self) -> Health:
        """Return whether the daemon and its Engine are well."""
        return self._driver.ask(calls.health())

    def info(self) -> Info:
        """Return what the daemon is, has, and has given out."""
        return self._driver.ask(calls.info())
