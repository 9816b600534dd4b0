"""Packages that nobody here made, from the index that this machine uses."""

import docker
import pytest

from runsd.engine.port import ImageFacts
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
