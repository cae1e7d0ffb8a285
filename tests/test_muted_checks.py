"""A check that is muted for one line has its reason on that line, where whoever changes the line sees it."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent

MUTED = re.compile(r"#\s*(noqa|type: ignore)\b")

WITH_REASON = re.compile(r"#\s*(noqa: [A-Z0-9, ]+ - \w|type: ignore\[[a-z, -]+\]  # (?!noqa)\w)")
"""After a dash for ruff, and in a comment for mypy, which accepts no dash."""


def test_every_muted_check_has_a_reason() -> None:
    lines = {
        f"{file.relative_to(ROOT)}:{number}": line
        for folder in ("src", "client", "tests", "bench", "scripts")
        for file in (ROOT / folder).rglob("*.py")
        if file != Path(__file__)
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if MUTED.search(line)
    }
    assert len(lines) > 100, "the pattern finds them"
    assert {place: line for place, line in lines.items() if not WITH_REASON.search(line)} == {}
