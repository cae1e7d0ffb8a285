"""Checks of a page on a small screen."""

from playwright.sync_api import ViewportSize

TINY: ViewportSize = {"width": 320, "height": 640}
"""A screen of 1280 pixels at 400 % (WCAG 2.2, 1.4.10)."""

CUT = """() => {
  // A table of two dimensions and a text in columns may be scrolled; what is for screen readers only is nowhere.
  const spared = ".matrix, .scrolls, pre, .vh, dialog, [popover], .swagger, svg *";
  return [...document.querySelectorAll("body *")]
    .filter((each) => each.checkVisibility() && !each.closest(spared))
    .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
    .map((each) => `${each.tagName}.${each.className}: ${(each.textContent ?? "").trim().slice(0, 40)}`)
    .slice(0, 5);
}"""
"""Returns the elements of a page that extend beyond the right edge of the screen."""

SMALL = """() => {
    const inline = element => element.matches("p a, li a, td a, h4 a, .tag, .history a, .crumbs a, .brand");
    const shown = element => element.checkVisibility() && element.getBoundingClientRect().width > 1;
    const target = element => (element.matches("[type=checkbox], [type=radio]") && element.closest("label")) || element;
    const targets = "main :is(button, a, summary, input, select, textarea), .top :is(a, button)";
    const low = [...document.querySelectorAll(targets)].filter(element => shown(element) && !inline(element))
        .filter(element => target(element).getBoundingClientRect().height < 43.5);
    const typed = "input:not([type=checkbox], [type=radio], [type=hidden]), select, textarea";
    const tiny = [...document.querySelectorAll(typed)].filter(each => parseFloat(getComputedStyle(each).fontSize) < 16);
    return [...low, ...tiny].map(element => element.outerHTML.slice(0, 120));
}"""
"""Returns the touch targets of less than 44 pixels, and the fields with less than 16 pixels, which make browsers zoom
in. Links in texts are spared (WCAG 2.2, 2.5.8).
"""
