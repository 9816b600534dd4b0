"""Every way in which a container's own end becomes a run's result, beside the Engine's record of it."""

from runsd_sdk import RunResult
from runsd_sdk.run import Phase, Reason, Status

from tests.daemon.harness import Daemon, Witnessed, container_name, engine_instant, first_line

OUT_OF_MEMORY = "tail /dev/zero"


def test_exit_0_succeeds(daemon: Daemon) -> None:
    seen = daemon.witnessed("echo out; echo err >&2")
    agrees(seen)
    result = seen.result
    assert (result.status, result.reason, result.exit_code) == (Status.SUCCEEDED, Reason.EXITED, 0)
    assert (result.stdout, result.stderr) == ("out\n", "err\n")
    assert (result.logs.stdout_bytes, result.logs.stderr_bytes, result.logs.truncated) == (4, 4, False)
    assert result.message == "exited with code 0"


def test_exit_3_fails_with_its_code(daemon: Daemon) -> None:
    seen = daemon.witnessed("exit 3")
    agrees(seen)
    assert (seen.result.status, seen.result.reason) == (Status.FAILED, Reason.EXITED)
    assert seen.result.exit_code == 3


def test_the_main_process_out_of_memory_is_oom_killed(daemon: Daemon) -> None:
    seen = daemon.witnessed(f"exec {OUT_OF_MEMORY}")
    agrees(seen)
    assert seen.state["OOMKilled"]
    assert (seen.result.status, seen.result.reason) == (Status.FAILED, Reason.OOM_KILLED)
    assert (seen.result.exit_code, seen.result.oom_killed) == (137, True)
    assert "memory" in str(seen.result.message)


def test_a_child_out_of_memory_is_told_although_the_parent_succeeds(daemon: Daemon) -> None:
    seen = daemon.witnessed(f"{OUT_OF_MEMORY}; echo survived")
    agrees(seen)
    assert seen.state["OOMKilled"]
    assert (seen.result.status, seen.result.reason) == (Status.SUCCEEDED, Reason.EXITED)
    assert seen.result.oom_killed
    assert "survived\n" in seen.result.stdout
    assert "child" in str(seen.result.message)


def test_137_by_its_own_kill_is_not_taken_for_memory(daemon: Daemon) -> None:
    seen = daemon.witnessed("kill -9 $$")
    agrees(seen)
    assert not seen.state["OOMKilled"]
    assert (seen.result.status, seen.result.reason) == (Status.FAILED, Reason.EXITED)
    assert (seen.result.exit_code, seen.result.oom_killed) == (137, False)


def test_a_run_seen_to_its_end_has_the_same_result_as_one_found_ended(daemon: Daemon) -> None:
    result = daemon.run("sh", "-c", "echo out; exit 7")
    assert (result.status, result.reason, result.exit_code) == (Status.FAILED, Reason.EXITED, 7)
    assert result.stdout == "out\n"
    assert_bill_is_whole(result)


def test_a_command_that_does_not_exist_is_not_found(daemon: Daemon) -> None:
    result = daemon.run("/no/such/command")
    assert (result.status, result.reason) == (Status.FAILED, Reason.COMMAND_NOT_FOUND)
    assert result.exit_code == 127
    assert "/no/such/command" in str(result.message)


def test_a_command_that_is_no_program_is_not_found(daemon: Daemon) -> None:
    result = daemon.run("/etc")
    assert (result.status, result.reason) == (Status.FAILED, Reason.COMMAND_NOT_FOUND)
    assert result.exit_code == 126


def test_127_of_a_shell_is_its_own_exit(daemon: Daemon) -> None:
    result = daemon.run("sh", "-c", "no-such-command")
    assert (result.status, result.reason) == (Status.FAILED, Reason.EXITED)
    assert result.exit_code == 127


def test_a_user_that_does_not_exist_fails_the_start(daemon: Daemon) -> None:
    result = daemon.run("true", user="nobody-of-that-name")
    assert (result.status, result.reason) == (Status.FAILED, Reason.START_FAILED)
    assert "nobody-of-that-name" in str(result.message)
    assert never_ran(result)


def test_a_volume_removed_behind_runsds_back_fails_as_missing(daemon: Daemon) -> None:
    volume = daemon.client.volumes.create("vanishing")
    daemon.eye.remove_volume(volume.docker_name)
    result = daemon.run("true", volume_mounts=[{"volumeId": "vanishing", "mountPath": "/data"}])
    assert (result.status, result.reason) == (Status.FAILED, Reason.VOLUME_MISSING)
    assert volume.id in str(result.message)
    assert never_ran(result)
    assert not daemon.eye.volumes(filters={"name": volume.docker_name})["Volumes"]
    daemon.client.volumes.delete(volume.id)


def test_a_container_removed_behind_runsds_back_is_lost(daemon: Daemon) -> None:
    handle = daemon.submit("sh", "-c", "echo here; sleep 60")
    assert first_line(handle) == "here\n"
    with daemon.paused():
        daemon.eye.remove_container(container_name(handle.id), force=True)
    result = handle.wait(30)
    assert (result.status, result.reason, result.exit_code) == (Status.FAILED, Reason.LOST, None)
    assert result.stdout == "here\n"
    assert result.usage.vcpu_seconds == 0


def agrees(seen: Witnessed) -> None:
    """The result says of the container what the Engine's record says, to the microsecond."""
    result, state = seen.result, seen.state
    assert result.exit_code == state["ExitCode"]
    assert result.oom_killed == state["OOMKilled"]
    assert result.started_at == engine_instant(state["StartedAt"])
    assert result.finished_at == engine_instant(state["FinishedAt"])
    assert result.phase is Phase.FINISHED
    assert_bill_is_whole(result)


def assert_bill_is_whole(result: RunResult) -> None:
    assert result.started_at is not None
    assert result.finished_at is not None
    # The Engine itself may say of an instant exit that it finished before it started (moby#45445).
    ran_s = max(0.0, (result.finished_at - result.started_at).total_seconds())
    assert result.usage.duration_seconds == ran_s


def never_ran(result: RunResult) -> bool:
    return result.started_at is None and result.usage.vcpu_seconds == 0 and result.exit_code is None
