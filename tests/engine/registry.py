"""A real registry on loopback (Debian's docker-registry), open or behind a password."""

import base64
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import docker
import images

USER, PASSWORD = "sindbad", "open-sesame"
_HTPASSWD = f"{USER}:$2b$04$Nsg0MlOYHXO6U5sZBchmD.yEBnsduuELNAuYgq7Uj2g5iHxWf2X4a\n"


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry at ``address`` (host:port); 127.0.0.0/8 needs no TLS."""

    address: str
    locked: bool

    def push(self, client: docker.APIClient, name: str, *, base: str, content: bytes) -> str:
        """Push ``name:tag`` of ``base`` and ``content``, keep no local copy, and return its reference."""
        reference = f"{self.address}/{name}"
        images.build(client, reference, f"FROM {base}\nADD content /content\n", {"content": content})
        said = client.push(reference, stream=True, decode=True, auth_config=self._credentials())
        failures = [line["error"] for line in said if "error" in line]
        client.remove_image(reference, force=True)
        if failures:
            raise RuntimeError(f"cannot push {reference}: {failures}")
        return reference

    def write_config(self, directory: Path) -> None:
        """Write a Docker configuration that knows the password, as ``docker login`` does."""
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (directory / "config.json").write_text(json.dumps({"auths": {self.address: {"auth": token}}}))

    def _credentials(self) -> dict[str, str]:
        # Without any, docker-py would read the user's own configuration.
        return {"username": USER, "password": PASSWORD} if self.locked else {"username": "nobody"}


@contextmanager
def serve(directory: Path, *, locked: bool = False) -> Iterator[Registry]:
    """Run a registry with its data in ``directory`` on a port of its own choice."""
    auth = ""
    if locked:
        (directory / "htpasswd").write_text(_HTPASSWD)
        auth = f"auth: {{htpasswd: {{realm: test, path: {directory}/htpasswd}}}}\n"
    (directory / "config.yml").write_text(
        "version: 0.1\n"
        f"storage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
        f"http: {{addr: '127.0.0.1:0'}}\n{auth}"
    )
    with subprocess.Popen(
        ["docker-registry", "serve", directory / "config.yml"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        address = _listening(process.stderr)
        drain = threading.Thread(target=process.stderr.read, name="registry log")
        drain.start()
        try:
            yield Registry(address, locked)
        finally:
            process.terminate()
            drain.join()


def _listening(log: IO[str]) -> str:
    seen = []
    for line in log:
        seen.append(line)
        if found := re.search(r"listening on (127\.0\.0\.1:\d+)", line):
            return found[1]
    raise AssertionError("docker-registry did not start: " + "".join(seen))
