"""Images with what is required, on a real Engine: right, shared, reused, explained where they cannot be."""

import asyncio
import time
from pathlib import Path, PurePosixPath

import docker
import images
import pytest

from runsd.clock import now_us
from runsd.engine.body import CAPABILITIES
from runsd.engine.docker import DockerEngine
from runsd.engine.port import ImageFacts
from runsd.environments.environments import Ready
from runsd.environments.naming import ENVIRONMENT, image_name
from runsd.environments.requirements import Requirements, stated
from runsd.errors import DependenciesFailed, EngineNotFound
from tests.environments import wheels
from tests.environments.conftest import Make, halfway, run

pytestmark = pytest.mark.needs("python-images")


def quiet(line: str) -> None:
    """Hear nothing."""


def prefix_of(ready: Ready) -> str:
    """Return where the base image's own Python is installed: /usr in Debian's, /usr/local in Docker's."""
    return str(PurePosixPath(ready.base.base_interpreter).parent.parent)


async def test_what_is_required_is_there_with_its_scripts(
    docker_client: docker.APIClient, make: Make, base: ImageFacts
) -> None:
    said: list[str] = []
    ready = await make().ready(base, stated(["second"]), on_progress=said.append, version="3.11")
    assert ready.made
    shown = "import first, second, sys; print(first.version, second.version, sys.prefix, sys.base_prefix)"
    assert run(docker_client, ready.image_id, "python", "-c", shown).split() == [
        "1.0", "1.0", "/opt/runsd/venv", prefix_of(ready),
    ]  # fmt: skip
    assert run(docker_client, ready.image_id, "first") == "first 1.0\n"
    assert run(docker_client, ready.image_id, "sh", "-c", "echo $VIRTUAL_ENV").strip() == "/opt/runsd/venv"
    assert said[0].startswith("resolving 1 requirement for Python 3.11.")
    assert "building the environment image" in said


async def test_byte_code_is_there_and_nothing_is_left_of_the_making(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, instance: str, links: Path, tmp_path: Path
) -> None:
    wheels.wheel(links, "template", files={"broken.py": "def {{ name }}(): pass", "tiles/a.py": ""})
    ready = await make().ready(base, stated(["template"]), on_progress=quiet)
    listing = run(docker_client, ready.image_id, "find", "/opt/runsd/venv/lib", "-name", "*.pyc").split()
    assert {Path(path).name for path in listing} == {"template.cpython-311.pyc", "a.cpython-311.pyc"}
    assert halfway(docker_client, instance) == set()
    assert list((tmp_path / "data" / "work").glob("*/*")) == []


async def test_two_versions_of_python_get_an_environment_each(
    docker_client: docker.APIClient, engine: DockerEngine, make: Make
) -> None:
    environments = make()
    for name, version in ((images.PYTHON_3_11, "3.11"), (images.PYTHON_3_13, "3.13")):
        image = await engine.image(name)
        assert image is not None
        ready = await environments.ready(image, stated(["first"]), on_progress=quiet, version=version)
        shown = "import first, sys; print('%d.%d' % sys.version_info[:2])"
        assert run(docker_client, ready.image_id, "python", "-c", shown).strip() == version


async def test_a_hundred_at_once_are_one_build(
    docker_client: docker.APIClient, make: Make, base: ImageFacts
) -> None:
    environments, begun = make(), time.time() - 1
    said: list[list[str]] = [[] for _ in range(100)]
    ready = await asyncio.gather(
        *(environments.ready(base, stated(["second"]), on_progress=lines.append) for lines in said)
    )
    assert len({one.image_id for one in ready}) == 1
    name = image_name(base.id, ready[0].lock)
    events = docker_client.events(since=begun, until=time.time() + 1, filters={"event": "tag"}, decode=True)
    assert sum(event["Actor"]["Attributes"].get("name") == name for event in events) == 1
    for lines in said:
        assert sum(line.startswith("Resolved") for line in lines) == 1
        assert lines.count("building the environment image") == 1


async def test_the_second_time_costs_nothing(make: Make, base: ImageFacts) -> None:
    first = await make().ready(base, stated(["first"]), on_progress=quiet)
    said: list[str] = []
    again = await make().ready(base, stated(["first"]), on_progress=said.append)
    assert (again.image_id, again.lock, again.made) == (first.image_id, first.lock, False)
    assert said == []


async def test_a_lock_is_kept_to_whatever_there_is_now(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, links: Path
) -> None:
    first = await make().ready(base, stated(["first"]), on_progress=quiet)
    docker_client.remove_image(first.image_id, force=True)
    wheels.wheel(links, "first", "3.0")
    again = await make(resolve_again_seconds=0).ready(
        base, stated(["first"]), lock=first.lock, on_progress=quiet
    )
    assert again.lock == first.lock
    assert run(docker_client, again.image_id, "first") == "first 2.0\n"


async def test_who_leaves_a_build_leaves_it_to_the_others(
    docker_client: docker.APIClient, make: Make, base: ImageFacts
) -> None:
    environments, building = make(), asyncio.Event()

    def hear(line: str) -> None:
        if line.startswith("building"):
            building.set()

    leaving = asyncio.create_task(environments.ready(base, stated(["first"]), on_progress=hear))
    staying = asyncio.create_task(environments.ready(base, stated(["first"]), on_progress=quiet))
    await asyncio.wait_for(building.wait(), 60)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    ready = await staying
    assert run(docker_client, ready.image_id, "first") == "first 2.0\n"


async def test_when_the_last_one_leaves_a_build_it_ends(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, instance: str, links: Path
) -> None:
    # So much to compile that the Engine is still at it when it hears of the end.
    wheels.wheel(
        links, "large", files={f"large_{n}.py": "x = [\n" + "1,\n" * 20_000 + "]\n" for n in range(60)}
    )
    environments, building = make(), asyncio.Event()

    def hear(line: str) -> None:
        if line.startswith("building"):
            building.set()

    leaving = asyncio.create_task(environments.ready(base, stated(["large"]), on_progress=hear))
    await asyncio.wait_for(building.wait(), 60)
    while not [thing for thing in halfway(docker_client, instance) if thing.startswith("container")]:
        assert not leaving.done()
        await asyncio.sleep(0.01)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    async with asyncio.timeout(60):
        while halfway(docker_client, instance):
            await environments.collect()
            await asyncio.sleep(0.2)
    ready = await environments.ready(base, stated(["large"]), on_progress=quiet)
    assert ready.made


async def test_without_requirements_the_base_is_enough(
    docker_client: docker.APIClient, make: Make, base: ImageFacts
) -> None:
    ready = await make().ready(base, Requirements(), on_progress=quiet)
    assert (ready.image_id, ready.lock, ready.made) == (base.id, "", False)
    assert ready.base.version.startswith("3.11.")
    assert run(docker_client, base.id, ready.python, "-c", "print(5)") == "5\n"


@pytest.mark.parametrize("version", ["3.12", "3.1", "3.11.99", "4"])
async def test_another_version_than_the_one_asked_for_is_refused(
    make: Make, base: ImageFacts, version: str
) -> None:
    with pytest.raises(
        DependenciesFailed, match=rf"cannot use the image for Python {version}: its Python is 3"
    ):
        await make().ready(base, Requirements(), on_progress=quiet, version=version)


async def test_an_image_without_python_is_refused(
    docker_client: docker.APIClient, engine: DockerEngine, make: Make, busybox_image: str, instance: str
) -> None:
    image = await engine.image(busybox_image)
    assert image is not None
    with pytest.raises(DependenciesFailed, match="neither python nor python3"):
        await make().ready(image, Requirements(), on_progress=quiet)
    assert halfway(docker_client, instance) == set()


async def test_an_image_whose_python_is_none_is_refused(
    docker_client: docker.APIClient, engine: DockerEngine, make: Make, busybox_image: str, instance: str
) -> None:
    name = f"runsd-test/liar:{instance}"
    dockerfile = (
        f"FROM {busybox_image}\nRUN printf '#!/bin/sh\\necho hello\\n' >/bin/python && chmod +x /bin/python\n"
    )
    images.build(docker_client, name, dockerfile, {})
    try:
        image = await engine.image(name)
        assert image is not None
        with pytest.raises(DependenciesFailed, match="its python answers 'hello"):
            await make().ready(image, Requirements(), on_progress=quiet)
    finally:
        docker_client.remove_image(name)


async def test_an_image_that_is_gone_is_not_found(make: Make, base: ImageFacts) -> None:
    gone = ImageFacts(f"sha256:{'0' * 64}", None)
    with pytest.raises(EngineNotFound):
        await make().ready(gone, stated(["first"]), on_progress=quiet)


async def test_an_image_keeps_its_user_and_its_own_packages(
    docker_client: docker.APIClient, engine: DockerEngine, make: Make, instance: str
) -> None:
    name = f"runsd-test/owned:{instance}"
    dockerfile = (
        f"FROM {images.PYTHON_3_11}\nENV PATH=/venv/bin:$PATH\n"
        "RUN python3 -m venv --without-pip /venv && echo 'x = 5' >/venv/lib/python3.11/site-packages/own.py\n"
        "USER nobody\nENTRYPOINT []\n"
    )
    images.build(docker_client, name, dockerfile, {})
    try:
        image = await engine.image(name)
        assert image is not None
        ready = await make().ready(image, stated(["first"]), on_progress=quiet)
        shown = "import own, first, os, sys; print(own.x, first.version, os.getuid(), sys.prefix)"
        assert run(docker_client, ready.image_id, "python", "-c", shown).split() == [
            "5", "2.0", "65534", "/opt/runsd/venv",
        ]  # fmt: skip
        docker_client.remove_image(ready.image_id, force=True)
    finally:
        docker_client.remove_image(name)


# A Python that notes what it is given where it compiles the packages: it could as well be a fork bomb.
NOTING = b"""#!/bin/sh
case "$*" in *compileall*) (
    grep -E "NoNewPrivs|CapBnd" /proc/self/status
    ls /sys/class/net
    cat /sys/fs/cgroup/pids/pids.max || cat /sys/fs/cgroup/pids.max
) >/seen 2>/dev/null ;; esac
exec "$(readlink -f "$0").real" "$@"
"""
NOTING_IMAGE = f"""FROM {images.PYTHON_3_11}
COPY noting /noting
RUN file=$(readlink -f $(command -v python3.11)) && mv $file $file.real && mv /noting $file && chmod 755 $file
ONBUILD RUN touch /triggered
"""


async def test_what_an_image_brings_is_as_confined_where_its_environment_is_made_as_in_a_run(
    docker_client: docker.APIClient, engine: DockerEngine, make: Make, instance: str
) -> None:
    name = f"runsd-test/noting:{instance}"
    images.build(docker_client, name, NOTING_IMAGE, {"noting": NOTING})
    try:
        image = await engine.image(name)
        assert image is not None
        ready = await make().ready(image, stated(["first"]), on_progress=quiet)
        shown = run(docker_client, ready.image_id, "sh", "-c", "cat /seen; ls /triggered 2>/dev/null; true")
        bounding, privileges, *rest = shown.split("\n")
        assert int(bounding.split()[1], 16).bit_count() == len(CAPABILITIES)
        assert privileges.split() == ["NoNewPrivs:", "1"]
        assert rest == ["lo", "4096", ""]
        docker_client.remove_image(ready.image_id, force=True)
    finally:
        docker_client.remove_image(name)


async def test_a_wheel_that_was_changed_is_refused(
    make: Make, base: ImageFacts, links: Path, tmp_path: Path
) -> None:
    lock = (await make().ready(base, stated(["first"]), on_progress=quiet)).lock
    wheels.wheel(links, "first", "2.0", files={"changed.py": ""})
    await make(clock=lambda: now_us() + 31 * 24 * 3600 * 1_000_000).collect()
    anew = make(cache_directory=tmp_path / "other-cache")
    with pytest.raises(DependenciesFailed, match=r"(?s)cannot install the dependencies.*Hash mismatch"):
        await anew.ready(base, stated(["first"]), lock=lock, on_progress=quiet)


async def test_a_wheel_cannot_put_files_in_the_place_of_the_environments_own(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, links: Path
) -> None:
    wheels.wheel(links, "bad", files={"bad-1.0.data/data/pyvenv.cfg": "home = /nowhere\n"})
    ready = await make().ready(base, stated(["bad"]), on_progress=quiet)
    shown = "import bad, sys; print(bad.version, sys.base_prefix)"
    assert run(docker_client, ready.image_id, "python", "-c", shown).split() == ["1.0", prefix_of(ready)]


async def test_images_that_nobody_used_for_long_are_removed_and_made_again(
    docker_client: docker.APIClient, make: Make, base: ImageFacts
) -> None:
    day_us = 24 * 3600 * 1_000_000
    ready = await make().ready(base, stated(["first"]), on_progress=quiet)
    name = image_name(base.id, ready.lock)

    async def used() -> set[str]:
        return {ready.image_id}

    assert await make().collect() == []
    later = {"clock": lambda: now_us() + 31 * day_us}
    assert await make(**later, in_use=used).collect() == []
    held = docker_client.create_container(ready.image_id, ["true"])
    assert await make(**later).collect() == []  # the Engine keeps what a container needs
    docker_client.remove_container(held)
    assert await make(**later).collect() == [name]
    assert not docker_client.images(name)
    assert (await make().ready(base, stated(["first"]), on_progress=quiet)).made


async def test_of_two_daemons_that_make_the_same_one_image_stays(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, instance: str
) -> None:
    both = [make().ready(base, stated(["first"]), on_progress=quiet) for _ in range(2)]
    lock = (await asyncio.gather(*both))[0].lock
    await make(clock=lambda: now_us() + 2 * 3600 * 1_000_000).collect()
    left = docker_client.images(filters={"label": f"{ENVIRONMENT}={instance}"})
    assert [image["RepoTags"] for image in left] == [[image_name(base.id, lock)]]


async def test_of_too_much_what_was_used_longest_ago_is_removed(
    docker_client: docker.APIClient, make: Make, base: ImageFacts
) -> None:
    hour_us = 3600 * 1_000_000
    ready = [
        await make().ready(base, stated([asked]), on_progress=quiet) for asked in ("first==1.0", "first==2.0")
    ]
    names = [image_name(base.id, one.lock) for one in ready]
    uses = make()._uses
    uses.set(names[0], now_us() - 2 * hour_us)
    uses.set(names[1], now_us() - 3 * hour_us)
    assert await make(max_bytes="1Gi").collect() == []
    assert await make(max_bytes=1).collect() == [names[1], names[0]]
