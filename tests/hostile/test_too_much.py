"""A run, or a caller, that takes all it can get: processes, memory, disk, output, requests."""

import json

import psutil

from tests.api.problem import refused
from tests.daemon.harness import Daemon
from tests.hostile.conftest import MOST_LOG_BYTES, MOST_PROCESSES

JSON = {"Content-Type": "application/json"}
# It never ends by itself: each of its processes starts two more for as long as the kernel lets it.
FORK_BOMB = "bomb() { bomb | bomb & }; bomb; sleep 600"
FLOOD = f"yes 0123456789abcdef | head -c {4 * MOST_LOG_BYTES}"


def test_a_fork_bomb_has_its_own_processes_and_no_more(daemon: Daemon) -> None:
    bomb = daemon.submit("sh", "-c", FORK_BOMB)
    daemon.until(bomb.id, "run.running")
    counted = (
        "i=0; while [ $i -lt 200 ]; do sleep 600 & i=$((i+1)); done 2>/dev/null; ls -d /proc/[0-9]* | wc -l"
    )
    many = daemon.run("sh", "-c", f"({counted}); ls -d /proc/[0-9]* | wc -l")
    assert all(int(line) <= MOST_PROCESSES for line in many.stdout.split())
    assert daemon.run("echo", "still here").stdout == "still here\n"
    daemon.client.cancel(bomb.id)
    assert bomb.wait(60).status in ("cancelled", "failed")  # it may have choked before


def test_ten_floods_of_output_at_once_leave_head_and_tail_of_each(daemon: Daemon) -> None:
    process = psutil.Process(daemon.pid)
    before = process.memory_info().rss
    floods = [daemon.submit("sh", "-c", f"echo begin; {FLOOD}; echo end") for _ in range(10)]
    assert daemon.run("echo", "heard").stdout == "heard\n"
    results = [flood.wait(300) for flood in floods]
    assert [result.status for result in results] == ["succeeded"] * 10
    for result in results:
        assert result.logs.truncated
        kept = daemon.raw(result.id)
        assert kept.startswith(b"begin\n")
        assert kept.endswith(b"end\n")
        assert len(kept) < 2 * MOST_LOG_BYTES
    assert process.memory_info().rss < before + 256 * 1024**2


def test_a_hundred_thousand_labels_are_refused_everywhere(daemon: Daemon) -> None:
    labels = {f"l{n}": "" for n in range(100_000)}
    good = daemon.spec("true")
    refused(daemon.http.post("/v1/runs", json={**good, "labels": labels}), 413)
    batch = {"runs": [{**good, "labels": labels}]}
    assert "at most 64" in refused(daemon.http.post("/v1/runs/batch", json=batch), 422).detail
    run = daemon.run("true")
    refused(daemon.http.patch(f"/v1/runs/{run.id}", json={"labels": labels}), 413)
    refused(daemon.http.post("/v1/volumes", json={"name": "v", "labels": labels}), 413)
    for count, status in ((500, 422), (1000, 400)):
        query = [("label", f"{n:03}=v") for n in range(count)]
        refused(daemon.http.get("/v1/runs", params=query), status)
    assert daemon.http.get("/v1/runs", params=query[:64]).json()["data"] == []


def test_what_is_long_or_deep_is_refused_or_run_as_it_is(daemon: Daemon) -> None:
    good = daemon.spec("true")
    for more, status in (
        ({"env": {"A": "x" * 200_000}}, (422,)),
        ({"command": ["x"] * 5000}, (422,)),
        ({"command": ["true", "x" * 200_000]}, (422,)),
        ({"volumeMounts": [{"volumeId": "v", "mountPath": f"/{n}"} for n in range(1000)]}, (422,)),
        ({"retries": {"limit": 1, "on": ["exited:1"] * 50_000}}, (422,)),
        ({"name": "n" * 500_000}, (422,)),
        ({"workdir": "/" + "d/" * 200_000}, (422,)),
    ):
        answer = daemon.http.post("/v1/runs", json={**good, **more})
        assert answer.status_code in status, (list(more), answer.status_code, answer.text[:300])
    for deep in ('{"env": ' * 100_000, "[" * 500_000, '{"labels":' * 1000 + "1" + "}" * 1000):
        assert daemon.http.post("/v1/runs", content=deep, headers=JSON).status_code in (400, 422)
    assert len(json.dumps(good)) < 1000
