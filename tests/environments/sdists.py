"""Tiny source distributions, which are made into wheels by a backend of their own: no index is needed."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

# Writes a wheel with a module of its name, whose ``facts`` are what ``act`` returns while it is built.
_BACKEND = """\
import os, zipfile

def act():
{act}

def get_requires_for_build_wheel(config_settings=None):
    return {asks!r}

def build_wheel(folder, config_settings=None, metadata_directory=None):
    info = "{name}-{version}.dist-info/"
    files = {{
        "{name}.py": "version = {version!r}\\nfacts = " + repr(act()) + "\\n",
        info + "METADATA": "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n{needs}",
        info + "WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: {tag}\\n",
    }}
    files[info + "RECORD"] = "".join(path + ",,\\n" for path in files)
    name = "{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return name
"""


def sdist(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    act: str = "return None",
    requires: Sequence[str] = (),
    asks: Sequence[str] = (),
    needs: Sequence[str] = (),
    tag: str = "py3-none-any",
    form: str = "gztar",
) -> Path:
    """Write a source distribution. While it is built, and wherever it is, it does what ``act`` says.

    ``requires`` is in its pyproject.toml, ``asks`` is what its backend asks for besides, ``needs`` is in the
    metadata of its wheel alone.
    """
    backend = _BACKEND.format(
        name=name, version=version, tag=tag, asks=list(asks),
        act="".join(f"    {line}\n" for line in act.splitlines()),
        needs="".join(f"Requires-Dist: {need}\\n" for need in needs),
    )  # fmt: skip
    pyproject = (
        f'[build-system]\nrequires = {list(requires)!r}\nbuild-backend = "own"\nbackend-path = ["in"]\n'
    )
    folder.mkdir(parents=True, exist_ok=True)
    title = f"{name}-{version}"
    with TemporaryDirectory() as place:
        top = Path(place, title)
        (top / "in").mkdir(parents=True)
        (top / "in" / "own.py").write_text(backend)
        (top / "pyproject.toml").write_text(pyproject)
        return Path(shutil.make_archive(str(folder / title), form, place, title))
