"""Every decision has a status and a date, and the list of decisions repeats them."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs" / "decisions"
HEADER = re.compile(
    r"# (?P<number>\d{4}) (?P<title>.+)\n\nStatus: (?P<status>[^.]+)\. Date: (?P<date>\d{4}-\d\d-\d\d)\.\n"
)


def test_the_list_of_decisions_is_complete() -> None:
    rows = []
    for path in sorted(FOLDER.glob("0*.md")):
        header = HEADER.match(path.read_text())
        assert header, path.name
        rows.append("| [{number}]({path}) | {title} | {status} | {date} |".format(path=path.name, **header.groupdict()))
    listed = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| [")]
    assert listed == rows
