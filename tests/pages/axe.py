"""Runs axe-core on a page."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ViewportSize

AXE = (Path(__file__).parent / "axe.min.js").read_text()
CHECK = """(rules) => Promise.allSettled(document.getAnimations().map((each) => each.finished))
  .then(() => axe.run(document, { ...rules, resultTypes: ["violations"], preload: false }))
  .then(r => r.violations.map(v => `${v.id}: ${v.nodes.map(n => n.target)}`))"""
"""What is fading in has too little contrast until it has appeared.

Axe would also describe every element that passed, and load style sheets and media again: only rules about the
orientation of screens, which is not a rule of the defaults, and about sound read them.
"""

STARTED = """new Promise((resolve) => {
  const check = () => "ready" in document.documentElement.dataset ? resolve() : setTimeout(check, 5);
  check();
})"""
"""Waits until the scripts of the page have run, like `ready`, but without the scripts of Playwright, which take half as
long as the page.
"""

UNFOLD = "document.querySelectorAll('details').forEach((folded) => (folded.open = true))"

THIN = """() => {
  const seen = new Set();
  const kind = (node) => [node, node.parentElement].map((each) =>
    [each.localName, ...[...each.classList].sort(), ...each.getAttributeNames().sort()].join(".")).join(" in ");
  for (const folded of document.querySelectorAll("details")) {
    const kinds = [...folded.querySelectorAll("*")].map(kind);
    if (kinds.every((each) => seen.has(each))) folded.remove();
    kinds.forEach((each) => seen.add(each));
  }
}"""
"""Removes the folded parts of a page in which every element has the name, the classes, the attributes and the parent of
one in a part before it. Axe would take seconds for the whole reference of the API, in which one template makes all
operations.
"""

RULES: dict[str, dict[str, Any]] = {
    # WCAG 2.2 AA requires targets of 24 pixels; axe disables that rule by default.
    "light": {"rules": {"target-size": {"enabled": True}}},
    "dark": {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}},
}
"""The rules by theme: all of them, or only those about colours, the only difference between the themes
(static/css).
"""


def violations(page: Page, *sizes: ViewportSize) -> list[str]:
    """Returns the violations on the page in its current state, in the light and the dark theme, in each of these sizes,
    or else in its current one. The page is then light, as before, and has the last size.

    The themes alternate, because the page is redrawn for each change of the theme.
    """
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(AXE)
    found: list[str] = []
    for remaining, size in zip(range(len(sizes) or 1, 0, -1), sizes or (None,), strict=True):
        if size is not None:
            page.set_viewport_size(size)
        for theme in ("dark", "light") if remaining % 2 else ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            found += [f"{theme}: {violation}" for violation in page.evaluate(CHECK, RULES[theme])]
    return found
