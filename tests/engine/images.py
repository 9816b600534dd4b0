"""Images for tests, made from Debian's static busybox: no registry is needed."""

import io
import subprocess
import tarfile
from pathlib import Path

import docker
from docker.errors import ImageNotFound

BUSYBOX = "runsd-test/busybox:1"
_BINARY = Path("/bin/busybox")


def ensure(client: docker.DockerClient, tag: str, *, changes: list[str] | None = None) -> str:
    """Import busybox under that tag unless it is there; ``changes`` are Dockerfile instructions."""
    try:
        client.images.get(tag)
    except ImageNotFound:
        repository, _, version = tag.rpartition(":")
        client.api.import_image_from_data(root(), repository=repository, tag=version, changes=changes or [])
    return tag


def root(extra: bytes = b"") -> bytes:
    """Return a root file system as a tar; ``extra`` is the content of ``/extra``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for directory, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777)):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        tar.add(_BINARY, "bin/busybox")
        for applet in _applets():
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
        for name, content in (("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n"), ("extra", extra)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _applets() -> list[str]:
    listed = subprocess.run([_BINARY, "--list"], check=True, capture_output=True, text=True).stdout.split()
    return [applet for applet in listed if applet != "busybox"]
