"""Notes: what is known of something by its key, one small file each, there whole or not at all."""

import json
import os
import time
from pathlib import Path
from typing import Any


class Notes:
    """A folder of JSON files. A note that is lost costs the work to find it out again, never a truth."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str, *, within_s: float | None = None) -> Any:
        """Return a note, if there is one that is not older than so many seconds."""
        path = self._folder / key
        try:
            if within_s is not None and not 0 <= time.time() - path.stat().st_mtime < within_s:
                return None
            return json.loads(path.read_bytes())
        except (OSError, ValueError):  # after a power cut a file may be there without its bytes
            return None

    def write(self, key: str, note: Any) -> None:
        """Put a note in the place of an older one."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._folder / f"{key}.{os.urandom(4).hex()}.part"
        part.write_text(json.dumps(note))
        part.replace(self._folder / key)

    def forget(self, *, older_s: float) -> None:
        """Remove the notes that are older than so many seconds."""
        if not self._folder.is_dir():
            return
        before = time.time() - older_s
        for path in self._folder.iterdir():
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
