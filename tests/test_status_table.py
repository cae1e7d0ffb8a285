"""The status table is consistent, and browsers receive its values."""

import json
import re

import pytest

from issue_tracker.database.tables.issues import UNFINISHED
from issue_tracker.pages.assets import ASSETS
from issue_tracker.pages.company_sentences import WORDING
from issue_tracker.status import BITS, CHOICES, FINISHED, LABELS, OPEN, RANKED, ROWS, STATUSES, Status, mask

STORED_BITS = {"new": 1, "investigating": 2, "in_progress": 4, "monitoring": 8, "resolved": 16, "closed": 32}
"""The bits that existing databases contain."""


def test_every_status_has_one_row() -> None:
    assert set(ROWS) == set(Status)
    assert all(row.status is status for status, row in ROWS.items())


@pytest.mark.parametrize("column", ["label", "rank", "bit", "symbol", "cell", "key", "light", "dark"])
def test_no_two_statuses_share_a_value(column: str) -> None:
    assert len({getattr(row, column) for row in ROWS.values()}) == len(ROWS)


def test_stored_bits_never_change() -> None:
    assert {status.value: bit for status, bit in BITS.items() if status.value in STORED_BITS} == STORED_BITS
    assert all(bit.bit_count() == 1 for bit in BITS.values())
    assert mask([Status.NEW, Status.CLOSED, Status.NEW]) == 33


def test_the_index_of_unfinished_issues_has_the_bits_of_finished_statuses() -> None:
    assert f"(statuses & {mask(FINISHED)})" in UNFINISHED


def test_every_list_is_in_display_order() -> None:
    assert [ROWS[status].rank for status in RANKED] == sorted(row.rank for row in ROWS.values())
    assert tuple(LABELS) == tuple(BITS) == tuple(STATUSES.values()) == RANKED
    assert sorted(OPEN + FINISHED, key=RANKED.index) == list(RANKED)
    assert CHOICES == "new, investigating, in_progress, monitoring, resolved, closed"


def test_every_open_status_has_a_wording_for_customers() -> None:
    assert tuple(WORDING) == OPEN


def test_keys_are_digits_because_letters_have_other_meanings() -> None:
    assert all(re.fullmatch(r"\d", row.key) for row in ROWS.values())


def test_scripts_receive_the_table() -> None:
    module = ASSETS["js/statuses.js"].content.decode()
    rows = json.loads(module.removeprefix("export const STATUSES = ").rstrip(";\n"))
    assert rows == [
        {name: getattr(row, name) for name in ("label", "open", "symbol", "cell", "key")} | {"value": status.value}
        for status, row in ROWS.items()
    ]


def test_every_status_has_a_colour_and_a_drawing() -> None:
    style, drawings = ASSETS["css/main.css"].content.decode(), ASSETS["shapes.svg"].content.decode()
    for column, (status, row) in enumerate(ROWS.items()):
        assert f".shape.{status} {{ color: light-dark({row.light}, {row.dark}); }}" in style
        assert f".matrix td.{row.cell} {{ background-position-x: {-32 * column}px; }}" in style
        assert row.light in drawings and row.dark in drawings
