"""What there is only as source is built in a container: cut off, shared, kept, explained where it fails."""

import asyncio
import os
import shutil
from pathlib import Path

import docker
import pytest

from runsd.engine.port import ImageFacts
from runsd.environments import lock
from runsd.environments.naming import WORKSHOP
from runsd.environments.requirements import stated
from runsd.errors import DependenciesFailed
from tests.environments.conftest import Make, halfway, run
from tests.environments.sdists import sdist

pytestmark = pytest.mark.needs("python-images")
FOREVER = "print('it has begun', flush=True)\nimport time\ntime.sleep(3600)"


def quiet(line: str) -> None:
    """Hear nothing."""


async def test_it_is_built_apart_from_host_and_network_and_has_what_its_wheel_says_that_it_needs(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, links: Path, instance: str, tmp_path: Path
) -> None:
    trace = tmp_path / "ran"
    machine = docker_client.version()["Arch"].replace("amd64", "x86_64").replace("arm64", "aarch64")
    source = sdist(
        links, "own", needs=["first<2"], tag=f"cp311-cp311-linux_{machine}",
        act=f"""\
print("a word of its build", flush=True)
os.makedirs({str(tmp_path)!r})
open({str(trace)!r}, "w").close()
import socket
try:
    socket.create_connection(("172.17.0.1", 22), 5)
except OSError as failure:
    return sorted(os.listdir("/sys/class/net")), type(failure).__name__
return "connected"
""",
    )  # fmt: skip
    said: list[str] = []
    ready = await make().ready(base, stated(["own"]), on_progress=said.append)
    shown = "import first, own; print(first.version, own.version, own.facts)"
    printed = run(docker_client, ready.image_id, "python", "-c", shown)
    assert printed == "1.0 1.0 (['lo'], 'OSError')\n"
    assert not trace.exists()
    assert "own 1.0: a word of its build" in said
    assert [package.name for package in lock.read(ready.lock)] == ["first", "own"]
    assert f'sdist = {{ url = "{source.as_uri()}", hashes' in ready.lock
    assert str(tmp_path / "data") not in ready.lock
    assert halfway(docker_client, instance) == set()
    assert list((tmp_path / "data" / "work").glob("*/*")) == []


async def test_what_it_needs_to_be_built_is_built_too(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, links: Path
) -> None:
    sdist(links, "tool")
    act = "import first, tool\nreturn first.version, tool.version"
    sdist(links, "made", requires=["first<2"], asks=["tool"], act=act)
    ready = await make().ready(base, stated(["made"]), on_progress=quiet)
    assert [package.name for package in lock.read(ready.lock)] == ["made"]
    shown = "import made; print(made.facts)"
    assert run(docker_client, ready.image_id, "python", "-c", shown) == "('1.0', '1.0')\n"


async def test_what_needs_itself_to_be_built_is_refused(make: Make, base: ImageFacts, links: Path) -> None:
    sdist(links, "hen", requires=["egg"])
    sdist(links, "egg", requires=["hen"])
    with pytest.raises(DependenciesFailed, match=r"cannot build hen 1.0: .* egg 1.0, which needs hen 1.0$"):
        await make().ready(base, stated(["hen"]), on_progress=quiet)


async def test_a_build_that_fails_says_its_last_words_and_what_to_do(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, links: Path, instance: str
) -> None:
    sdist(links, "broken", act="import sys\nsys.exit('cc: command not found')")
    with pytest.raises(DependenciesFailed, match="cc: command not found") as failed:
        await make().ready(base, stated(["broken"]), on_progress=quiet)
    assert str(failed.value).startswith("cannot build broken 1.0, which has no wheel for Python 3.11.")
    assert "belongs into an image of your own" in str(failed.value)
    assert halfway(docker_client, instance) == set()


async def test_a_build_that_takes_too_long_or_too_much_is_ended(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, links: Path, instance: str
) -> None:
    sdist(links, "slow", act=FOREVER)
    with pytest.raises(
        DependenciesFailed, match=r"cannot build slow 1.0,.*: its build takes longer than 2 s"
    ):
        await make(build_timeout_seconds=2).ready(base, stated(["slow"]), on_progress=quiet)
    sdist(links, "large", act="return len(bytearray(1024**3)) * 0")
    with pytest.raises(DependenciesFailed, match=r"large 1.0,.*: its build needs more memory than 64.0 MiB"):
        await make(build_memory="64Mi").ready(base, stated(["large"]), on_progress=quiet)
    assert halfway(docker_client, instance) == set()


async def test_a_wheel_of_another_package_is_refused(make: Make, base: ImageFacts, links: Path) -> None:
    sdist(links, "liar", "1.0").rename(links / "honest-1.0.tar.gz")
    with pytest.raises(DependenciesFailed, match=r"it is no wheel of honest 1.0"):
        await make().ready(base, stated(["honest"]), on_progress=quiet)


async def test_who_ask_at_once_share_a_build_and_the_last_who_leaves_ends_it(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, links: Path, instance: str
) -> None:
    sdist(links, "slow", act=FOREVER)
    environments, begun = make(), asyncio.Queue[int]()
    asking = []
    for who, required in enumerate((["slow"], ["slow", "first"])):

        def hear(line: str, who: int = who) -> None:
            if line == "slow 1.0: it has begun":
                begun.put_nowait(who)

        asking.append(asyncio.create_task(environments.ready(base, stated(required), on_progress=hear)))
    assert {await begun.get(), await begun.get()} == {0, 1}
    label = {"label": f"{WORKSHOP}={instance}"}
    assert len(docker_client.containers(filters=label)) == 1
    asking[0].cancel()
    await asyncio.wait([asking[0]])
    assert len(docker_client.containers(filters=label)) == 1
    asking[1].cancel()
    await asyncio.wait([asking[1]])
    assert halfway(docker_client, instance) == set()


async def test_it_is_built_once_and_for_its_lock_again_when_it_is_lost(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, links: Path, tmp_path: Path
) -> None:
    source = sdist(links, "own", act="return os.urandom(8).hex()")
    shown = ["python", "-c", "import own; print(own.facts)"]
    first = await make().ready(base, stated(["own"]), on_progress=quiet)
    mark = run(docker_client, first.image_id, *shown)
    docker_client.remove_image(first.image_id, force=True)
    said: list[str] = []
    kept = await make().ready(base, stated(["own"]), lock=first.lock, on_progress=said.append)
    assert run(docker_client, kept.image_id, *shown) == mark
    assert not [line for line in said if line.startswith("building own")]

    docker_client.remove_image(kept.image_id, force=True)
    shutil.rmtree(tmp_path / "data" / "wheels")
    again = await make().ready(base, stated(["own"]), lock=first.lock, on_progress=quiet)
    assert again.lock == first.lock
    assert run(docker_client, again.image_id, *shown) != mark

    docker_client.remove_image(again.image_id, force=True)
    shutil.rmtree(tmp_path / "data" / "wheels")
    source.write_bytes(source.read_bytes() + b"changed")
    with pytest.raises(DependenciesFailed, match=r"cannot use own-1.0.tar.gz: its content has changed"):
        await make().ready(base, stated(["own"]), lock=first.lock, on_progress=quiet)


async def test_wheels_that_nobody_needed_for_long_are_removed(
    make: Make, base: ImageFacts, links: Path, tmp_path: Path
) -> None:
    sdist(links, "own", form="zip")
    await make().ready(base, stated(["own"]), on_progress=quiet)
    (kept,) = (tmp_path / "data" / "wheels").iterdir()
    await make().collect()
    assert kept.exists()
    os.utime(kept, (0, 0))
    await make().collect()
    assert not kept.exists()
