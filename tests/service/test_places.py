"""Where things are by default: what the service manager made for us comes first."""

import os
from pathlib import Path

import pytest

from runsd import places


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the tester's own."""
    for kind in ("RUNTIME", "STATE", "CONFIGURATION"):
        monkeypatch.delenv(f"{kind}_DIRECTORY", raising=False)


def test_the_service_managers_directories_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/other")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/other:/var/lib/second")
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path))
    assert places.default_socket() == Path("/run/other/runsd.sock")
    assert places.default_data_dir() == Path("/var/lib/other")
    assert places.default_config() is None, "there is no file yet"
    (tmp_path / "config.toml").touch()
    assert places.default_config() == tmp_path / "config.toml"


def test_root_has_the_places_of_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert places.default_socket() == Path("/run/runsd/runsd.sock")
    assert places.default_data_dir() == Path("/var/lib/runsd")


def test_a_user_has_places_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RUNTIME_DIR", "STATE_HOME", "CONFIG_HOME"):
        monkeypatch.delenv(f"XDG_{name}", raising=False)
    assert places.default_socket() == Path("/run/user/1000/runsd/runsd.sock")
    assert places.default_data_dir() == tmp_path / ".local/state/runsd"
    (tmp_path / ".config/runsd").mkdir(parents=True)
    (tmp_path / ".config/runsd/config.toml").touch()
    assert places.default_config() == tmp_path / ".config/runsd/config.toml"
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/elsewhere")
    assert places.default_socket() == Path("/run/elsewhere/runsd/runsd.sock")
