"""Packages that nobody here made, from the index that this machine uses."""

import os
import subprocess
from pathlib import Path

import docker
import pytest
from uv import find_uv_bin

from runsd.engine.port import ImageFacts
from runsd.environments import lock, project
from runsd.environments.requirements import stated
from runsd.errors import DependenciesFailed
from tests.environments.conftest import Make, run

pytestmark = [pytest.mark.needs("python-images", "package-index"), pytest.mark.timeout(400)]


async def test_pandas_and_numpy_compute(
    docker_client: docker.APIClient, make: Make, base: ImageFacts
) -> None:
    said: list[str] = []
    environments = make(no_index=False, find_links=[])
    ready = await environments.ready(base, stated(["pandas", "numpy>=1.24"]), on_progress=said.append)
    program = "import numpy, pandas; print(pandas.DataFrame({'a': numpy.arange(4)}).a.sum())"
    assert run(docker_client, ready.image_id, "python", "-c", program).strip() == "6"
    assert any(line.startswith("Resolved") for line in said)


async def test_an_unknown_package_is_explained(make: Make, base: ImageFacts) -> None:
    environments = make(no_index=False, find_links=[])
    with pytest.raises(DependenciesFailed, match="was not found in the package registry"):
        await environments.ready(base, stated(["runsd-no-such-package-9d1c"]), on_progress=lambda _: None)


async def test_what_is_published_only_as_source_is_built_by_its_own_tools(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, tmp_path: Path
) -> None:
    environments = make(no_index=False, find_links=[])
    ready = await environments.ready(base, stated(["docopt==0.6.2"]), on_progress=lambda _: None)
    (package,) = lock.read(ready.lock)
    assert package.source is not None
    assert package.source.url.startswith("https://")
    assert package.source.sha256 == "49b3a825280bd66b3aa83585ef59c4a8c82f2c8a522dbe754a8bc8d08c85c491"
    assert str(tmp_path) not in ready.lock
    shown = "import docopt; print(docopt.docopt('Usage: x [--five=N]', ['--five=5'])['--five'])"
    assert run(docker_client, ready.image_id, "python", "-c", shown) == "5\n"


async def test_a_lock_that_uv_wrote_and_a_wheel_by_address_are_installed(
    docker_client: docker.APIClient, make: Make, base: ImageFacts, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
        """dependencies = ["httpx[http2]==0.27.0", "colorama; sys_platform == 'win32'"]\n"""
    )
    ask = [find_uv_bin(), "lock", "--no-config", "--no-cache", "--directory", str(tmp_path)]
    subprocess.run(ask, check=True, capture_output=True, env={"UV_SYSTEM_CERTS": "1", **os.environ})

    async def fetch(path: str) -> bytes | None:
        return (tmp_path / path).read_bytes()

    environments = make(no_index=False, find_links=[])
    required = await project.read("uv.lock", fetch)
    ready = await environments.ready(base, required, on_progress=lambda _: None)
    packages = {package.name: package for package in lock.read(ready.lock)}
    assert packages["httpx"].version == "0.27.0"
    assert "h2" in packages
    assert "colorama" not in packages
    assert run(docker_client, ready.image_id, "python", "-c", "import httpx, h2; print(1)") == "1\n"

    address = f"idna @ {packages['idna'].wheels[0].url}"
    direct = await environments.ready(base, stated([address]), on_progress=lambda _: None)
    assert [package.wheels[0].url for package in lock.read(direct.lock)] == [packages["idna"].wheels[0].url]
    assert run(docker_client, direct.image_id, "python", "-c", "import idna; print(1)") == "1\n"
