"""Run inside a container, by its own Python 3.8 or newer: have a source distribution made into a wheel.

``backend.py PLACE`` unpacks ``PLACE/sdist`` into ``PLACE/source``, does what ``PLACE/job.json`` says, and
leaves its answer in ``PLACE/out``: of a first look the ``pyproject.toml``, if there is one; of a build
``answer.json`` and the ``wheel``. ``backend.py PLACE HOOK`` calls one hook of PEP 517.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from typing import Any


def main(place: str, hook: str | None = None) -> None:
    """Do one step of a build."""
    out = os.path.join(place, "out")
    with open(os.path.join(place, "job.json")) as file:
        job = json.load(file)
    if hook is not None:
        write(out, hook, call(job, hook, out))
        return
    unpack(place)
    source = os.path.join(place, "source")
    if job["look"]:
        if os.path.exists(os.path.join(source, "pyproject.toml")):
            shutil.copyfile(os.path.join(source, "pyproject.toml"), os.path.join(out, "pyproject.toml"))
        return
    more = [one for one in ask(place, "get_requires_for_build_wheel") if one not in job["requires"]]
    wheel = None
    if not more:
        wheel = ask(place, "build_wheel")
        os.replace(os.path.join(out, wheel), os.path.join(out, "wheel"))
    write(out, "answer", {"requires": more, "wheel": wheel})


def unpack(place: str) -> None:
    """Unpack the archive; its one folder becomes ``source``."""
    packed, folder = os.path.join(place, "sdist"), os.path.join(place, "unpacked")
    if zipfile.is_zipfile(packed):
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(folder)
    else:
        with tarfile.open(packed) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extraction_filter = tarfile.data_filter
            archive.extractall(folder)
    tops = [name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name))]
    if len(tops) != 1:
        sys.exit("it is no source distribution: at its top there is not one folder, but {}".format(tops))
    os.rename(os.path.join(folder, tops[0]), os.path.join(place, "source"))


def ask(place: str, hook: str) -> Any:
    """Call a hook as frontends do: in a new process, from within the source."""
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", os.defpath)
    ended = subprocess.call(
        [sys.executable, "-I", "-u", os.path.abspath(__file__), place, hook],
        cwd=os.path.join(place, "source"), env=dict(os.environ, PATH=path),
    )  # fmt: skip
    if ended:
        sys.exit(ended if ended > 0 else 128 - ended)
    with open(os.path.join(place, "out", hook + ".json")) as file:
        return json.load(file)


def call(job: dict[str, Any], hook: str, out: str) -> Any:
    """Call a hook of the backend that the source names; it may lack all but one."""
    sys.path[:0] = [os.path.abspath(folder) for folder in job["path"]]
    module, _, names = job["backend"].partition(":")
    backend = importlib.import_module(module)
    for name in names.split(".") if names else ():
        backend = getattr(backend, name)
    if hook == "build_wheel":
        return backend.build_wheel(out)
    return list(getattr(backend, hook)()) if hasattr(backend, hook) else []


def write(out: str, name: str, value: object) -> None:
    """Leave a word behind."""
    with open(os.path.join(out, name + ".json"), "w") as file:
        json.dump(value, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
