"""A user of the host who asks: ``python -m tests.api.member SOCKET UID`` with requests as JSON on stdin.

Its group may open the socket. It prints for each request the status and the body of the answer.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.daemon.harness import Daemon

SOMEBODY = 54321
Asked = tuple[int, Any]


def ask(daemon: Daemon, *requests: Sequence[Any], uid: int = SOMEBODY) -> list[Asked]:
    """Return what a daemon answers to requests ``(method, path, project, body)`` of another user."""
    daemon.directory.chmod(0o711)
    done = subprocess.run(
        [sys.executable, "-m", "tests.api.member", daemon.socket, str(uid)],
        input=json.dumps(requests), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [(status, body) for status, body in json.loads(done.stdout)]


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def main() -> None:
    """Become that user for good, then ask."""
    path, uid = Path(sys.argv[1]), int(sys.argv[2])
    os.chdir(path.parent)  # what is above may be closed to others
    os.setgroups([])
    os.setresgid(path.stat().st_gid, -1, -1)
    os.setresuid(uid, uid, uid)
    answers = []
    connection = _Connection(path.name)
    for method, target, project, body in json.load(sys.stdin):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Runsd-Project": project} if project else {}
        connection.request(method, target, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        answers.append((answer.status, json.loads(text) if text.startswith("{") else text))
    sys.stdout.write(json.dumps(answers))


if __name__ == "__main__":
    main()
