"""Volumes: shared by runs at once, kept between runs, and not deleted under anybody."""

import pytest
from runsd_sdk import Conflict, NotFound
from runsd_sdk.run import Status

from tests.daemon.harness import Daemon, mount


def test_nine_runs_share_one_volume_and_a_tenth_reads_what_they_wrote(daemon: Daemon) -> None:
    with daemon.volume("features") as volume:
        shared = [mount(volume, "/cache")]
        folds = [
            daemon.spec("sh", "-c", f"echo fold {n} > /cache/{n}", volume_mounts=shared) for n in range(9)
        ]
        for handle in daemon.client.create_batch(folds):
            assert handle.wait(60).status is Status.SUCCEEDED
        total = daemon.run("sh", "-c", "cat /cache/?", volume_mounts=shared)
    assert total.stdout == "".join(f"fold {n}\n" for n in range(9))


def test_two_runs_see_each_others_writes_while_both_run(daemon: Daemon) -> None:
    script = "echo here > /v/$ME; until [ -e /v/$OTHER ]; do sleep 0.02; done"
    with daemon.volume("meeting") as volume:
        shared = [mount(volume, "/v")]
        pair = [
            daemon.submit("sh", "-c", script, env={"ME": me, "OTHER": other}, volume_mounts=shared)
            for me, other in (("a", "b"), ("b", "a"))
        ]
        assert [handle.wait(30).status for handle in pair] == [Status.SUCCEEDED] * 2


def test_a_read_only_mount_cannot_be_written(daemon: Daemon) -> None:
    with daemon.volume("fixed") as volume:
        daemon.run("sh", "-c", "echo kept > /v/file", volume_mounts=[mount(volume, "/v")])
        result = daemon.run(
            "sh", "-c", "cat /v/file; echo no > /v/file", volume_mounts=[mount(volume, "/v", read_only=True)]
        )
    assert result.status is Status.FAILED
    assert result.stdout == "kept\n"
    assert "Read-only file system" in result.stderr


def test_a_volume_keeps_its_files_between_runs_and_daemons(daemon: Daemon) -> None:
    with daemon.volume("lasting") as volume:
        daemon.run("sh", "-c", "echo old > /v/file", volume_mounts=[mount(volume, "/v")])
        daemon.restart()
        assert daemon.client.volumes.get("lasting") == volume
        result = daemon.run("cat", "/v/file", volume_mounts=[{"volumeId": "lasting", "mountPath": "/v"}])
        assert result.spec.volume_mounts[0].volume_id == volume.id
    assert result.stdout == "old\n"


def test_a_volume_is_not_deleted_while_a_live_run_uses_it(daemon: Daemon) -> None:
    volume = daemon.client.volumes.create("used")
    handle = daemon.submit("sleep", "60", volume_mounts=[mount(volume, "/v")], stop_grace_seconds=0)
    with pytest.raises(Conflict, match="runs that are not over use it") as refused:
        daemon.client.volumes.delete("used")
    assert (refused.value.status, refused.value.code) == (409, "volume_in_use")
    assert daemon.client.volumes.get("used").live_runs == 1
    handle.cancel()
    handle.wait(30)
    answer = daemon.http.delete(f"/v1/volumes/{volume.id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert not daemon.eye.volumes(filters={"name": volume.docker_name})["Volumes"]
    with pytest.raises(NotFound):
        daemon.client.volumes.get("used")


def test_a_volume_belongs_to_its_instance_on_the_engine(daemon: Daemon) -> None:
    with daemon.volume("marked") as volume:
        (found,) = daemon.eye.volumes(filters={"name": volume.docker_name})["Volumes"]
        assert found["Labels"]["io.runsd.instance"] == daemon.instance
        assert [each.name for each in daemon.client.volumes.list()] == ["marked"]


def test_a_name_is_given_once(daemon: Daemon) -> None:
    with daemon.volume("single"), pytest.raises(Conflict, match="in use"):
        daemon.client.volumes.create("single")


def test_a_run_with_an_unknown_volume_is_refused_by_its_name(daemon: Daemon) -> None:
    spec = daemon.spec("true", volume_mounts=[{"volumeId": "nowhere", "mountPath": "/v"}])
    answer = daemon.http.post(
        "/v1/runs",
        json={"image": spec["image"], "volumeMounts": spec["volume_mounts"]},
    )
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["loc"] == ["volumeMounts", 0, "volumeId"]
    assert "nowhere" in error["msg"]
