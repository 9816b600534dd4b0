"""A daemon with something of everything, as after a good day: what the screenshots show."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import images
from runsd_sdk import ProjectLimits, RunsClient

PROGRAM = Path(__file__).with_name("shown")
SETTINGS = {
    "RUNSD_TCP__LISTEN": "127.0.0.1:0",
    "RUNSD_CAPACITY__CPU": "4",
    "RUNSD_CAPACITY__MEMORY": "2Gi",
    "RUNSD_DEFAULTS__CPU": "250m",
    "RUNSD_DEFAULTS__MEMORY": "64Mi",
    "RUNSD_WEBHOOKS__ALLOW": "127.0.0.1",
    "RUNSD_BILLING__FREE_VCPU_SECONDS": "2",  # so that bills show what is free, and what is not
}
ENDED_S = 120
LONG = "rebuild-of-all-features-for-every-symbol-of-the-exchange-since-2009-with-a-name-that-is-too-long"


@contextmanager
def receiving() -> Iterator[str]:
    """Lend the address of a receiver of webhooks that takes the second message of each two."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    thread = threading.Thread(target=server.serve_forever, name="receiver")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks/runs"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Receiver(BaseHTTPRequestHandler):
    taken = 0

    def do_POST(self) -> None:
        """Take a message, or say that there is no time for it."""
        self.rfile.read(int(self.headers["Content-Length"]))
        _Receiver.taken += 1
        self.send_response(503 if _Receiver.taken % 2 else 204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on stderr."""


def fill(client: RunsClient, receiver: str) -> dict[str, str]:
    """Make what there is to see; return the ids of what has a page of its own, by what it shows.

    ``receiver`` is told of what becomes of runs.
    """
    volume = client.volumes.create("features", labels={"team": "research"})
    client.volumes.create("models")
    client.secrets.set("OPENAI_API_KEY", "sk-shown-nowhere")
    client.secrets.set("DATABASE_URL", "postgres://reader@db/prices")
    client.projects.create("staging")
    client.keys.create("ci", access="write", expires_in_seconds=90 * 86_400)
    client.keys.create("dashboard", access="read")
    client.projects.set_limits("default", ProjectLimits(runs=40, memory="2Gi", monthly_vcpu_seconds=3600))
    webhook = client.webhooks.create(receiver, events=["run.finished"], description="dashboard")
    client.webhooks.create("https://example.com/alarm", events=["run.finished:failed"], enabled=False)
    shown = _tasks(client) | _ended(client, volume.id) | _under_way(client)
    first = client.webhooks.deliveries(webhook.id, limit=200).data[-1]
    return {**shown, "volume": volume.id, "webhook": webhook.id, "delivery": first.id}


def _tasks(client: RunsClient) -> dict[str, str]:
    """Save tasks: by the clock, by a hook, paused; one has run by hand."""
    night = {"cron": "0 2 * * 1-5", "timezone": "Europe/Berlin"}
    ingest = _plain("echo '12,480 rows'; sleep 0.3", labels={"team": "data"})
    nightly = client.tasks.create("nightly-ingest", schedule=night, **ingest)
    client.tasks.create("on-push", webhook=True, **_plain("echo built"))
    client.tasks.create("cleanup", schedule={"cron": "30 4 * * 0"}, **_plain("true"))
    client.tasks.pause("cleanup")
    for _ in range(2):
        client.tasks.trigger("nightly-ingest").wait(ENDED_S)
    client.tasks.edit("nightly-ingest", timeout_seconds=900, retries={"limit": 2})
    return {"task": nightly.id}


def _ended(client: RunsClient, volume: str) -> dict[str, str]:
    """Carry out runs of every outcome."""
    mounts = [{"volumeId": volume, "mountPath": "/features"}]
    folds = [_plain("seq 1 200; exit $((FOLD == 4))", name=f"fold-{fold}", env={"FOLD": str(fold)},
                    labels={"sweep": "walk-forward", "fold": str(fold)}, volume_mounts=mounts)
             for fold in range(9)]  # fmt: skip
    handles = {
        "image": client.create(**_plain("echo hello; echo careful >&2", name="hello")),
        "exited": client.create(**_plain("echo 'cannot open prices.csv' >&2; exit 3", name="load-prices")),
        "memory": client.create(**_plain("tail /dev/zero", name="features-in-memory")),
        "deadline": client.create(**_plain("sleep 600", name="endless", timeout_seconds=1)),
        "no_image": client.create(**{**_plain("true", name="typo"), "image": "localhost:1/missing:1"}),
        "retried": client.create(**_plain("exit 7", name="flaky", retries={"limit": 1, "backoffSeconds": 0})),
        "long": client.create(**_plain("echo " + "wide " * 400, name=LONG, labels={LONG[:60]: LONG[:60]})),
        "secret": client.create(**_plain("echo \"$DATABASE_URL\"", secrets=[{"name": "DATABASE_URL"}])),
        "python": _python(client, "AAPL", name="train-aapl"),
        "problems": _python(client, "MSFT", name="train-msft", fail=True),
    }  # fmt: skip
    cancelled = client.create(**_plain("sleep 600", name="by-mistake"))
    sweep = client.create_batch(folds)
    for handle in sweep:
        handle.wait(ENDED_S)
    client.cancel(cancelled.id)
    for handle in [*handles.values(), cancelled]:
        handle.wait(ENDED_S)
    return {name: handle.id for name, handle in handles.items()} | {
        "cancelled": cancelled.id,
        "fold": sweep[0].id,
    }


def _under_way(client: RunsClient) -> dict[str, str]:
    """Leave a run that goes on, and two that wait."""
    script = (
        'i=0; while true; do i=$((i + 1)); printf "epoch %d  \\033[32mloss\\033[0m 0.%d\\n" $i $((900 / i)); '
    )
    script += 'echo "a slow batch" >&2; sleep 0.5; done'
    running = client.create(**_plain(script, name="live-feed", labels={"team": "data"}))
    next(iter(running.logs(follow=True)))
    whole = {"requests": {"cpu": "4", "memory": "1Gi"}}
    waiting = client.create(**_plain("true", name="whole-host", resources=whole))
    client.create(**_plain("true", name="after-it", resources=whole, priority=-5))
    return {"running": running.id, "waiting": waiting.id}


def _plain(script: str, **spec: Any) -> Any:
    """Return the fields of a small shell script."""
    return {"image": images.BUSYBOX, "command": ["sh", "-c", script], "network": "none", **spec}


def _python(client: RunsClient, symbol: str, *, name: str, fail: bool = False) -> Any:
    """Submit the program of a folder beside this."""
    return client.create_python(
        PROGRAM,
        function="pipeline.py:train",
        args=[symbol],
        kwargs={"fail": fail},
        version="3.11",
        name=name,
        labels={"team": "research", "symbol": symbol},
        resources={"requests": {"cpu": "500m", "memory": "128Mi"}},
    )
