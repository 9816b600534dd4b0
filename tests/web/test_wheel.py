"""The wheel has what browsers load, whole, and no more of it than a slow line bears."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import assets
import pytest

STATIC = "runsd/web/static/"


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The sizes of the static files in a wheel that was built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    nowhere = {"npm_config_registry": "http://127.0.0.1:9/", "npm_config_offline": "true"}
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(
        build, cwd=assets.ROOT, env={**os.environ, **nowhere}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return {
            each.filename.removeprefix(STATIC): each.file_size
            for each in wheel.infolist()
            if each.filename.startswith(STATIC)
        }


def test_wheel_has_the_files_of_others_and_their_licences(static: dict[str, int]) -> None:
    wanted = [*assets.SERVED, assets.LICENSES.name]
    assert {name: static.get(f"vendor/{name}") for name in wanted} == {
        name: (assets.VENDOR / name).stat().st_size for name in wanted
    }


def test_files_of_another_lock_are_not_taken_for_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert assets.ready()
    lock = tmp_path / "package-lock.json"
    lock.write_bytes(assets.LOCK.read_bytes().replace(b"htmx.org", b"other.org"))
    monkeypatch.setattr(assets, "LOCK", lock)
    assert not assets.ready()
