"""A crash while a volume is made or removed: no volume that nobody knows, no name without its volume."""

from collections.abc import Iterator

import pytest
from docker import APIClient
from runsd_sdk import NotFound, RunsdError
from runsd_sdk.host import Volume

from runsd.faults import VARIABLE
from tests.daemon.harness import Daemon, eventually

MAKING = ["before:add_volume", "after:add_volume", "before:create_volume", "after:create_volume"]
MADE = ["after:keep_volume"]
REMOVING = [
    "after:discard_volume", "before:remove_volume", "after:remove_volume",
    "before:forget_volume", "after:forget_volume",
]  # fmt: skip


@pytest.fixture
def daemon(daemon: Daemon) -> Iterator[Daemon]:
    """The module's daemon, up again whatever a failed test did to it."""
    yield daemon
    daemon.ensure_up()


@pytest.mark.parametrize("point", [*MAKING, "before:keep_volume"])
def test_killed_while_a_volume_is_made_there_is_none_and_its_name_is_free(daemon: Daemon, point: str) -> None:
    crashing(daemon, point, "POST", "/v1/volumes", json={"name": "cache"})
    assert daemon.client.volumes.list() == []
    with daemon.volume("cache") as volume:  # at once: it clears what is left by itself
        assert on_the_engine(daemon) == {volume.docker_name}
    assert eventually(lambda: not on_the_engine(daemon))


@pytest.mark.parametrize("point", MADE)
def test_killed_when_a_volume_is_made_it_is_there(daemon: Daemon, point: str) -> None:
    crashing(daemon, point, "POST", "/v1/volumes", json={"name": "cache"})
    (volume,) = daemon.client.volumes.list()
    assert on_the_engine(daemon) == {volume.docker_name}
    daemon.client.volumes.delete("cache")


def test_killed_before_a_volume_is_removed_it_is_kept(daemon: Daemon) -> None:
    with daemon.volume("cache") as volume:
        crashing(daemon, "before:discard_volume", "DELETE", f"/v1/volumes/{volume.id}")
        assert daemon.client.volumes.list() == [volume]
        assert on_the_engine(daemon) == {volume.docker_name}


@pytest.mark.parametrize("point", REMOVING)
def test_killed_while_a_volume_is_removed_it_is_gone_for_good(daemon: Daemon, point: str) -> None:
    volume: Volume = daemon.client.volumes.create("cache")
    crashing(daemon, point, "DELETE", f"/v1/volumes/{volume.id}")
    with pytest.raises(NotFound):
        daemon.client.volumes.get("cache")
    assert eventually(lambda: not on_the_engine(daemon))
    with daemon.volume("cache"):
        pass


def test_a_volume_whose_removal_the_engine_refuses_is_kept(daemon: Daemon, docker_client: APIClient) -> None:
    volume = daemon.client.volumes.create("cache")
    foreign = docker_client.create_container(
        daemon.image,
        ["true"],
        host_config=docker_client.create_host_config(binds=[f"{volume.docker_name}:/v"]),
    )
    try:
        with pytest.raises(RunsdError, match="volume is in use"):
            daemon.client.volumes.delete("cache")
        assert daemon.client.volumes.list() == [volume]
    finally:
        docker_client.remove_container(foreign)
    daemon.client.volumes.delete("cache")


def crashing(daemon: Daemon, point: str, method: str, path: str, **request: object) -> None:
    """Ask a daemon that dies at a point, and start it again."""
    daemon.terminate()
    daemon.start(**{VARIABLE: point})
    daemon.asked_to_death(method, path, **request)
    daemon.start()


def on_the_engine(daemon: Daemon) -> set[str]:
    label = {"label": f"io.runsd.instance={daemon.instance}"}
    return {found["Name"] for found in daemon.eye.volumes(filters=label)["Volumes"] or ()}
