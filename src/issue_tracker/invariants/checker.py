"""The invariants, and the check of a database against all of them.

The check needs only the database: no server has to run, and running servers may continue. All invariants are checked in
one snapshot, and each of them holds in every snapshot. Rows are read in pieces, so that memory is bounded. The
write-ahead log of an embedded database in use grows until the check ends.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import islice

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor, require_super_admin
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.database.moving.rows import Reader
from issue_tracker.invariants.queries import accounts, counters, deliveries, histories, names, outbox, search, storage

MOST_FINDINGS = 20
"""Maximum number of findings of one invariant that are reported; one cause often breaks thousands of rows."""

LONGEST_TRANSACTION = timedelta(minutes=1)
"""No request holds a transaction open for longer."""


class Finding(msgspec.Struct, frozen=True):
    """A violated invariant: its name, and a sentence that says what is wrong and where."""

    invariant: str
    sentence: str


Check = Callable[[Connection, Actor], Iterator[str]]


def check(
    database: Database, actor: Actor, *, longest_transaction: timedelta = LONGEST_TRANSACTION
) -> Iterator[Finding]:
    """Yields the violations; none if the database is consistent.

    On PostgreSQL, a webhook is assumed to receive everything once it has existed for `longest_transaction`; zero is
    right if no other transaction was open when it was created or changed. Raises Forbidden unless the actor is a super
    admin, and Unavailable.
    """
    require_super_admin(actor)
    with database.read(in_bulk=True) as tx:
        Reader.of(tx)  # lifts the time limits of the transaction
        for name, find in _invariants(longest_transaction).items():
            for sentence in islice(find(tx, actor), MOST_FINDINGS):
                yield Finding(name, sentence)


def _invariants(longest_transaction: timedelta) -> dict[str, Check]:
    """Returns every invariant by its name, in the order of the check: those on which others rely come first."""
    return {
        "the storage is sound": storage.damaged_storage,
        "every reference leads to an existing row": storage.orphans,
        "numbers are not used again": storage.used_numbers,
        "keys are made from their texts": names.wrong_keys,
        "names are unique": names.equal_names,
        "accounts are in a valid state": accounts.impossible_accounts,
        "issues match their events": histories.wrong_issues,
        "updates match their events": histories.wrong_updates,
        "companies match their events": histories.wrong_companies,
        "copies of statuses and names are equal": counters.wrong_copies,
        "counters equal a recount": counters.wrong_counters,
        "search equals a scan": search.wrong_search,
        "deliveries are in a valid state": deliveries.impossible_deliveries,
        "messages are about recorded events": deliveries.unfounded_messages,
        "events have exactly one message": partial(outbox.wrong_messages, at=now(), settled_after=longest_transaction),
    }
