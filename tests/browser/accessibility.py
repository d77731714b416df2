"""axe-core over a page, as a list of what it finds."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")


def find_faults(page: Page, *, within: str = "html") -> list[str]:
    """Every accessibility fault axe-core finds below ``within``: its rule, how bad it is, and the element."""
    page.evaluate(AXE)
    found = page.evaluate("selector => axe.run(selector, {resultTypes: ['violations']})", within)
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
