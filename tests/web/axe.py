"""What axe-core says of a page: who cannot see, hear or point has the same one."""

from functools import cache
from typing import Any

import assets
from playwright.sync_api import Page


def axe(page: Page, *, without: tuple[str, ...] = ()) -> None:
    """Fail with what axe-core finds in a page as it is now; ``without`` names rules that are not asked."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_source())  # no CSP holds for what the debugger says
    rules = {rule: {"enabled": False} for rule in without}
    found = page.evaluate("rules => axe.run(document, {rules, resultTypes: ['violations']})", rules)
    assert not found["violations"], "\n".join(_told(each) for each in found["violations"])


@cache
def _source() -> str:
    assert assets.AXE.is_file(), "axe-core is missing; run `make environment`"
    return assets.AXE.read_text("utf-8") + ";0"  # a value that can be sent back


def _told(violation: dict[str, Any]) -> str:
    """Tell a violation in as many lines as it has places."""
    places = [
        f"  {' '.join(map(str, node['target']))}: {node['html'][:200]}\n    "
        + node["failureSummary"].replace("\n", "\n    ")
        for node in violation["nodes"]
    ]
    return "\n".join([f"{violation['id']} ({violation['impact']}): {violation['help']}", *places])
