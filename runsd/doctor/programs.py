"""Python runs under examination: what fetches their sources and packages, and the room for these."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from runsd_sdk.quantity import format_bytes

from runsd.doctor.engine import Answers, local_socket
from runsd.doctor.finding import Finding, Subject, failure, ok, warning
from runsd.engine.port import FoundImage
from runsd.environments import uv as environments
from runsd.environments.naming import BASE, ENVIRONMENT
from runsd.errors import DependenciesFailed

_KNOWS_ENOUGH = (2, 32)  # GIT_CONFIG_GLOBAL; before 2.29 it cannot fetch without FETCH_HEAD either
_INSTALL_GIT = "install it (Debian, Ubuntu: `sudo apt-get install git`)"


def git(subject: Subject) -> Finding:
    """Say whether sources can be fetched from repositories, and by which ways."""
    try:
        said = _asked("git", "--version", patience_s=subject.patience_s)
        folder = Path(_asked("git", "--exec-path", patience_s=subject.patience_s))
    except FileNotFoundError:
        return warning("git", "there is no git: runs whose source is a repository fail", _INSTALL_GIT)
    except (OSError, subprocess.SubprocessError) as trouble:
        return warning("git", f"git cannot be used: {_reason(trouble)}", "see that `git --version` answers")
    found = re.search(r"(\d+)\.(\d+)\S*", said)
    if found is None or (int(found[1]), int(found[2])) < _KNOWS_ENOUGH:
        needed = ".".join(map(str, _KNOWS_ENOUGH))
        return warning(
            "git", f"it is {said!r}, and fetching needs git {needed} or newer", "install a newer one"
        )
    config = subject.settings.sources.git_config
    if config is not None and not os.access(config, os.R_OK):
        remedy = "let the daemon's user read it, or change the setting sources.git_config"
        return warning("git", f"cannot read {config}: no repository can be fetched", remedy)
    if not (folder / "git-remote-https").exists():
        remedy = "install the package that has git-remote-https"
        return warning(
            "git", f"git {found[0]} has no part for https: only ssh addresses can be fetched", remedy
        )
    ways = "https and ssh" if shutil.which("ssh") else "https (there is no ssh)"
    return ok("git", f"git {found[0]} fetches sources over {ways}")


def uv(subject: Subject) -> Finding:
    """Say whether packages can be resolved and installed."""
    reinstall = "reinstall runsd with all that it requires (`uv tool install .`, or pip)"
    try:
        program = environments.program()
        version = _asked(program, "--version", patience_s=subject.patience_s)
    except DependenciesFailed:
        return failure("uv", "there is no uv: Python runs that name packages fail", reinstall)
    except (OSError, subprocess.SubprocessError) as trouble:
        return failure("uv", f"uv cannot be used: {_reason(trouble)}", reinstall)
    if shutil.which("setpriv") is None:
        said = (
            f"{version} outlives a daemon that is killed, and goes on until it is done: there is no setpriv"
        )
        return warning("uv", said, "install util-linux")
    return ok("uv", f"{version} installs packages ({program})")


def environments_room(subject: Subject, said: Answers) -> Finding:
    """Compare what environment images may hold with the room that there is for them."""
    root, most = Path(said.facts.root_dir), subject.settings.environments.image_bytes
    held = format_bytes(own := _held(said.images))
    if not most:
        return ok("environments", f"images with packages hold {held}, and may hold any number of bytes")
    allowed = f"images with packages hold {held}, and may hold {format_bytes(most)}"
    if local_socket(subject.settings.engine.host) is None or not root.exists():
        return ok("environments", f"{allowed} at {root}, out of sight from here")
    free = shutil.disk_usage(root).free
    if own + free < most + subject.settings.retention.free_bytes:
        remedy = "lower environments.max_bytes, or free some: a disk that runs short stops new runs"
        return warning("environments", f"{allowed}; only {format_bytes(free)} are free at {root}", remedy)
    return ok("environments", allowed)


def _held(images: Sequence[FoundImage]) -> int:
    """Return what environments hold above their bases."""
    sizes = {image.id: image.bytes for image in images}
    ours = [image for image in images if ENVIRONMENT in image.labels]
    return sum(image.bytes - sizes.get(image.labels.get(BASE, ""), 0) for image in ours)


def _asked(*command: str, patience_s: float) -> str:
    answered = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience_s, check=True
    )
    return answered.stdout.strip()


def _reason(trouble: Exception) -> str:
    if isinstance(trouble, subprocess.CalledProcessError):
        return (trouble.stderr.strip() or f"it ends with {trouble.returncode}")[:300]
    return str(trouble)
