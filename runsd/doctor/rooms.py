"""Places in the file system: how much room there is, on what, and whose they are."""

import grp
import shutil
from pathlib import Path

from runsd_sdk.quantity import format_bytes

from runsd.doctor.finding import Finding, failure, ok, warning
from runsd.files import existing, file_system

SCARCE_BYTES = 5 * 10**9
TOO_LITTLE_BYTES = 500 * 10**6
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs"}
_VOLATILE = {"tmpfs", "ramfs"}


def judged_space(name: str, path: Path, remedy: str) -> Finding:
    """Judge the room where a path lies, or will lie, and the kind of its file system."""
    place = existing(path)
    free, kind = shutil.disk_usage(place).free, file_system(place)
    said = f"{format_bytes(free)} are free at {path} ({kind})"
    if free < TOO_LITTLE_BYTES:
        return failure(name, f"only {said}; {format_bytes(TOO_LITTLE_BYTES)} are the least", remedy)
    if kind in _REMOTE:
        said = f"{path} is on a network file system ({kind}), where files of databases break"
        return failure(name, said, "choose a directory on a local disk")
    if free < SCARCE_BYTES:
        return warning(name, f"only {said}", remedy)
    if kind in _VOLATILE:
        return warning(name, f"{path} is in memory ({kind}): a reboot forgets all", "choose one on a disk")
    return ok(name, said)


def owning_group(path: Path) -> str:
    """Return the name of a file's group, or its number."""
    number = path.stat().st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
