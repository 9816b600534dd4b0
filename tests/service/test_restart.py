"""A restart as systemd does it: it holds the socket, and nobody who asks meanwhile is turned away."""

import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runsd_sdk import RunsClient

from tests.service.launch import PATIENCE_S, RUNSD, environment

# sd_listen_fds(3): what is passed is descriptor 3, and meant for the process that LISTEN_PID names.
PASSED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_requests_during_a_restart_wait_and_are_answered(tmp_path: Path, engine_host: str) -> None:
    path = tmp_path / "held.sock"
    with (
        socket.socket(socket.AF_UNIX) as held,
        ThreadPoolExecutor(1) as other,
        # No patience: a refusal would be told at once.
        RunsClient(f"unix://{path}", patience_seconds=0) as client,
    ):
        held.bind(str(path))
        held.listen()
        instances = set()
        for _ in range(3):
            asked = other.submit(client.info)  # nobody serves at this moment
            with served(held, tmp_path, engine_host) as process:
                instances.add(asked.result(PATIENCE_S).instance)
                process.send_signal(signal.SIGTERM)
                assert process.wait(PATIENCE_S) == 0
        assert len(instances) == 1
        assert path.is_socket()


def served(held: socket.socket, directory: Path, engine_host: str) -> "subprocess.Popen[bytes]":
    """Serve on a socket that is passed."""
    command = [RUNSD, "serve", "--docker-host", engine_host, "--data-dir", directory / "data"]
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", PASSED, str(held.fileno()), *command],
            env=environment(), pass_fds=[held.fileno()], stdout=log, stderr=log,
        )  # fmt: skip
