"""Where things are by default: what systemd gave, else the places of a service or of a user."""

import os
from pathlib import Path


def default_socket() -> Path:
    """Return the socket's path."""
    if (given := _given("RUNTIME_DIRECTORY")) is not None:
        return given / "runsd.sock"
    if os.geteuid() == 0:
        return Path("/run/runsd/runsd.sock")
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}") / "runsd" / "runsd.sock"


def default_data_dir() -> Path:
    """Return the data directory."""
    if (given := _given("STATE_DIRECTORY")) is not None:
        return given
    if os.geteuid() == 0:
        return Path("/var/lib/runsd")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "runsd"


def default_config() -> Path | None:
    """Return the configuration file, if there is one."""
    path = _config_directory() / "config.toml"
    return path if path.exists() else None


def _config_directory() -> Path:
    if (given := _given("CONFIGURATION_DIRECTORY")) is not None:
        return given
    if os.geteuid() == 0:
        return Path("/etc/runsd")
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "runsd"


def _given(variable: str) -> Path | None:
    """Return the first of the directories that a service manager made for us: systemd.exec(5)."""
    value = os.environ.get(variable)
    return Path(value.split(":")[0]) if value else None
