"""The keyring: the keys that secrets are encrypted with, in a file that its owner alone may read.

One key per line, the newest first (Fernet: AES-128-CBC and HMAC-SHA256). It encrypts; all of them decrypt.
The file is read anew when it has changed, so that whoever changes the keys need not stop the daemon.
"""

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from runsd import faults
from runsd.errors import SecretsLocked
from runsd.faults import Step
from runsd.files import private, sync_directory

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

_LONGEST_FILE = 64 * 1024


class Keyring:
    """The keys in a file, which is made when something is to be encrypted for the first time.

    It is used on threads. Every method may raise SecretsLocked: the file is missing, unfit or another one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._loaded: tuple[tuple[int, int, int], MultiFernet] | None = None

    def seal(self, value: str, *, may_make: bool) -> bytes:
        """Encrypt a value; ``may_make`` says that nothing is encrypted yet, so that a key may be made."""
        if may_make and not self.path.exists():
            self.add_key()
        return self._keys().encrypt(value.encode())

    def open(self, sealed: bytes) -> str:
        """Decrypt a value."""
        return self._decrypted(sealed).decode()

    def seal_anew(self, sealed: bytes) -> bytes:
        """Encrypt with the newest key what any of them has encrypted."""
        self._decrypted(sealed)
        return self._keys().rotate(sealed)

    def add_key(self) -> None:
        """Put a new key before the others."""
        from cryptography.fernet import Fernet

        before = self._text().split() if self.path.exists() else []
        self._write([Fernet.generate_key().decode(), *before], Step.ADD_KEY)

    def drop_old_keys(self) -> int:
        """Keep the newest key alone; return how many others there were."""
        keys = self._text().split()
        if len(keys) > 1:
            self._write(keys[:1], Step.DROP_KEYS)
        return len(keys) - 1

    def _decrypted(self, sealed: bytes) -> bytes:
        from cryptography.fernet import InvalidToken

        try:
            return self._keys().decrypt(sealed)
        except InvalidToken:
            said = f"cannot open the secret: {self.path} has another key than it was encrypted with"
            raise SecretsLocked(f"{said}; put the right key file back, or set the secret again") from None

    def _keys(self) -> "MultiFernet":
        """Return the keys of the file as it is now."""
        try:
            found = self.path.stat()
        except OSError as failure:
            raise self._unreadable(failure) from failure
        now = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._loaded is None or self._loaded[0] != now:
            self._loaded = (now, self._read())
        return self._loaded[1]

    def _read(self) -> "MultiFernet":
        from cryptography.fernet import Fernet, MultiFernet

        try:
            return MultiFernet([Fernet(key) for key in self._text().split()])
        except ValueError as failure:
            said = f"cannot use secrets: {self.path} holds something else than keys"
            raise SecretsLocked(f"{said}; put the right key file back") from failure

    def _text(self) -> str:
        try:
            with self.path.open("rb") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    said = f"cannot use secrets: others may read their key file {self.path}"
                    raise SecretsLocked(f"{said}; chmod 600 {self.path}")
                return file.read(_LONGEST_FILE).decode("ascii", "replace")
        except OSError as failure:
            raise self._unreadable(failure) from failure

    def _unreadable(self, failure: OSError) -> SecretsLocked:
        return SecretsLocked(
            f"cannot use secrets: their key file {self.path} cannot be read ({failure.strerror}); put it"
            " back, or delete all secrets and set them anew"
        )

    def _write(self, keys: list[str], step: Step) -> None:
        """Replace the file at once, on the disk when this returns."""
        part = self.path.with_name(f"{self.path.name}.part")
        try:
            with private(part) as file:
                file.write("".join(f"{key}\n" for key in keys).encode())
                file.flush()
                os.fsync(file.fileno())
            faults.before(step)
            part.replace(self.path)
            sync_directory(self.path.parent)
        except OSError as failure:
            said = f"cannot write the key file of secrets {self.path}: {failure.strerror}"
            raise SecretsLocked(f"{said}; mend that, or name another secrets.key_file") from failure
        faults.after(step)
