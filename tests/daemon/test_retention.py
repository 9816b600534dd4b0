"""A log that retention has deleted says so to everyone who reads it; the bill and the run stay."""

from tests.conftest import Serve
from tests.daemon.harness import eventually

ALMOST_AT_ONCE = "0.000001"  # days


def test_a_deleted_log_says_so(serve: Serve) -> None:
    with serve() as daemon:
        ended = daemon.run("echo", "hello")
        assert (ended.stdout, ended.logs.deleted_at) == ("hello\n", None)
        assert daemon.terminate() == 0
        daemon.start(RUNSD_RETENTION__LOGS_DAYS=ALMOST_AT_ONCE)
        assert eventually(lambda: daemon.client.get(ended.id).logs.deleted_at is not None, within_s=30)
        assert eventually(lambda: b"hello" not in daemon.raw(ended.id), within_s=30)
        text = daemon.raw(ended.id).decode()
        assert text.startswith("[runsd: the output of this run was deleted on ")
        entries = list(daemon.client.logs(ended.id))
        assert [(entry.stream, entry.text) for entry in entries] == [("system", text)]
        result = daemon.client.result(ended.id)
        assert (result.stdout, result.stdout_truncated, result.logs.truncated) == ("", True, True)
        assert (result.logs.stdout_bytes, result.exit_code) == (6, 0)
        assert daemon.client.usage().runs == 1


def test_a_forgotten_run_is_gone_and_its_usage_is_not(serve: Serve) -> None:
    with serve() as daemon:
        ended = daemon.run("true")
        before = daemon.client.usage()
        assert daemon.terminate() == 0
        daemon.start(RUNSD_RETENTION__RUNS_DAYS=ALMOST_AT_ONCE)
        gone = f"/v1/runs/{ended.id}"
        assert eventually(lambda: daemon.http.get(gone).status_code == 404, within_s=30)
        assert daemon.client.usage() == before
