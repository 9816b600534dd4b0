"""Recipe: what the Engine is told to make of a tree of packages."""

import json

from runsd.environments.base import Base
from runsd.environments.naming import WORKSHOP
from runsd.environments.tree import VENV

# By the base's own Python, outside of the environment and isolated: nothing of a package runs, not even a
# .pth. Packages ship files that no compiler takes (templates, tests of syntax errors): those are left out.
_COMPILE = """\
import compileall, sys
folder = sys.argv[1]
try:
    compileall.compile_dir(folder, quiet=2, workers=0)
except (ImportError, OSError, NotImplementedError):
    compileall.compile_dir(folder, quiet=2)
"""


def dockerfile(base: Base, *, instance: str) -> str:
    """Return the Dockerfile for a context with the tree in ``venv``.

    The first label is on everything that the Engine makes on the way, so that what is left of a build that
    was cut off can be told from an image that is finished.
    """
    short = ".".join(base.version.split(".")[:2])
    site = f"{VENV}/lib/python{short}/site-packages"
    compiling = [base.base_interpreter, "-I", "-S", "-c", _COMPILE, site]
    other = base.user != "0"  # each line costs the Engine a fifth of a second
    return "\n".join(
        [
            f"FROM {base.image_id}",
            f"LABEL {WORKSHOP}={json.dumps(instance)}",
            f'ENV PATH="{VENV}/bin:$PATH" VIRTUAL_ENV="{VENV}"',
            *(["USER 0"] if other else []),
            f"COPY venv {VENV}",
            f"RUN {json.dumps(compiling)}",
            *([f"USER {base.user}"] if other else []),
            "",
        ]
    )
