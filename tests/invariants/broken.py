"""A violation in a database, with the statements that cause it and the sentence that reports it."""

from typing import NamedTuple

STORAGE = "the storage is sound"
REFERENCES = "every reference leads to an existing row"
NUMBERS = "numbers are not used again"
KEYS = "keys are made from their texts"
NAMES = "names are unique"
ACCOUNTS = "accounts are in a valid state"
ISSUES = "issues match their events"
UPDATES = "updates match their events"
COMPANIES = "companies match their events"
COPIES = "copies of statuses and names are equal"
COUNTERS = "counters equal a recount"
SEARCH = "search equals a scan"
DELIVERIES = "deliveries are in a valid state"
MESSAGES = "messages are about recorded events"
OUTBOX = "events have exactly one message"

PRINTER = "(SELECT issue_id FROM issues WHERE name = 'Printer offline')"
FABRIKAM = "(SELECT company_id FROM companies WHERE name = 'Fabrikam')"
DELIVERED = "(SELECT min(id) FROM deliveries WHERE state = 'delivered')"
PENDING = "(SELECT max(id) FROM deliveries WHERE state = 'pending')"
RETRIED = "(SELECT min(id) FROM deliveries WHERE state = 'pending' AND attempts = 1)"
FAILED = "(SELECT min(id) FROM deliveries WHERE state = 'failed')"
OF_PRINTER = "WHERE issue_name = 'Printer offline' AND type ="
LATER = "'2099-01-01T00:00:00.000000+00:00'"
EARLIER = "'1999-01-01T00:00:00.000000+00:00'"
FIELDS = "webhook_id, issue_id, type, body, state, attempts, due_at, created_at"
COPY_A_DELIVERY = f"INSERT INTO deliveries (message_id, {FIELDS}) SELECT"
COPIED = f", {FIELDS} FROM deliveries"

# In SQLite foreign keys are off until a connection enables them; in PostgreSQL, a replica does not check them.
WITHOUT_FOREIGN_KEYS = "SET session_replication_role = replica"
ONE_NAME_TWICE = (
    "INSERT INTO companies (name, name_key, archived, created_at, updated_at)"
    " SELECT 'CONTOSO', name_key, archived, created_at, updated_at FROM companies WHERE name = 'Contoso'"
)


class Broken(NamedTuple):
    """The violation, the invariant that it violates, and a pattern of the sentence that reports it.

    The statements for the specific database are run first, then those for both.
    """

    name: str
    invariant: str
    sentence: str
    everywhere: str = ""
    sqlite: tuple[str, ...] = ()
    postgresql: tuple[str, ...] = ()

    def statements(self, engine: str) -> tuple[str, ...]:
        """Returns the statements for an engine; none if this violation is impossible there."""
        own = self.sqlite if engine == "sqlite" else self.postgresql
        return (*own, self.everywhere) if self.everywhere else own
