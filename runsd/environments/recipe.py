"""Recipe: how a tree of packages becomes an image, by a container like those of runs.

An image's own Python compiles the packages, and it may be anybody's: it gets no network, no more memory and
processes than a build, no privileges, and no longer than a build may take.
"""

import asyncio
import secrets
from collections.abc import Mapping

from runsd_sdk.quantity import format_bytes

from runsd.config import EnvironmentSettings
from runsd.engine.port import ContainerRequest, Engine
from runsd.environments import packing
from runsd.environments.base import Base
from runsd.environments.naming import BASE, ENVIRONMENT, WORKSHOP
from runsd.environments.packing import in_thread
from runsd.environments.tree import VENV, Tree
from runsd.errors import DependenciesFailed, EngineNotFound

# By the base's own Python, outside of the environment and isolated: nothing of a package runs, not even a
# .pth. Packages ship files that no compiler takes (templates, tests of syntax errors): those are left out.
_COMPILE = """\
import compileall, sys
folder = sys.argv[1]
try:
    compileall.compile_dir(folder, quiet=2, workers=0)
except (ImportError, OSError, NotImplementedError):
    compileall.compile_dir(folder, quiet=2)
"""
_MIB = 1024**2
_LAST_LINES = 20


async def bake(
    engine: Engine,
    settings: EnvironmentSettings,
    base: Base,
    tree: Tree,
    *,
    name: str,
    labels: Mapping[str, str],
    instance: str,
) -> None:
    """Make the image of a tree on its base, under that name; ``labels`` are for the container.

    Raises DependenciesFailed, TimeoutError, EngineNotFound when the base is gone, and what the Engine does.
    """
    image = await engine.image(base.image_id)
    if image is None:
        raise EngineNotFound(f"No such image: {base.image_id}", status=404)
    container = f"runsd-environment-{secrets.token_hex(8)}"
    try:
        await engine.create(_request(container, base, image.path, settings, labels))
        folder = packing.gathered(packing.folder(str(VENV.parent).lstrip("/")), packing.end())
        await engine.put_files(container, "/", in_thread(folder))
        await engine.put_files(container, str(VENV.parent), in_thread(tree.archive()))
        async with asyncio.timeout(settings.build_timeout_seconds):
            await engine.start(container)
            await engine.wait(container)
        await _check(engine, container, settings)
        marks = {ENVIRONMENT: instance, BASE: base.image_id, **dict.fromkeys(labels, ""), WORKSHOP: ""}
        await engine.commit(container, name=name, labels=marks, user=base.user)
    finally:
        await engine.remove(container)


def _request(
    name: str, base: Base, path: str, settings: EnvironmentSettings, labels: Mapping[str, str]
) -> ContainerRequest:
    site = f"{VENV}/lib/python{'.'.join(base.version.split('.')[:2])}/site-packages"
    return ContainerRequest(
        name=name,
        image=base.image_id,
        entrypoint=[base.base_interpreter, "-I", "-S", "-c", _COMPILE, site],
        args=None,
        env={"PATH": f"{VENV}/bin:{path}", "VIRTUAL_ENV": str(VENV)},  # the image inherits them
        labels=labels,
        cpu_milli=settings.build_cpu_milli,
        memory_bytes=settings.build_memory_bytes,
        shm_bytes=64 * _MIB,
        mounts=(),
        network="none",
        workdir=None,
        user="0",
        cgroup_parent=None,
        log_max_bytes=_MIB,
    )


async def _check(engine: Engine, container: str, settings: EnvironmentSettings) -> None:
    facts = await engine.inspect(container)
    if facts is None:
        raise EngineNotFound(f"No such container: {container}", status=404)
    if facts.oom_killed and facts.exit_code:
        memory = f"{format_bytes(settings.build_memory_bytes)} (environments.build_memory)"
        raise DependenciesFailed(
            f"cannot build the environment image: to compile it takes more than {memory}"
        )
    if facts.exit_code:
        async with engine.logs(container, follow=False, last_lines=_LAST_LINES) as pieces:
            said = b"".join([piece async for _, piece in pieces]).decode(errors="replace").strip()
        raise DependenciesFailed(
            "cannot build the environment image: the image's Python cannot compile the packages:"
            f" exit code {facts.exit_code}: {said[-1000:]}"
        )
