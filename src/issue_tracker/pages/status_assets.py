"""The files that browsers load about statuses, generated from the status table and from the sprite of the pages.

- `js/statuses.js` exports the table to the scripts (its type is in `types/statuses.d.ts`).
- `css/main/statuses.css`, a part of `css/main.css`, colours the drawings and positions those of the matrix.
- `shapes.svg` holds the drawings that cells of the matrix use as their background: one column for each status in the
  order of display, light above, dark below. `shapes-old.svg` adds the mark of unmoved assignments. They are two files
  because a browser draws a whole file for each cell.
"""

import json
import re
from pathlib import Path

from issue_tracker.status import ROWS, StatusRow

SPRITE = Path(__file__).parent.parent / "templates" / "web" / "sprite.html"

CELL = 32
"""Width and height of a cell of the matrix, in CSS pixels."""

MARGIN = 8
"""The distance between the border of a cell and its drawing, which is 16 pixels wide."""

_INK = ("#1b1d1f", "#e6e7e8")
"""The light and dark colours of the mark: `--ink` of the style sheet."""

_MARK = f'<path d="M{CELL - 9} 1h8v8z" fill="{{}}"/>'

_SYMBOL = re.compile(r'<symbol id="([^"]+)"[^>]*>(.*?)</symbol>', re.DOTALL)


def status_assets() -> dict[str, bytes]:
    """Returns the generated files by their names under `static/`."""
    rows = list(ROWS.values())
    files = {
        "js/statuses.js": _module(rows),
        "css/main/statuses.css": _style_sheet(rows),
        "shapes.svg": _drawings(rows),
        "shapes-old.svg": _drawings(rows, _MARK),
    }
    return {name: text.encode() for name, text in files.items()}


def _module(rows: list[StatusRow]) -> str:
    table = [
        {
            "value": row.status.value,
            "label": row.label,
            "open": row.open,
            "symbol": row.symbol,
            "cell": row.cell,
            "key": row.key,
        }
        for row in rows
    ]
    return f"export const STATUSES = {json.dumps(table, separators=(',', ':'))};\n"


def _style_sheet(rows: list[StatusRow]) -> str:
    rules = [f".shape.{row.status} {{ color: light-dark({row.light}, {row.dark}); }}" for row in rows]
    rules += [f".status.{row.status} {{ color: var(--quiet); }}" for row in rows if not row.open]
    rules += [
        f".matrix td.{row.cell} {{ background-position-x: {-CELL * column}px; }}" for column, row in enumerate(rows)
    ]
    return "\n".join(rules) + "\n"


def _drawings(rows: list[StatusRow], mark: str = "") -> str:
    symbols = dict(_SYMBOL.findall(SPRITE.read_text(encoding="utf-8")))
    drawings = [
        f'<g transform="translate({CELL * column} {CELL * line})">{mark.format(_INK[line])}'
        f'<g transform="translate({MARGIN} {MARGIN})">{symbols[row.symbol].replace("currentColor", colour)}</g></g>'
        for column, row in enumerate(rows)
        for line, colour in enumerate((row.light, row.dark))
    ]
    width, height = CELL * len(rows), CELL * 2
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(drawings)}</svg>\n'
