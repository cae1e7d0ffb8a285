"""The checker finds nothing in a valid database, and finds every violation that a test creates."""

import re
import sqlite3
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from msgspec import structs

from issue_tracker.actor import Role
from issue_tracker.database.engine import Database
from issue_tracker.errors import Forbidden
from issue_tracker.invariants.checker import MOST_FINDINGS, Finding, check
from issue_tracker.settings import Settings
from tests.conftest import ENGINES
from tests.invariants.broken import KEYS, Broken
from tests.invariants.broken_state import STATE_BROKEN
from tests.invariants.broken_storage import STORAGE_BROKEN
from tests.invariants.broken_webhooks import WEBHOOKS_BROKEN
from tests.invariants.scene import CHECKER, fill
from tests.shared import SQLITE, Shared

NOBODY_WROTE = timedelta(0)


@pytest.fixture
def filled_url(engine: str, shared: Shared) -> Iterator[str]:
    """A filled database, used only by this test."""
    url = shared.copy(engine, fill)
    yield url
    shared.drop(url)


def findings(url: str) -> list[Finding]:
    database = Database(Settings(database_url=url))
    try:
        return list(check(database, CHECKER, longest_transaction=NOBODY_WROTE))
    finally:
        database.close()


def run(url: str, statements: tuple[str, ...]) -> None:
    """Runs statements that the product would never run, without foreign keys if they prevent the violation."""
    if url.startswith(SQLITE):
        connection = sqlite3.connect(url.removeprefix(SQLITE), isolation_level=None)
        for statement in statements:
            connection.executescript(statement)
        connection.close()
        return
    with psycopg.connect(url, autocommit=True) as connection_:
        for statement in statements:
            connection_.execute(statement.encode())


def test_a_valid_database_has_no_findings(filled_url: str) -> None:
    assert findings(filled_url) == []


@pytest.mark.parametrize(
    ("engine", "broken"),
    [
        pytest.param(engine, broken, id=f"{broken.name}-{engine}")
        for broken in STORAGE_BROKEN + STATE_BROKEN + WEBHOOKS_BROKEN
        for engine in ENGINES
        if broken.statements(engine)
    ],
    indirect=["engine"],
)
def test_every_violation_is_found(engine: str, filled_url: str, broken: Broken) -> None:
    run(filled_url, broken.statements(engine))
    found = findings(filled_url)
    assert any(
        finding.invariant == broken.invariant and re.search(broken.sentence, finding.sentence) for finding in found
    ), found


def test_one_cause_results_in_few_findings(filled_url: str) -> None:
    run(filled_url, ("UPDATE events SET issue_key = 'another' WHERE issue_id IS NOT NULL",))
    assert [finding.invariant for finding in findings(filled_url)] == [KEYS] * MOST_FINDINGS


def test_only_super_admins_see_the_findings(filled_url: str) -> None:
    technician = structs.replace(CHECKER, role=Role.TECHNICIAN)
    database = Database(Settings(database_url=filled_url))
    with pytest.raises(Forbidden):
        next(check(database, technician))
    database.close()
