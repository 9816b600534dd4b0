"""A boot of the host that did not happen: one process sees another boot id, and a clock that starts now."""

import math
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SHOWN = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'


@contextmanager
def rebooted(directory: Path) -> Iterator[list[str]]:
    """Lend what stands before a command to have it run as after a boot that was at this moment."""
    boot_id = directory / f"boot-{uuid.uuid4().hex[:8]}"
    boot_id.write_text(f"{uuid.uuid4()}\n")
    # The offset is in whole seconds: the boot is at the next one, for nothing may run before it.
    ago_s = math.ceil(time.clock_gettime(time.CLOCK_BOOTTIME))
    time.sleep(max(0.0, ago_s - time.clock_gettime(time.CLOCK_BOOTTIME)))
    with subprocess.Popen(
        ["unshare", "--time", "--boottime", str(-ago_s), "--fork", "--kill-child", "cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        holder.stdin.write(b"there\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"there\n"
        inside = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0]
        clock = os.open(f"/proc/{inside}/ns/time", os.O_RDONLY)
        holder.stdin.close()
    try:
        entering = ["nsenter", f"--time=/proc/{os.getpid()}/fd/{clock}", "--"]
        yield [*entering, "unshare", "--mount", "sh", "-c", _SHOWN, str(boot_id)]
    finally:
        os.close(clock)
        boot_id.unlink()
