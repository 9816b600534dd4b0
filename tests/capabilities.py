"""What a host must have for some tests, ``@pytest.mark.needs("root")``: what it lacks is said, not hidden."""

import ctypes
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import images
import pytest
import tools
from docker.errors import DockerException
from uv import find_uv_bin

CAPABILITIES: dict[str, Callable[[], bool]] = {
    "root": lambda: os.geteuid() == 0,
    "cgroups": lambda: os.geteuid() == 0 and any(os.access(tree, os.W_OK) for tree in _trees()),
    "mounts": lambda: os.geteuid() == 0 and _mounts(),
    "private-engine": lambda: os.geteuid() == 0 and _private_engine(),
    "small-disks": lambda: os.geteuid() == 0 and _mounts() and _loops(),
    "libseccomp": lambda: _library("libseccomp.so.2"),
    "libfaketime": lambda: tools.faketime() is not None,
    "python-images": lambda: _images(images.PYTHON_3_11, images.PYTHON_3_13),
    "package-index": lambda: _index(),  # noqa: PLW0108  # stands below
    "openssh": lambda: shutil.which("ssh-keygen") is not None,
    "docker-registry": lambda: shutil.which("docker-registry") is not None,
    "chromium": lambda: shutil.which("chromium") is not None,
    "openssl": lambda: shutil.which("openssl") is not None,
    "systemd-analyze": lambda: shutil.which("systemd-analyze") is not None,
    "systemd-socket-activate": lambda: shutil.which("systemd-socket-activate") is not None,
}

LATER = ("package-index",)
"""What takes long to find out, and is asked only where a test needs it."""


class Capabilities:
    """Skips tests whose needs the host does not meet, and counts them by need."""

    def __init__(self) -> None:
        self._missing = {name for name, here in CAPABILITIES.items() if name not in LATER and not here()}
        self._later = set(LATER)
        self._skipped: Counter[str] = Counter()

    def pytest_report_header(self) -> str:
        """Say what is missing before anything runs."""
        return f"capabilities missing here: {', '.join(sorted(self._missing)) or 'none'}"

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a test that needs what is not here."""
        for marker in item.iter_markers("needs"):
            for name in marker.args:
                if name not in CAPABILITIES:
                    raise pytest.UsageError(
                        f"{item.nodeid} needs {name!r}; known are {', '.join(CAPABILITIES)}"
                    )
                if name in self._later:
                    self._later.discard(name)
                    self._missing |= set() if CAPABILITIES[name]() else {name}
                if name in self._missing:
                    self._skipped[name] += 1
                    pytest.skip(f"needs {name}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say at the end what was not tested, and why."""
        for name, count in sorted(self._skipped.items()):
            terminalreporter.write_line(f"NOT TESTED: {count} tests, for lack of {name}", yellow=True)


def _mounts() -> bool:
    """Say whether file systems may be mounted here, which containers often forbid."""
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


def _private_engine() -> bool:
    """Say whether an Engine may be started in namespaces of its own: tests/faults/engine.py."""
    programs = ("dockerd", "docker-init", "nsenter")
    if any(shutil.which(name) is None for name in programs):
        return False
    own = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc"]
    tried = subprocess.run([*own, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    return tried.returncode == 0


def _images(*names: str) -> bool:
    """Say whether the Engine has these images, which `make images` cannot make everywhere."""
    try:
        with images.connect() as client:
            return all(images.present(client, name) for name in names)
    except DockerException:
        return False


def _index() -> bool:
    """Say whether the index of Python packages answers that this machine uses."""
    ask = [find_uv_bin(), "pip", "compile", "--no-build", "--no-config", "--no-cache", "-"]
    environment = {"UV_SYSTEM_CERTS": "1", **os.environ, "UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "5"}
    try:
        asked = subprocess.run(
            ask, input=b"six", env=environment, capture_output=True, check=False, timeout=10
        )
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def _library(name: str) -> bool:
    """Say whether a shared library can be loaded."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _loops() -> bool:
    """Say whether a file can be made into a file system and mounted."""
    if shutil.which("mkfs.ext4") is None or shutil.which("losetup") is None:
        return False
    return subprocess.run(["losetup", "--find"], capture_output=True, check=False).returncode == 0


def _trees() -> list[Path]:
    """Return the roots of the hierarchies that count processor time and memory, of either version."""
    roots = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/")]
    return [
        root for root in roots if (root / "cpuacct.usage").exists() or (root / "cgroup.controllers").exists()
    ]
