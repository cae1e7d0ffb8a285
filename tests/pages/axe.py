"""Runs axe-core on a page."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "axe.min.js").read_text()
CHECK = """(rules) => axe.run(document, { ...rules, resultTypes: ["violations"], preload: false })
  .then(r => r.violations.map(v => `${v.id}: ${v.nodes.map(n => n.target)}`))"""
"""Axe would also describe every element that passed, and load style sheets and media again: only rules about the
orientation of screens, which is not a rule of the defaults, and about sound read them.
"""

THEMES: dict[Any, dict[str, Any]] = {
    # WCAG 2.2 AA requires targets of 24 pixels; axe disables that rule by default.
    "light": {"rules": {"target-size": {"enabled": True}}},
    "dark": {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}},
}
"""The rules by theme: all of them, and then only those about colours, the only difference between the themes
(static/css).
"""


def violations(page: Page) -> list[str]:
    """Returns the violations on the page in its current state, in the light and the dark theme."""
    page.evaluate(AXE)
    found: list[str] = []
    for theme, rules in THEMES.items():
        page.emulate_media(color_scheme=theme)
        found += [f"{theme}: {violation}" for violation in page.evaluate(CHECK, rules)]
    return found
