"""Podman, which needs no daemon: found or installed, and lent the Engine's image."""

import shutil
import subprocess
import sys
import tempfile

import images
import packages

from benchmarks.contestants import Command

# Where cgroup v1 and v2 are mixed, as with this Engine, crun refuses to start; runc does not. Podman's own
# limits are higher than a process without CAP_SYS_RESOURCE may ask for.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
RUN = ("podman", "--log-level", "error", "--runtime", "runc", "run", "--rm", *LIMITS)


def podman_run() -> Command | None:
    """Return Podman's command with the image in its store; None, and say why, where it can't be had."""
    try:
        if shutil.which("podman") is None:
            packages.install(["podman"], purpose="compare with Podman")
        command = Command(RUN, _image())
        command.single("none")
    except packages.CannotDo:
        return None  # it has said why
    except (subprocess.CalledProcessError, OSError) as failure:
        print(f"not compared with Podman: {failure}", file=sys.stderr, flush=True)
        return None
    return command


def _image() -> str:
    """Copy the Engine's image, if it is not there yet, and return its name there."""
    name = f"localhost/{images.BUSYBOX}"
    if subprocess.run(["podman", "image", "exists", name], check=False).returncode:
        with tempfile.NamedTemporaryFile(suffix=".tar") as file, images.connect(timeout_s=600) as docker:
            for chunk in docker.get_image(images.BUSYBOX):
                file.write(chunk)
            file.flush()
            loaded = ["podman", "load", "--quiet", "--input", file.name]
            said = subprocess.run(loaded, check=True, capture_output=True, text=True).stdout
        subprocess.run(["podman", "tag", said.rpartition(" ")[2].strip(), name], check=True)
    return name
