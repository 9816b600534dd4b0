"""Everybody who must not see a secret, looking for it everywhere."""

import json
import subprocess
from collections.abc import Iterable
from itertools import chain
from urllib.parse import quote

from tests.daemon.harness import RUNSD, Daemon

_FOLLOWS = "text/event-stream"


class Prying:
    """Looks for the lines of values in what a daemon keeps, and in what it answers."""

    def __init__(self, daemon: Daemon, *values: str) -> None:
        lines = set(chain.from_iterable(value.splitlines() for value in values))
        self._daemon = daemon
        self._looked_for = {line.encode() for line in lines if len(line) > 8 and not line.startswith("---")}
        assert self._looked_for

    def seen_in(self, data: bytes) -> bool:
        """Say whether something of a value is in there."""
        return any(value in data for value in self._looked_for)

    def in_files(self) -> list[str]:
        """Name the daemon's files, its log and a backup among them, that have something of a value."""
        directory = self._daemon.directory
        backup = directory / "backup"
        command = [RUNSD, "backup", backup, "--data-dir", directory / "data"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        key = (directory / "data" / "secrets.key").read_bytes().strip()
        assert key not in backup.read_bytes()
        files = [file for file in directory.rglob("*") if file.is_file()]
        assert directory / "log" in files
        found = [str(file) for file in files if self.seen_in(file.read_bytes())]
        backup.unlink()
        return found

    def in_answers(self, run_id: str) -> list[str]:
        """Name what the API answers with something of a value in it; ``run_id`` is over."""
        found = []
        for path, kind in self._asked(run_id):
            answer = self._daemon.http.get(path, headers={"Accept": kind})
            about_run = path.startswith(f"/v1/runs/{run_id}")
            assert answer.status_code == 200 or not about_run, (path, answer.text)
            if self.seen_in(answer.content):
                found.append(f"{path} {kind}")
        return found

    def in_engine(self, record: object) -> bool:
        """Say whether the Engine's own record of a container has something of a value."""
        return self.seen_in(json.dumps(record).encode())

    def _asked(self, run_id: str) -> Iterable[tuple[str, str]]:
        """Walk all that can be got of the API, in every form that ends by itself."""
        document = self._daemon.http.get("/v1/openapi.json").json()
        for path, methods in document["paths"].items():
            if "get" in methods:
                said = methods["get"]["responses"]["200"].get("content", {"application/json": {}})
                for kind in said:
                    if kind != _FOLLOWS:
                        yield path.replace("{id}", quote(run_id)), kind
