"""What axe-core finds on a page."""

from pathlib import Path

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "axe.min.js").read_text()
CHECK = "() => axe.run(document).then(r => r.violations.map(v => `${v.id}: ${v.nodes.map(n => n.target)}`))"


def violations(page: Page) -> list[str]:
    """Every rule, on the page as it is, in the light and in the dark."""
    page.evaluate(AXE)
    found: list[str] = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        found += [f"{theme}: {violation}" for violation in page.evaluate(CHECK)]
    return found
