"""Build the trainer's image, as `docker build -t runsd/walk-forward:1 examples/walk_forward` would."""

import os
import sys
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, ImageNotFound

NAME = "runsd/walk-forward:1"
ENGINE = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def main() -> None:
    """Build the image; an unchanged one is there at once. One that it replaces goes."""
    client = docker.DockerClient(base_url=ENGINE)
    try:
        before = image_id(client)
        client.images.build(
            path=str(Path(__file__).parent), tag=NAME, rm=True, labels={"io.runsd.image": NAME}
        )
        if before not in (None, image_id(client)):
            client.api.remove_image(before, noprune=False)
    except (BuildError, APIError) as failure:
        sys.exit(f"cannot build {NAME}: {failure}; `make demo` makes the image that it stands on")
    finally:
        client.close()


def image_id(client: docker.DockerClient) -> str | None:
    """Return the id of the image as it is now, if it is there."""
    try:
        return client.images.get(NAME).id
    except ImageNotFound:
        return None


if __name__ == "__main__":
    main()
