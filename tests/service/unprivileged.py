"""The doctor as nobody sees it: examines with the options given, and prints its JSON document."""

import os
import sys
from pathlib import Path

from runsd.doctor import report

_NOBODY = 65534


def main() -> None:
    """Give up root for good, then examine. Options: the Engine's address, the socket, the data directory."""
    docker_host, socket, data_dir = sys.argv[1:]
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    found = report.findings(None, socket=Path(socket), data_dir=Path(data_dir), docker_host=docker_host)
    sys.stdout.write(report.as_json(found))


if __name__ == "__main__":
    main()
