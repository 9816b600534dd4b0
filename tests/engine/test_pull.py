"""Pulls from a real registry, open and behind a password."""

import base64
import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import ImageNotFound

from runsd.engine import registry as credentials
from runsd.engine.docker import DockerEngine
from runsd.engine.port import PullProgress
from runsd.errors import EngineNotFound, EngineRefused
from tests.engine.registry import PASSWORD, USER, Registry

SIZE = 4 * 1024**2


@pytest.fixture
def pushed(
    registry: Registry, docker_client: docker.APIClient, busybox_image: str, label: str
) -> Iterator[str]:
    """An image with 4 MiB of its own, in the registry as ``:latest`` and ``:other`` only."""
    references = [
        registry.push(docker_client, f"{label}:{tag}", base=busybox_image, content=os.urandom(SIZE))
        for tag in ("other", "latest")
    ]
    yield references[1].removesuffix(":latest")
    _forget(docker_client, references)


@pytest.fixture
def locked(
    locked_registry: Registry, docker_client: docker.APIClient, busybox_image: str, label: str
) -> Iterator[str]:
    """An image in the registry behind a password."""
    reference = locked_registry.push(docker_client, f"{label}:1", base=busybox_image, content=b"secret")
    yield reference
    _forget(docker_client, [reference])


async def test_a_pull_tells_its_progress_and_brings_the_image(
    engine: DockerEngine, pushed: str, docker_config: Path
) -> None:
    assert await engine.image(pushed) is None
    seen = await _pulled(engine, pushed)
    assert seen[-1].done_bytes == seen[-1].total_bytes >= SIZE
    assert [step.done_bytes for step in seen] == sorted(step.done_bytes for step in seen)
    facts = await engine.image(pushed)
    assert facts is not None
    assert facts.id.startswith("sha256:")
    assert facts.digest is not None
    assert facts.digest.startswith(f"{pushed}@sha256:")


async def test_a_pull_without_a_tag_brings_latest_only(
    engine: DockerEngine, pushed: str, docker_config: Path
) -> None:
    await _pulled(engine, pushed)
    assert await engine.image(f"{pushed}:latest") is not None
    assert await engine.image(f"{pushed}:other") is None


async def test_a_pull_by_digest_brings_exactly_that_image(
    engine: DockerEngine, docker_client: docker.APIClient, pushed: str, docker_config: Path
) -> None:
    await _pulled(engine, f"{pushed}:other")
    other = await engine.image(f"{pushed}:other")
    assert other is not None
    assert other.digest is not None
    docker_client.remove_image(f"{pushed}:other", force=True)
    await _pulled(engine, other.digest)
    assert await engine.image(other.digest) == other
    docker_client.remove_image(other.digest, force=True)


async def test_a_pull_again_is_up_to_date(engine: DockerEngine, pushed: str, docker_config: Path) -> None:
    await _pulled(engine, pushed)
    assert "up to date" in (await _pulled(engine, pushed))[-1].status


async def test_leaving_a_pull_early_is_quiet(engine: DockerEngine, pushed: str, docker_config: Path) -> None:
    async with contextlib.aclosing(engine.pull(pushed)) as steps:
        assert (await anext(steps)).status
    await _pulled(engine, pushed)


@pytest.mark.parametrize("name", ["no-such-image", "no-such-image:1", "deep/no/such/image:1"])
async def test_an_image_that_the_registry_does_not_have_is_not_found(
    engine: DockerEngine, registry: Registry, docker_config: Path, name: str
) -> None:
    with pytest.raises(EngineNotFound, match=r"not found|manifest unknown|does not exist"):
        await _pulled(engine, f"{registry.address}/{name}")


async def test_a_tag_that_the_registry_does_not_have_is_not_found(
    engine: DockerEngine, pushed: str, docker_config: Path
) -> None:
    with pytest.raises(EngineNotFound):
        await _pulled(engine, f"{pushed}:absent")


@pytest.mark.parametrize("reference", ["127.0.0.1:1/some/image", "127.0.0.1:1/some/image:not-found"])
async def test_a_registry_that_cannot_be_reached_says_nothing_of_the_image(
    engine: DockerEngine, docker_config: Path, reference: str
) -> None:
    with pytest.raises(EngineRefused, match="refused"):
        await _pulled(engine, reference)


async def test_a_locked_registry_refuses_without_credentials(
    engine: DockerEngine, locked: str, docker_config: Path
) -> None:
    with pytest.raises(EngineRefused, match="no basic auth credentials"):
        await _pulled(engine, locked)


async def test_a_locked_registry_opens_with_the_docker_configuration(
    engine: DockerEngine, locked_registry: Registry, locked: str, docker_config: Path
) -> None:
    locked_registry.write_config(docker_config)
    await _pulled(engine, locked)
    assert await engine.image(locked) is not None


async def test_a_credential_helper_is_asked(
    engine: DockerEngine,
    locked_registry: Registry,
    locked: str,
    docker_config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = json.dumps({"ServerURL": locked_registry.address, "Username": USER, "Secret": PASSWORD})
    _helper(docker_config, f"cat >/dev/null; echo '{answer}'", monkeypatch)
    (docker_config / "config.json").write_text(
        json.dumps({"credHelpers": {locked_registry.address: "runsd-test"}})
    )
    await _pulled(engine, locked)
    assert await engine.image(locked) is not None


async def test_a_credential_helper_that_fails_is_named(
    docker_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _helper(docker_config, "echo broken keyring >&2; exit 1", monkeypatch)
    (docker_config / "config.json").write_text(json.dumps({"credsStore": "runsd-test"}))
    with pytest.raises(
        EngineRefused, match=r"cannot read the credentials for example\.com/a:1.*config\.json"
    ):
        await credentials.authorization("example.com/a:1")


async def test_a_configuration_without_that_registry_sends_no_credentials(docker_config: Path) -> None:
    assert await credentials.authorization("example.com/a:1") is None
    token = base64.b64encode(b"me:mine").decode()
    (docker_config / "config.json").write_text(json.dumps({"auths": {"example.com": {"auth": token}}}))
    assert await credentials.authorization("other.example.com/a:1") is None
    header = await credentials.authorization("example.com/a:1")
    assert header is not None
    assert json.loads(base64.urlsafe_b64decode(header))["username"] == "me"


async def _pulled(engine: DockerEngine, reference: str) -> list[PullProgress]:
    return [step async for step in engine.pull(reference)]


def _forget(client: docker.APIClient, references: list[str]) -> None:
    for reference in references:
        with contextlib.suppress(ImageNotFound):
            client.remove_image(reference, force=True)


def _helper(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = directory / "docker-credential-runsd-test"
    helper.write_text(f"#!/bin/sh\n{script}\n")
    helper.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
