"""The program of a sandbox: what the kernel makes of it, on this processor and, emulated, on the other."""

import io
import os
import platform
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runsd.engine import pause

_NATIVE = {"x86_64": "amd64", "aarch64": "arm64"}
_EMULATOR = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}


@pytest.fixture(params=sorted(pause.MACHINES))
def command(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """The command line that runs the program of an architecture here."""
    file = tmp_path / "pause"
    file.write_bytes(pause.program(pause.MACHINES[request.param]))
    file.chmod(0o555)
    if _NATIVE.get(platform.machine()) == request.param:
        yield [str(file)]
        return
    emulator = shutil.which(_EMULATOR[request.param])
    if emulator is None:
        pytest.skip(f"{request.param} needs {_EMULATOR[request.param]} (Debian: qemu-user)")
    yield [emulator, str(file)]


def test_it_waits_and_only_a_signal_ends_it(command: list[str]) -> None:
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        used = os.sysconf("SC_CLK_TCK") * 0.4
        ticks = sum(int(word) for word in Path(f"/proc/{process.pid}/stat").read_text().split()[13:15])
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
        assert ticks < used, "it does not sleep"


def test_the_image_has_the_program_and_nothing_else() -> None:
    machine = pause.MACHINES["arm64"]
    with tarfile.open(fileobj=io.BytesIO(pause.archive(machine))) as tar:
        (entry,) = tar.getmembers()
        content = tar.extractfile(entry)
        assert content is not None
        assert (f"/{entry.name}", entry.mode) == (pause.PATH, 0o555)
        assert content.read() == pause.program(machine)
