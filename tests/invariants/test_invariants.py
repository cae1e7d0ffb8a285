"""The checker finds nothing in a valid database, and finds every violation that a test creates."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext, suppress
from datetime import timedelta

import pytest
from msgspec import structs

from issue_tracker.actor import Role
from issue_tracker.database.driver import driver
from issue_tracker.database.engine import Database
from issue_tracker.errors import Forbidden
from issue_tracker.invariants import checker
from issue_tracker.invariants.checker import MOST_FINDINGS, Finding, check
from issue_tracker.settings import Settings
from tests.invariants.broken import KEYS
from tests.invariants.broken_state import STATE_BROKEN
from tests.invariants.broken_storage import STORAGE_BROKEN
from tests.invariants.broken_webhooks import WEBHOOKS_BROKEN
from tests.invariants.scene import CHECKER, fill
from tests.shared import SQLITE, Shared

# All tests use one filled database for each engine; compiling the queries of a check takes longer than running them.
pytestmark = pytest.mark.together

NOBODY_WROTE = timedelta(0)


class Undone(Exception):
    """Rolls back a violation."""


class Filled:
    """A filled database, and its copy in which tests create violations."""

    def __init__(self, engine: str, shared: Shared) -> None:
        self._shared, self._url = shared, shared.copy(engine, fill)
        self._broken_url = shared.copy(engine, fill)
        self.database = Database(Settings(database_url=self._broken_url))

    def close(self) -> None:
        self.database.close()
        self._shared.drop(self._url)
        self._shared.drop(self._broken_url)

    def findings(self) -> list[Finding]:
        return list(check(self.database, CHECKER, longest_transaction=NOBODY_WROTE))

    def findings_after(self, statements: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
        """Runs statements that the product would never run, without foreign keys if they prevent the violation.

        On SQLite the content is restored first; on PostgreSQL, where that costs more, the transaction is rolled back.
        """
        if self.database.sqlite:
            with (
                closing(sqlite3.connect(self._url.removeprefix(SQLITE))) as valid,
                closing(sqlite3.connect(self._broken_url.removeprefix(SQLITE), isolation_level=None)) as connection,
            ):
                valid.backup(connection)
                for statement in statements:
                    connection.executescript(statement)
            return self.findings()
        found: list[Finding] = []
        with suppress(Undone), self.database.write() as tx:
            for statement in statements:
                driver(tx).execute(statement)
            with monkeypatch.context() as patched:
                patched.setattr(self.database, "read", lambda **_: nullcontext(tx))
                found = self.findings()
            raise Undone
        return found


@pytest.fixture(scope="module")
def filled(engine: str, shared: Shared) -> Iterator[Filled]:
    filled = Filled(engine, shared)
    yield filled
    filled.close()


def test_a_valid_database_has_no_findings(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    assert filled.findings_after((), monkeypatch) == []
    assert filled.findings() == []


def test_every_violation_is_found(engine: str, filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a violation that both databases can have does to the other checks is tested on SQLite alone."""
    invariants = checker._invariants(NOBODY_WROTE)
    missed = {}
    for broken in STORAGE_BROKEN + STATE_BROKEN + WEBHOOKS_BROKEN:
        if statements := broken.statements(engine):
            everything = engine == "sqlite" or not broken.statements("sqlite")
            checked = invariants if everything else {broken.invariant: invariants[broken.invariant]}
            monkeypatch.setattr(checker, "_invariants", lambda _, checked=checked: checked)
            found = filled.findings_after(statements, monkeypatch)
            if not any(one.invariant == broken.invariant and re.search(broken.sentence, one.sentence) for one in found):
                missed[broken.name] = found
    assert missed == {}


def test_one_cause_results_in_few_findings(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    statements = ("UPDATE events SET issue_key = 'another' WHERE issue_id IS NOT NULL",)
    found = filled.findings_after(statements, monkeypatch)
    assert [finding.invariant for finding in found] == [KEYS] * MOST_FINDINGS


def test_only_super_admins_see_the_findings(filled: Filled) -> None:
    technician = structs.replace(CHECKER, role=Role.TECHNICIAN)
    with pytest.raises(Forbidden):
        next(check(filled.database, technician))
