#!/usr/bin/env python3
"""Get what only tests need: a registry of our own, busybox, a clock to step, systemd's checkers, a browser.

Standard library only. The first three are unpacked into .build/tools: installed, the registry would start as
a service.
"""

import os
import shutil
import sys
from pathlib import Path

import packages

TOOLS = Path(__file__).resolve().parent.parent / ".build" / "tools"
PATH = os.pathsep.join(
    [os.environ["PATH"], *(str(TOOLS / place) for place in ("usr/bin", "bin", "usr/sbin"))]
)
_FAKETIME = "usr/lib/*/faketime/libfaketime.so.1"
UNPACKED = {"docker-registry": "docker-registry", "busybox": "busybox-static"}
INSTALLED = {
    "systemd-analyze": (["systemd"], "check the service units"),
    "chromium": (["chromium", "fonts-dejavu-core"], "look at the web UI"),  # which has no font of its own
}


def faketime() -> Path | None:
    """Return the library that gives a process a clock of its own, if it is there."""
    places = (Path("/"), TOOLS)
    return next((found for place in places for found in place.glob(_FAKETIME)), None)


def main() -> None:
    """Get what is missing, where we may; tests that lack a tool say so themselves."""
    for tool, package in UNPACKED.items():
        if shutil.which(tool, path=PATH) is None:
            print(f"getting {package} for the tests …", file=sys.stderr, flush=True)
            TOOLS.mkdir(parents=True, exist_ok=True)
            packages.unpack(package, TOOLS)
    if faketime() is None:
        print("getting libfaketime for the tests …", file=sys.stderr, flush=True)
        TOOLS.mkdir(parents=True, exist_ok=True)
        packages.unpack("libfaketime", TOOLS)
    for tool, (needed, purpose) in INSTALLED.items():
        if shutil.which(tool) is None:
            if packages.root_prefix() is None:
                print(f"without root, tests that need {tool} will be skipped", file=sys.stderr)
            else:
                packages.install(needed, purpose=purpose)


if __name__ == "__main__":
    main()
