"""The daemon's own figures, in Prometheus' text format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from runsd_sdk.run import Reason, Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400)


class Metrics:
    """Counters that grow as things happen, and gauges that are set when they are read."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.submitted = self._counter("runsd_runs_submitted", "Runs accepted")
        self.finished = Counter(
            "runsd_runs_finished",
            "Runs that reached an outcome",
            ("status", "reason"),
            registry=self._registry,
        )
        self.retried = self._counter("runsd_attempts_retried", "Attempts that were followed by another")
        self.waited = self._histogram("runsd_queue_seconds", "Time from acceptance to the container's start")
        self.ran = self._histogram("runsd_run_seconds", "Time from the container's start to its end")
        self.log_bytes = self._counter("runsd_log_bytes", "Bytes of output captured")
        self.forgotten = Counter(
            "runsd_retention_forgotten",
            "What retention has removed: runs, or logs of runs that stay",
            ("kind",),
            registry=self._registry,
        )
        self.webhooks = Counter(
            "runsd_webhook_attempts",
            "Messages sent to webhooks: taken by the receiver (delivered), or not (failed)",
            ("outcome",),
            registry=self._registry,
        )
        self.disk_free = Gauge(
            "runsd_disk_free_bytes",
            "Free space where runsd (data) and the Docker Engine (engine) write",
            ("place",),
            registry=self._registry,
        )
        self.disk_pressure = self._gauge(
            "runsd_disk_pressure", "1 while too little disk is free for new runs"
        )
        self.kept_log_bytes = self._gauge("runsd_kept_log_bytes", "Size of all output that is kept")
        self.engine_up = self._gauge("runsd_engine_up", "1 while the Docker Engine answers")
        self.engine_stuck = self._gauge("runsd_engine_stuck", "1 while it answers but leaves calls waiting")
        self.sandboxes = Gauge(
            "runsd_sandboxes",
            "Network namespaces made ahead: waiting for a run (idle), or in use by one (lent)",
            ("state",),
            registry=self._registry,
        )
        self.admitting = self._gauge("runsd_admitting", "1 while queued runs are started")
        self.queued = self._gauge("runsd_runs_queued", "Runs waiting in the queue")
        self.live = self._gauge("runsd_runs_live", "Runs admitted and not over")
        self.starts = self._gauge("runsd_starts", "Containers being made and started")
        self.starts_limit = self._gauge("runsd_starts_limit", "How many at once: learned, up to a bound")
        self.starts_waiting = self._gauge(
            "runsd_starts_waiting", "Live runs that wait for their turn to start"
        )
        self.cpu_capacity = self._gauge("runsd_cpu_capacity_cores", "Cores for runs")
        self.cpu_in_use = self._gauge("runsd_cpu_in_use_cores", "Cores that live runs hold")
        self.memory_capacity = self._gauge("runsd_memory_capacity_bytes", "Memory for runs")
        self.memory_in_use = self._gauge("runsd_memory_in_use_bytes", "Memory that live runs hold")

    def count_outcome(self, status: Status, reason: Reason) -> None:
        """Note that a run has reached its outcome."""
        self.finished.labels(status.value, reason.value).inc()

    def text(self) -> bytes:
        """Return everything as text."""
        return generate_latest(self._registry)

    def _counter(self, name: str, help: str) -> Counter:
        return Counter(name, help, registry=self._registry)

    def _gauge(self, name: str, help: str) -> Gauge:
        return Gauge(name, help, registry=self._registry)

    def _histogram(self, name: str, help: str) -> Histogram:
        return Histogram(name, help, registry=self._registry, buckets=_SECONDS)
