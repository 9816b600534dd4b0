"""Standards: what `packaging` knows of Python's requirements, versions and markers, loaded when first used.

It takes 2 MiB, which a daemon does without until a run names packages.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from packaging.markers import InvalidMarker, Marker
    from packaging.metadata import parse_email
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
    from packaging.version import InvalidVersion, Version
else:
    _MODULES: Final = {
        "InvalidMarker": "markers",
        "Marker": "markers",
        "parse_email": "metadata",
        "InvalidRequirement": "requirements",
        "Requirement": "requirements",
        "InvalidSpecifier": "specifiers",
        "SpecifierSet": "specifiers",
        "InvalidWheelFilename": "utils",
        "canonicalize_name": "utils",
        "parse_wheel_filename": "utils",
        "InvalidVersion": "version",
        "Version": "version",
    }

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"{__name__} has no {name}")
        return globals().setdefault(name, getattr(import_module(f"packaging.{_MODULES[name]}"), name))


__all__ = [
    "InvalidMarker",
    "InvalidRequirement",
    "InvalidSpecifier",
    "InvalidVersion",
    "InvalidWheelFilename",
    "Marker",
    "Requirement",
    "SpecifierSet",
    "Version",
    "canonicalize_name",
    "parse_email",
    "parse_wheel_filename",
]
