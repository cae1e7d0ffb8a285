"""Extracts company names from a pasted text, such as an email, a spreadsheet or a list in a ticket."""

import re
from collections.abc import Callable, Iterator

_MARKER = re.compile(
    r"""(?: [>|]                              # the quotation of an email
          | [-*+•‣◦·–—○●▪☐☑✓✔] (?=\s|\[)      # a bullet
          | \[[ xX]?\]                        # a checkbox
          | \(?\d{1,4}[.):] (?=\s)            # a number
        )\s*""",
    re.VERBOSE,
)
_LINE_ENDS = re.compile(r"[\r\n\v\f\u2028\u2029]+")
_SEPARATORS = re.compile(r"[\t;]+")
_QUOTES = "\"'“”„«»‘’`"


def split_names(text: str, known: Callable[[str], bool], is_name: Callable[[str], bool]) -> Iterator[str]:
    """Yields the distinct names in a text, in order.

    Lines, tabs and semicolons separate names; commas do, too, except inside a `known` name such as “Smith, Jones &
    Co.”. Bullets, numbers, checkboxes, quotation marks and the marks of quoted email are removed. A line that
    `is_name` remains whole, as does a part of one: forms write names in lines, and a name may begin like an item of a
    list.
    """
    seen: set[str] = set()
    for line in map(str.strip, _LINE_ENDS.split(text)):
        for name in [line] if is_name(line) else _in_line(line, known, is_name):
            if name not in seen:
                seen.add(name)
                yield name


def _in_line(line: str, known: Callable[[str], bool], is_name: Callable[[str], bool]) -> Iterator[str]:
    for part in _SEPARATORS.split(line):
        yield from _at_commas(part, known, is_name)


def _without_markers(text: str) -> str:
    text = text.strip()
    while marker := _MARKER.match(text):
        text = text[marker.end() :]
    return text


def _at_commas(text: str, known: Callable[[str], bool], is_name: Callable[[str], bool]) -> Iterator[str]:
    """Yields the names between commas. The longest sequence of up to four parts that is a known name stays together."""
    parts = text.split(",")
    start = 0
    while start < len(parts):
        if not is_name(parts[start].strip()):
            parts[start] = _without_markers(parts[start])
        end = next(
            (end for end in range(min(len(parts), start + 4), start + 1, -1) if known(_joined(parts, start, end))),
            start + 1,
        )
        name = _joined(parts, start, end)
        if name:
            yield name
        start = end


def _joined(parts: list[str], start: int, end: int) -> str:
    return ",".join(parts[start:end]).strip().strip(_QUOTES).strip()
