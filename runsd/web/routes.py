"""The table of pages: what a browser can look at, below ``/p/{project}``."""

from typing import Final

from runsd.web import live, runs
from runsd.web.page import Page

PAGES: Final = (
    Page("/runs", runs.index, query=runs.IndexQuery),
    Page("/live", live.of_runs, query=live.LiveQuery),
    Page("/runs/{id}/live", live.of_run, query=live.LiveQuery),
)
