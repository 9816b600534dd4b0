"""Run inside a base image, by its own Python 3.8 or newer: print what that is, as one line of JSON."""

import glob
import json
import os
import platform
import pwd
import site
import subprocess
import sys
import sysconfig


def main() -> None:
    """Print all that an environment depends on."""
    version = "{}.{}.{}".format(*sys.version_info)
    executable = getattr(sys, "_base_executable", "") or sys.executable
    own = "{}/python{}.{}".format(os.path.dirname(executable), *sys.version_info)  # noqa: PTH120
    facts = {
        "version": version,
        "interpreter": sys.executable,
        "base_interpreter": own if os.path.exists(own) else executable,  # noqa: PTH110
        "machine": platform.machine(),
        "libc": libc(),
        "user": user(),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "inherited": site.getsitepackages() if sys.prefix != sys.base_prefix else [],
        "markers": markers(version),
    }
    print(json.dumps(facts))  # noqa: T201


def libc() -> str:
    """Return name and version of the C library: glibc says it, musl's loader prints it."""
    try:
        said = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (OSError, ValueError):
        said = ""
    if said.startswith("glibc "):
        return said
    for loader in glob.glob("/lib/ld-musl-*.so.1"):  # noqa: PTH207
        words = subprocess.run([loader], stderr=subprocess.PIPE, check=False).stderr.decode().split()
        return "musl " + words[words.index("Version") + 1]
    return ""


def user() -> str:
    """Return who the image runs as, in a way that gives the same groups."""
    uid, gid = os.getuid(), os.getgid()
    try:
        known = pwd.getpwuid(uid).pw_gid == gid
    except KeyError:
        known = False
    return str(uid) if known else f"{uid}:{gid}"


def markers(version: str) -> dict:  # type: ignore[type-arg]  # 3.8 knows no dict[str, str]
    """Return what environment markers are compared with: the kernel is the host's, and left out."""
    level = sys.version_info.releaselevel
    full = version if level == "final" else version + level[0] + str(sys.version_info.serial)
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": full,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": "",
        "platform_system": platform.system(),
        "platform_version": "",
        "python_full_version": full,
        "python_version": "{}.{}".format(*sys.version_info),
        "sys_platform": sys.platform,
    }


if __name__ == "__main__":
    main()
