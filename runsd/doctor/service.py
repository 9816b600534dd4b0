"""The daemon's door under examination: whether it can be opened, and who stands behind it already."""

import os
import socket
import stat
from pathlib import Path

from runsd_sdk import RunsClient
from runsd_sdk.errors import RunsdError

from runsd import __version__
from runsd.doctor.finding import Finding, Subject, failure, ok, warning
from runsd.doctor.rooms import owning_group
from runsd.files import existing

_LONGEST_PATH = 107  # unix(7): sun_path has 108 bytes, the last one zero
_MODE = 0o660
_ANYBODY = 0o006


def socket_place(subject: Subject) -> Finding:
    """Judge the socket's file: whether it can be made, or whom the present one lets in."""
    path = subject.socket
    if len(os.fsencode(path)) > _LONGEST_PATH:
        said = f"the socket's path is longer than {_LONGEST_PATH} bytes: {path}"
        return failure("socket", said, "choose a shorter one with --socket")
    try:
        found = path.lstat().st_mode
    except FileNotFoundError:
        return _to_be_made(path)
    except OSError as trouble:
        return failure("socket", f"cannot look at {path}: {trouble.strerror}", "choose another with --socket")
    if not stat.S_ISSOCK(found):
        return failure("socket", f"{path} is there and is no socket", "choose another with --socket")
    return _present(path, stat.S_IMODE(found))


def daemon(subject: Subject) -> Finding:
    """Ask the daemon, where one listens, how it is."""
    path = subject.socket
    if not path.is_socket():
        return ok("daemon", f"none listens at {path} yet: `runsd serve` starts one")
    if (refusal := _refusal(path)) is not None:
        return refusal
    try:
        with RunsClient(f"unix://{path}", patience_seconds=0) as client:
            health, info = client.health(), client.info()
    except RunsdError as trouble:
        return failure("daemon", str(trouble), "read `journalctl -u runsd`, then restart it")
    said = f"runsd {info.version} answers at {path}, with {info.live} live and {info.queued} queued runs"
    if health.message is not None:
        return warning("daemon", f"{said}; {health.message}", "see the findings about the engine")
    if info.version != __version__:
        remedy = "restart it (`sudo systemctl restart runsd`): its runs go on meanwhile"
        return warning("daemon", f"{said}; this command is version {__version__}", remedy)
    return ok("daemon", said)


def _to_be_made(path: Path) -> Finding:
    place = existing(path.parent)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        remedy = "use the service in systemd/, which makes its directory, or choose another with --socket"
        return failure("socket", f"cannot make {path}: {place} may not be written to", remedy)
    return ok("socket", f"{path} can be made")


def _present(path: Path, mode: int) -> Finding:
    group = owning_group(path)
    said = f"{path} has mode {mode:04o} and group {group}"
    if mode & _ANYBODY:
        remedy = f"`chmod 660 {path}`, or SocketMode=0660 in runsd.socket"
        return failure("socket", f"{said}: anybody on this host may start containers", remedy)
    if not os.access(path, os.W_OK):
        remedy = f"join its group: `sudo usermod -aG {group} $USER`, then log in again"
        return failure("socket", f"you may not use {path}", remedy)
    if mode != _MODE:
        return warning("socket", f"{said}; the usual mode is 0660", f"`chmod 660 {path}`")
    return ok("socket", f"{said}: these may use it")


def _refusal(path: Path) -> Finding | None:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return ok("daemon", f"none listens at {path} any more: the next `runsd serve` takes its place")
        except BlockingIOError:  # unix(7): the backlog is full
            remedy = "restart it (`sudo systemctl restart runsd`): its runs go on meanwhile"
            return failure("daemon", f"whoever listens at {path} takes no connection: it hangs", remedy)
        except OSError as trouble:
            remedy = "join the group of the socket and log in again"
            return failure("daemon", f"cannot connect to {path}: {trouble.strerror}", remedy)
    return None
