"""What names and links of an archive may say: nothing that leads out of the folder that it is unpacked in."""

from collections.abc import Container


def is_inside(name: str) -> bool:
    """Say whether a name in an archive is a plain path below its root."""
    return bool(name) and not name.startswith("/") and ".." not in name.split("/") and "\0" not in name


def leads_outside(name: str, target: str) -> bool:
    """Say whether a symbolic link at that name leads out of the root, or may in ways that nobody foresees.

    Steps upwards are taken from where the link is, so they count only at the beginning: further on they would
    be taken from wherever other links lead.
    """
    steps = [step for step in target.split("/") if step not in ("", ".")]
    up = next((n for n, step in enumerate(steps) if step != ".."), len(steps))
    depth = len([step for step in name.split("/")[:-1] if step not in ("", ".")])
    return target.startswith("/") or "\0" in target or not target or ".." in steps[up:] or up > depth


def is_behind(name: str, links: Container[str]) -> bool:
    """Say whether a path passes through one of these links."""
    parts = name.split("/")
    return any("/".join(parts[:n]) in links for n in range(1, len(parts)))
