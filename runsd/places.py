"""Where things are by default: a system service's places for root, the user's own otherwise."""

import os
from pathlib import Path


def default_socket() -> Path:
    """Return the socket's path."""
    if os.geteuid() == 0:
        return Path("/run/runsd/runsd.sock")
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}") / "runsd" / "runsd.sock"


def default_data_dir() -> Path:
    """Return the data directory."""
    given = os.environ.get("STATE_DIRECTORY")  # systemd.exec(5)
    if given:
        return Path(given.split(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/runsd")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "runsd"


def default_config() -> Path | None:
    """Return the configuration file, if there is one."""
    if os.geteuid() == 0:
        path = Path("/etc/runsd/config.toml")
    else:
        path = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "runsd" / "config.toml"
    return path if path.exists() else None
