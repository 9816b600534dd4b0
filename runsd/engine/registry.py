"""Credentials for a pull, from the Docker configuration of the user that runsd runs as."""

import asyncio

from docker import auth
from docker.errors import DockerException

from runsd.errors import EngineRefused


async def authorization(reference: str) -> str | None:
    """Return the ``X-Registry-Auth`` header for an image reference, or None where nothing is configured.

    Reads ``$DOCKER_CONFIG/config.json`` (else ``~/.docker/config.json``) anew each time, so that a
    ``docker login`` counts at once, and asks the credential helpers named there. Raises EngineRefused when
    of them fails.
    """
    try:
        return await asyncio.to_thread(_authorization, reference)
    except (DockerException, ValueError, OSError) as failure:
        raise EngineRefused(
            f"cannot read the credentials for {reference}: {failure};"
            " check $DOCKER_CONFIG/config.json and its credential helper"
        ) from failure


def _authorization(reference: str) -> str | None:
    registry, _ = auth.resolve_repository_name(reference)
    entry = auth.load_config().resolve_authconfig(registry)
    return auth.encode_header(entry).decode("ascii") if entry else None
