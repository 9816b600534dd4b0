"""Files of a container: whatever a program leaves in the place of one, only an ordinary file is taken."""

import io
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import pytest

from runsd.engine import layer
from runsd.engine.docker import DockerEngine

PLACE = "/run/place"
LEFT = {
    "a file": ("echo -n kept > file", b"kept"),
    "an empty file": ("true > file", b""),
    "more than is taken": ("head -c 100000 /dev/zero > file", None),
    "nothing": ("true", None),
    "a folder": ("mkdir file", None),
    "a link to a file": ("ln -s /etc/passwd file", None),
    "a link to nothing": ("ln -s /nowhere file", None),
    "a pipe that nobody writes": ("mkfifo file", None),
    "a hole of a terabyte": ("dd of=file bs=1024 seek=1000000000 count=0", None),
    "a link in the folder's place": ("cd / && rmdir /run/place && ln -s /etc /run/place", None),
    "a link to itself": ("ln -s file file", None),
    "a file in the folder's place": ("cd / && rmdir /run/place && true > /run/place", None),
}


@pytest.mark.parametrize("here", [True, False], ids=["here", "by the Engine"])
@pytest.mark.parametrize("left", LEFT)
async def test_only_an_ordinary_file_is_taken(
    docker_client: docker.APIClient, busybox_image: str, engine: DockerEngine, left: str,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, here: bool,
) -> None:  # fmt: skip
    if not here:
        monkeypatch.setattr(layer, "upper", lambda _: None)
    script, expected = LEFT[left]
    made = docker_client.create_container(
        busybox_image, ["sh", "-c", f"mkdir -p {PLACE} && cd {PLACE} && {script}"],
        host_config=docker_client.create_host_config(network_mode="none"),
    )  # fmt: skip
    try:
        docker_client.start(made)
        assert docker_client.wait(made, timeout=60)["StatusCode"] == 0
        assert await engine.take_file(made["Id"], f"{PLACE}/file", most_bytes=64) == expected
        copied = await engine.copy_file(made["Id"], f"{PLACE}/file", tmp_path / "copy", most_bytes=64)
        assert copied == (tmp_path / "copy").exists() == (expected is not None)
    finally:
        docker_client.remove_container(made, force=True)


@pytest.mark.parametrize("here", [True, False], ids=["here", "by the Engine"])
async def test_a_large_file_is_taken_whole(
    docker_client: docker.APIClient, busybox_image: str, engine: DockerEngine, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, *, here: bool,
) -> None:  # fmt: skip
    if not here:
        monkeypatch.setattr(layer, "upper", lambda _: None)
    made = docker_client.create_container(
        busybox_image, ["sh", "-c", "yes 0123456 | head -c 3000000 > /large"],
        host_config=docker_client.create_host_config(network_mode="none"),
    )  # fmt: skip
    try:
        docker_client.start(made)
        docker_client.wait(made, timeout=60)
        content, goal = b"0123456\n" * 375_000, tmp_path / "a"
        assert not await engine.copy_file(made["Id"], "/large", goal, most_bytes=2_999_999)
        assert await engine.copy_file(made["Id"], "/large", goal, most_bytes=3_000_000)
        assert goal.read_bytes() == content
        assert await engine.take_file(made["Id"], "/large", most_bytes=2_999_999) is None
        assert await engine.take_file(made["Id"], "/large", most_bytes=3_000_000) == content
    finally:
        docker_client.remove_container(made, force=True)


async def test_a_container_that_is_gone_has_no_file(engine: DockerEngine, tmp_path: Path) -> None:
    assert not await engine.copy_file("no-such-container", "/a", tmp_path / "a", most_bytes=64)
    assert await engine.take_file("no-such-container", f"{PLACE}/file", most_bytes=64) is None


async def test_an_image_has_what_was_put_into_its_container(
    docker_client: docker.APIClient, busybox_image: str, engine: DockerEngine
) -> None:
    made = docker_client.create_container(busybox_image, ["cat", "/added/file"])
    image = ""
    try:
        await engine.put_files(made["Id"], "/", _archive("added/file", b"content"))
        image = await engine.commit(made["Id"], name="runsd-test-commit:1", labels={"a": "b"})
        facts = await engine.image("runsd-test-commit:1")
        assert facts is not None
        assert facts.id == image
        assert docker_client.inspect_image(image)["Config"]["Labels"]["a"] == "b"
        assert await engine.take_file(made["Id"], "/added/file", most_bytes=64) == b"content"
    finally:
        docker_client.remove_container(made, force=True)
        if image:
            docker_client.remove_image(image, force=True)


def test_what_is_no_layer_of_an_overlay_is_not_looked_at(tmp_path: Path) -> None:
    assert layer.upper({"GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": "/a"}}}) == "/a"
    assert layer.upper({"GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": "a"}}}) is None
    assert layer.upper({"GraphDriver": {"Name": "vfs", "Data": None}}) is None
    assert layer.upper({}) is None
    assert not list(layer.pieces(str(tmp_path / "none"), "/a/b", most_bytes=1))


def test_a_link_anywhere_below_a_layer_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the host")
    folder = tmp_path / "layer"
    (folder / "run").mkdir(parents=True)
    (folder / "run" / "place").symlink_to(tmp_path)
    assert not list(layer.pieces(str(folder), "/run/place/secret", most_bytes=64))
    (folder / "run" / "file").symlink_to(tmp_path / "secret")
    assert not list(layer.pieces(str(folder), "/run/file", most_bytes=64))
    os.link(tmp_path / "secret", folder / "run" / "hard")  # which a container cannot make
    assert list(layer.pieces(str(folder), "/run/hard", most_bytes=64)) == [b"of the host"]


async def _archive(name: str, content: bytes) -> AsyncIterator[bytes]:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    yield made.getvalue()
