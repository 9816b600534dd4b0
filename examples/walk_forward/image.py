"""Build the trainer's image, as `docker build -t runsd/walk-forward:1 examples/walk_forward` would."""

import os
import sys
from pathlib import Path

import docker
from docker.errors import APIError, BuildError

NAME = "runsd/walk-forward:1"
ENGINE = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def main() -> None:
    """Build the image; an unchanged one is there at once. One that it replaces goes."""
    client = docker.DockerClient(base_url=ENGINE)
    try:
        client.images.build(
            path=str(Path(__file__).parent), tag=NAME, rm=True, labels={"io.runsd.image": NAME}
        )
        remove_replaced(client)
    except (BuildError, APIError) as failure:
        sys.exit(f"cannot build {NAME}: {failure}; `make demo` makes the image that it stands on")
    finally:
        client.close()


def remove_replaced(client: docker.DockerClient) -> None:
    """Remove images that this one has replaced: ours by label, without a name, and used by nobody."""
    for image in client.images.list(filters={"label": f"io.runsd.image={NAME}", "dangling": True}):
        try:
            client.api.remove_image(str(image.id))
        except APIError as failure:
            if failure.status_code != 409:
                raise


if __name__ == "__main__":
    main()
