"""An upgrade: runs go on while the daemon is replaced, and an older database becomes one of today."""

import time
from concurrent.futures import Future, ThreadPoolExecutor

from runsd_sdk import RunHandle, RunResult
from runsd_sdk.run import Phase, Reason, Status

from runsd.migrations import schema_of
from runsd.store.database import MIGRATIONS
from tests.conftest import Serve
from tests.daemon.harness import GATE, READY_S, closing_stream, container_name, first_line, mount
from tests.store.old import taken_back

RUNS = 50
ENDED_S = 300
SMALL = {"requests": {"cpu": "50m", "memory": "16Mi"}}
# Prints numbered lines until it is told to end, then says how many there were.
COUNTS = """
i=0
until [ -e /gate/open ]; do i=$((i+1)); echo line $i; sleep 1; done
echo $i lines; exit $((ME % 7))
"""


def test_fifty_running_runs_live_through_two_restarts(serve: Serve) -> None:
    """Nothing is lost or repeated, nobody has to ask twice, and no container is started a second time."""
    since = time.time()
    settings = {"RUNSD_CAPACITY__CPU": "4", "RUNSD_CAPACITY__MEMORY": "1Gi"}
    with serve(**settings) as daemon, daemon.volume("gate") as gate, ThreadPoolExecutor(4) as clients:
        specs = [
            daemon.spec(
                "sh", "-c", COUNTS, env={"ME": str(n)}, resources=SMALL, timeout_seconds=600,
                volume_mounts=[mount(gate, "/gate")],
            )
            for n in range(RUNS)
        ]  # fmt: skip
        handles = daemon.client.create_batch(specs)
        waiting = clients.submit(handles[0].wait, ENDED_S)
        following: Future[str] = clients.submit(followed, handles[1])
        for handle in handles:
            first_line(handle)
        for _ in range(2):
            daemon.restart()
        assert daemon.client.info().live == RUNS
        daemon.run("touch", "/gate/open", resources=SMALL, volume_mounts=[mount(gate, "/gate")])
        results = [handle.wait(ENDED_S) for handle in handles]
        assert waiting.result(ENDED_S).id == results[0].id
        assert following.result(ENDED_S) == results[1].stdout
        for n, result in enumerate(results):
            is_whole(result, n)
        assert sum(result.usage.vcpu_seconds for result in results) > 0
        for handle in handles[-5:]:  # the Engine remembers its last 256 events
            actions = [event["Action"] for event in daemon.engine_events(handle.id, since=since)]
            assert actions.count("start") <= 1


def test_a_daemon_goes_on_with_the_runs_of_an_older_one(serve: Serve) -> None:
    with serve(RUNSD_CAPACITY__CPU="1", RUNSD_CAPACITY__OVERCOMMIT="1") as daemon:
        ended = daemon.run("sh", "-c", "echo out; exit 3")
        live = daemon.submit("sh", "-c", f"echo before; {GATE} echo after", resources=half())
        first_line(live)
        ends_meanwhile = daemon.submit("sh", "-c", f"echo before; {GATE} echo after", resources=half())
        first_line(ends_meanwhile)
        queued = daemon.submit("echo", "at last")
        daemon.kill9()
        data = daemon.directory / "data"
        taken_back(data / "runsd.db", MIGRATIONS, 1)
        daemon.open_gate(ends_meanwhile.id)
        daemon.eye.wait(container_name(ends_meanwhile.id), timeout=READY_S)
        daemon.start()
        assert (schema_of(data / "runsd.db"), schema_of(data / "runsd.db.schema-1")) == (len(MIGRATIONS), 1)
        assert "database.migrated" in {line["event"] for line in daemon.logged()}
        assert daemon.client.result(ended.id) == ended
        daemon.open_gate(live.id)
        for handle in (live, ends_meanwhile):
            result = handle.wait(ENDED_S)
            assert (result.status, result.stdout) == (Status.SUCCEEDED, "before\nafter\n")
            assert result.usage.vcpu_seconds > 0
        assert queued.wait(ENDED_S).stdout == "at last\n"


def followed(handle: RunHandle) -> str:
    """Follow a run's output to its end."""
    with closing_stream(handle.logs(follow=True)) as entries:
        return "".join(entry.text for entry in entries)


def is_whole(result: RunResult, n: int) -> None:
    assert (result.phase, result.reason, result.exit_code) == (Phase.FINISHED, Reason.EXITED, n % 7)
    *lines, last = result.stdout.splitlines()
    assert lines == [f"line {i}" for i in range(1, len(lines) + 1)]
    assert last == f"{len(lines)} lines"
    assert result.attempt == 1


def half() -> dict[str, dict[str, str]]:
    return {"requests": {"cpu": "500m", "memory": "32Mi"}}
