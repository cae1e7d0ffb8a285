"""Extracts the text of an HTML message in lines; the cells of a table row are on one line.

Implemented with the standard library: html2text is licensed under the GPL and produces Markdown, and inscriptis
requires lxml and requests. Nothing is rendered; the contents of scripts, style sheets and the head are left out.
"""

import re
from html.parser import HTMLParser

LONGEST = 100_000
"""Maximum length of the parsed HTML in characters."""

_SKIPPED = frozenset(("head", "script", "style", "template", "title", "noscript"))
_WITHIN_LINES = frozenset(
    ("a", "abbr", "b", "bdi", "big", "code", "del", "em", "font", "i", "img", "ins", "kbd", "label")
)
_WITHIN_LINES |= frozenset(("mark", "q", "s", "small", "span", "strong", "sub", "sup", "td", "th", "tt", "u", "wbr"))
_CELLS = frozenset(("td", "th"))

_spaces = re.compile(r"[ \t\r\n\f\v\u00a0]+")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[list[str]] = [[]]
        self._skipped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._skipped.append(tag)
        elif tag in _CELLS:
            self.lines[-1].append(" ")
        elif tag not in _WITHIN_LINES:
            self.lines.append([])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _WITHIN_LINES:
            self.lines.append([])

    def handle_endtag(self, tag: str) -> None:
        if tag in self._skipped:
            # Unclosed elements inside are closed with it.
            del self._skipped[self._skipped.index(tag) :]
        elif tag not in _WITHIN_LINES:
            self.lines.append([])

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self.lines[-1].append(data)


def text_of_html(html: str) -> str:
    """Returns the text of the first LONGEST characters of any HTML, even if malformed, without blank lines."""
    reader = _Reader()
    try:
        reader.feed(_terminated(html[:LONGEST]))
        reader.close()
    except (AssertionError, RecursionError, ValueError):
        # The parser does not support some declarations. The text parsed so far is kept.
        pass
    lines = (_spaces.sub(" ", "".join(parts)).strip() for parts in reader.lines)
    return "\n".join(line for line in lines if line)


def _terminated(html: str) -> str:
    """Returns HTML without comments, in which every tag and declaration ends.

    For each one without an end, the parser of older Python versions searches the whole rest: seconds for 100 kB.
    """
    parts, at = [], 0
    while (start := html.find("<!--", at)) >= 0:
        parts.append(html[at:start])
        end = html.find("-->", start + 2)
        at = len(html) if end < 0 else end + 3
    # A section such as <![if !mso]> ends with the next >, as in browsers, not with ]>.
    complete, end_of_tag, rest = ("".join(parts) + html[at:]).replace("<![", "<!if[").rpartition(">")
    return complete + end_of_tag + rest.replace("<", "&lt;")
