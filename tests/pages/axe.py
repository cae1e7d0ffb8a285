"""Runs axe-core on a page."""

from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page, ViewportSize

Theme = Literal["light", "dark"]

AXE = (Path(__file__).parent / "axe.min.js").read_text()
SETTLED = "Promise.allSettled(document.getAnimations().map((each) => each.finished))"
"""What is fading in has too little contrast until it has appeared."""

CHECK = f"""async ([rules, colours]) => {{
  await {SETTLED};
  const hidden = [...document.body.children].filter((each) => !each.checkVisibility());
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  const twice = ids.filter((id, position) => ids.indexOf(id) !== position).map((id) => `used twice: ${{id}}`);
  const places = hidden.map((each) => document.createComment(""));
  hidden.forEach((each, position) => each.replaceWith(places[position]));
  const include = coloured().filter(([key]) => colours?.includes(key)).map(([, each]) => each);
  const options = {{ ...rules, resultTypes: ["violations"], preload: false }};
  const found = await axe.run(colours ? {{ include }} : document, options);
  hidden.forEach((each, position) => places[position].replaceWith(each));
  return [...twice, ...found.violations.map((each) => `${{each.id}}: ${{each.nodes.map((node) => node.target)}}`)];
}}"""
"""Runs axe on the page, or on the elements with these colours.

Axe takes a quarter of its time for the closed dialogs and other hidden parts of the page, in which it would only find
identifiers that are used twice. It would also describe every element that passed, and load style sheets and media
again: only rules about the orientation of screens, which is not a rule of the defaults, and about sound read them.
"""

COLOURED = """globalThis.coloured = () => {
  const plain = "rgba(0, 0, 0, 0) none 1";
  const known = new Map([[null, ""]]);
  const backdrop = (element) => {
    if (!known.has(element)) {
      const style = getComputedStyle(element);
      const own = `${style.backgroundColor} ${style.backgroundImage} ${style.opacity}`;
      known.set(element, (own === plain ? "" : `${own}, `) + backdrop(element.parentElement));
    }
    return known.get(element);
  };
  const written = (element) => element.matches("input, select, textarea") ? element.value || element.placeholder || ""
    : [...element.childNodes].filter((each) => each.nodeType === Node.TEXT_NODE).map((each) => each.data).join("");
  const disabled = ":disabled, [aria-disabled=true], label:has(:disabled)";
  return [...document.body.querySelectorAll("*")]
    .filter((each) => written(each).trim().length > 1 && each.checkVisibility() && !each.closest(disabled))
    .map((each) => {
      const style = getComputedStyle(each);
      const text = [style.color, style.fontSize, style.fontWeight, style.textShadow, style.textDecorationLine];
      return [[...text, getComputedStyle(each.parentElement).color, backdrop(each)].join(" "), each];
    });
}"""
"""Finds the texts of a page, each with a description of everything on which its contrast depends: its colour, size and
weight, the colour of the text around it, and all backgrounds behind it. Axe ignores what is disabled, and one letter.
"""

LOADED = f"{AXE}\n{COLOURED}"
"""Loads axe. As an initial script of a page, it need not be sent to Chromium again for each document."""

COLOURS = f"{SETTLED}.then(() => [...new Set(coloured().map(([key]) => key))])"

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

# WCAG 2.2 AA requires targets of 24 pixels; axe disables that rule by default.
ALL_RULES: dict[str, Any] = {"rules": {"target-size": {"enabled": True}}}

RULES_ABOUT_COLOURS: dict[str, Any] = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
}
"""Colours are the only difference between the themes (static/css)."""

_passed: dict[Theme, set[str]] = {"light": set(), "dark": set()}
"""The colours, as COLOURED describes them, in which axe has found no violation in this process, by theme."""


def violations(page: Page, *sizes: ViewportSize) -> list[str]:
    """Returns the violations on the page in its current state, in the light and the dark theme, in each of these sizes,
    or else in its current one. The page is then light, as before, and has the last size.

    In each size, one theme is checked with all rules. In the other one, only the contrast of texts can differ, and only
    colours that have not passed before are checked: most pages have the same ones, and axe takes as long for each
    theme as a page for everything else. The themes alternate, because the page is redrawn for each change of the theme.
    """
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(f"{LOADED}; null")
    found: list[str] = []
    for remaining, size in zip(range(len(sizes) or 1, 0, -1), sizes or (None,), strict=True):
        if size is not None:
            page.set_viewport_size(size)
        themes: tuple[Theme, Theme] = ("dark", "light") if remaining % 2 else ("light", "dark")
        first, second = themes
        page.emulate_media(color_scheme=first)
        new = set(page.evaluate(COLOURS)) - _passed[first]
        if new:
            found += _check(page, first, RULES_ABOUT_COLOURS, new)
        page.emulate_media(color_scheme=second)
        found += _check(page, second, ALL_RULES, None)
    return found


def _check(page: Page, theme: Theme, rules: dict[str, Any], colours: set[str] | None) -> list[str]:
    """Returns the violations in this theme, and remembers the colours if there are none."""
    found = page.evaluate(CHECK, [rules, colours and sorted(colours)])
    if not found:
        _passed[theme] |= colours or set(page.evaluate(COLOURS))
    return [f"{theme}: {violation}" for violation in found]
