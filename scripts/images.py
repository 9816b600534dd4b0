"""Make the images that the tests and the demo run, where they are missing.

`runsd/busybox:1` is the distribution's static busybox and nothing else. `runsd/python:3` is a Python 3 with
its whole standard library: from a registry where one answers, otherwise made of the distribution's packages.
`python:3.11-slim` and `python:3.13-slim` are what they are called: the public images where a registry
answers, otherwise the Python of Debian 12 and of Debian 13.
"""

import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import engine
import packages
from docker import APIClient
from docker.errors import DockerException, ImageNotFound
from requests.exceptions import RequestException

BUSYBOX = "runsd/busybox:1"
PYTHON = "runsd/python:3"
LABEL = "io.runsd.image"
PUBLIC_PYTHON = "python:3.12-slim"
PYTHON_3_11 = "python:3.11-slim"
PYTHON_3_13 = "python:3.13-slim"
PYTHON_PACKAGES = ["python3", "dash", "coreutils", "findutils", "grep", "sed", "tzdata", "base-files"]
UNREAD = [f"usr/share/{what}/" for what in ("doc", "man", "info", "locale", "lintian")]
REGISTRY_SECONDS = 10
LAYER_SECONDS = 60
ACCOUNTS = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
GROUPS = b"root:x:0:\nnogroup:x:65534:\n"


def main() -> None:
    """Make the images named on the command line, or all."""
    wanted = sys.argv[1:] or list(MAKERS)
    with connect(timeout_s=600) as client:
        for name in wanted:
            try:
                make(client, name)
            except DockerException as failure:
                raise packages.CannotDo(f"cannot make {name}: {failure}") from None
            except packages.CannotDo:
                if sys.argv[1:] or name not in OPTIONAL:
                    raise


def make(client: APIClient, name: str) -> None:
    """Make an image that is missing, and say how long it took."""
    if present(client, name):
        return
    print(f"making {name} …", file=sys.stderr, flush=True)
    begun = time.monotonic()
    how = MAKERS[name](client)
    print(f"made {name} {how} in {time.monotonic() - begun:.1f} s", file=sys.stderr)


def connect(*, timeout_s: int = 60) -> APIClient:
    """Return a connection to the Engine that `make engine` found; close it."""
    return APIClient(base_url=engine.address(), version="auto", timeout=timeout_s)


def present(client: APIClient, name: str) -> bool:
    """Say whether the Engine has that image, and that one of our names is one of ours."""
    try:
        labels = client.inspect_image(name)["Config"]["Labels"] or {}  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return False
    if LABEL not in labels and name not in OPTIONAL:
        raise packages.CannotDo(f"cannot make {name}: an image of that name is there which is not runsd's")
    return True


def build(client: APIClient, name: str, dockerfile: str, files: Mapping[str, bytes | Path]) -> None:
    """Build an image of ours from a Dockerfile and the files that it adds."""
    with tempfile.TemporaryFile() as context:
        with tarfile.open(fileobj=context, mode="w") as archive:
            for path, content in {"Dockerfile": dockerfile.encode(), **files}.items():
                if isinstance(content, Path):
                    archive.add(content, path)
                else:
                    add_file(archive, path, content)
        context.seek(0)
        said = client.build(
            fileobj=context, custom_context=True, tag=name, rm=True, forcerm=True,
            network_mode="none", labels={LABEL: name}, decode=True,
        )  # fmt: skip
        for line in said:
            if "error" in line:
                raise packages.CannotDo(f"cannot build {name}: {line['error'].strip()}")


def add_file(archive: tarfile.TarFile, path: str, content: bytes, *, mode: int = 0o644) -> None:
    """Add bytes to an archive as a file of root's."""
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def busybox(client: APIClient) -> str:
    """Make `runsd/busybox:1`: one program under all its names."""
    with tempfile.TemporaryDirectory() as folder:
        unpacked, root = Path(folder, "packages.tar"), Path(folder, "root.tar")
        with tarfile.open(unpacked, "w") as archive:
            packages.merge(["busybox-static"], archive)
        with tarfile.open(unpacked) as archive:
            found = archive.extractfile("usr/bin/busybox")
            if found is None:
                raise packages.CannotDo(f"cannot make {BUSYBOX}: busybox-static has no usr/bin/busybox")
            program = Path(folder, "busybox")
            program.write_bytes(found.read())
        program.chmod(0o755)
        names = subprocess.run([program, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout
        with tarfile.open(root, "w") as archive:
            add_file(archive, "bin/busybox", program.read_bytes(), mode=0o755)
            for name in set(names.split()) - {"busybox"}:
                add_link(archive, f"bin/{name}", "busybox")
            add_base(archive)
        build(client, BUSYBOX, 'FROM scratch\nADD root.tar /\nCMD ["sh"]\n', {"root.tar": root})
    return "from the distribution's package"


def add_link(archive: tarfile.TarFile, path: str, target: str) -> None:
    """Add a symbolic link to an archive."""
    entry = tarfile.TarInfo(path)
    entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
    archive.addfile(entry)


def add_base(archive: tarfile.TarFile) -> None:
    """Add what every program expects of a system: accounts, a home, a place for temporary files."""
    add_file(archive, "etc/passwd", ACCOUNTS)
    add_file(archive, "etc/group", GROUPS)
    for path, mode in (("tmp", 0o1777), ("root", 0o700)):
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        archive.addfile(entry)


def python(client: APIClient) -> str:
    """Make `runsd/python:3`, the public way where a registry answers."""
    if pull(PUBLIC_PYTHON):
        build(client, PYTHON, f"FROM {PUBLIC_PYTHON}\n", {})
        return f"from {PUBLIC_PYTHON}"
    python_of_packages(client, PYTHON, PYTHON_PACKAGES, sources=None)
    return "from the distribution's packages"


def public_python(client: APIClient, name: str, suite: str) -> str:
    """Make a `python:…-slim`: the public one, or the Python of a release of Debian under its name."""
    if pull(name):
        return "from its registry"
    # What wheels for Linux may expect of a system besides glibc (PEP 600), and the public images have.
    python_of_packages(client, name, [*PYTHON_PACKAGES, "libstdc++6"], sources=packages.sources(suite))
    return f"from the packages of {suite}"


def python_of_packages(client: APIClient, name: str, names: Sequence[str], *, sources: str | None) -> None:
    """Make an image with the Python 3 of this distribution, or of another release."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root.tar")
        with tarfile.open(root, "w") as archive:
            packages.merge(names, archive, without=UNREAD, sources=sources)
            add_link(archive, "usr/bin/python", "python3")
            add_base(archive)
        # Compiled once here instead of at the start of every container: 20 instead of 120 ms.
        compiled = 'RUN ["sh", "-c", "python3 -m compileall -q -j 0 /usr/lib/python3*/"]'
        dockerfile = f'FROM scratch\nADD root.tar /\n{compiled}\nCMD ["python3"]\n'
        build(client, name, dockerfile, {"root.tar": root})


def pull(name: str) -> bool:
    """Pull a public image if its registry answers soon; False when it cannot be had."""
    try:
        with connect(timeout_s=REGISTRY_SECONDS) as client:
            client.inspect_distribution(name)  # type: ignore[no-untyped-call]  # asks, and fetches nothing yet
        with connect(timeout_s=LAYER_SECONDS) as client:
            for line in client.pull(name, stream=True):
                if "error" in json.loads(line):
                    return False
    except (DockerException, RequestException):
        return False
    return True


MAKERS: Mapping[str, Callable[[APIClient], str]] = {
    BUSYBOX: busybox,
    PYTHON: python,
    PYTHON_3_11: lambda client: public_python(client, PYTHON_3_11, "bookworm"),
    PYTHON_3_13: lambda client: public_python(client, PYTHON_3_13, "trixie"),
}
OPTIONAL = (PYTHON_3_11, PYTHON_3_13)
"""Where neither a registry nor Debian's archive answers, the tests that need these say so and are skipped."""


if __name__ == "__main__":
    main()
