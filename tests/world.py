"""The standard test data: users, companies and issues that all tests know by name.

Ada is a super admin, Tess and Omar are technicians, Mia is a member without helpdesk access. Tests that need customers
create them.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import Connection, Row, bindparam, delete, select

from issue_tracker import clock
from issue_tracker.actor import Role, command_line
from issue_tracker.auth.company_access import set_company_access
from issue_tracker.auth.sessions import csrf_token, start_session
from issue_tracker.auth.tokens import Scope, create_token
from issue_tracker.auth.user_names import parse_display_name, parse_email
from issue_tracker.auth.users import create_user
from issue_tracker.companies.operations import create_missing_companies
from issue_tracker.companies.queries import find_companies, get_companies
from issue_tracker.company_access.grants import Grant
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import assignments, events, issues, users
from issue_tracker.issues.assignments import NewAssignment
from issue_tracker.issues.operations import create_issue
from issue_tracker.names import key, parse_issue_name, parse_name
from issue_tracker.status import Status
from tests.cast import Cast
from tests.clients import Client
from tests.connections import Connections
from tests.server import Server

PASSWORD = "correct horse battery staple"
_CHEAP_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)

CAST = {
    "ada": ("ada@helpdesk.example", "Ada Lund", Role.SUPER_ADMIN),
    "tess": ("tess@helpdesk.example", "Tess Ngo", Role.TECHNICIAN),
    "omar": ("omar@helpdesk.example", "Omar Reyes", Role.TECHNICIAN),
    "mia": ("mia@helpdesk.example", "Mia Member", Role.MEMBER),
}

COMPANIES = ("Acme Manufacturing", "Contoso", "Fabrikam", "Müller & Söhne", "Zürich (Nord)", "O’Neill’s Bar")


class Clock:
    """The clock of the tests: it runs with the real one, and can be moved."""

    def __init__(self) -> None:
        self.offset = timedelta(0)
        self.frozen: datetime | None = None

    def now(self) -> datetime:
        return self.frozen or clock._system() + self.offset

    def advance(self, **parts: float) -> None:
        """Moves the clock forward, as `timedelta(**parts)`."""
        if self.frozen is not None:
            self.frozen += timedelta(**parts)
        self.offset += timedelta(**parts)

    def freeze(self, instant: datetime) -> None:
        """Stops the clock at a given time."""
        self.frozen = instant


def _make_cast(tx: Connection) -> None:
    for email, name, role in CAST.values():
        create_user(tx, command_line("tests"), parse_email(email), parse_display_name(name), role, _CHEAP_HASH)
    create_missing_companies(tx, command_line("tests"), [parse_name(name) for name in COMPANIES])


_cast = Cast(_make_cast)
_user_id = Prepared(lambda _: select(users.c.user_id).where(users.c.email == bindparam("email")))


class World:
    """A server with the standard test data. The methods `given_…` add data through the product's own operations."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self.server = server
        self.clock = clock
        self.engine = server.engine
        self.database = server.database
        self._clients: list[Client] = []
        self._connections = Connections()
        self.cast = dict(CAST)
        with self.database.write() as tx:
            _cast.enter(tx)

    def anonymous(self, **options: Any) -> Client:
        """Returns a client without a credential."""
        client = Client(base_url=self.server.url, connections=self._connections, **options)
        self._clients.append(client)
        return client

    def client(self, who: str = "tess") -> Client:
        """Returns a client with a new session."""
        client = self.anonymous()
        token = self.session_token(who)
        client.cookies.set("issue_tracker_session", token)
        client.headers["X-CSRF-Token"] = csrf_token(token)
        return client

    def session_token(self, who: str) -> str:
        """Returns the cookie of a new session."""
        with self.database.write() as tx:
            user_id = _user_id.scalar(tx, email=self.cast[who][0])
            return start_session(tx, self.server.settings, user_id, "127.0.0.1", "tests", clock.now())[0]

    def token(self, who: str = "tess", *scopes: str, name: str = "tests") -> str:
        """Returns the text of a new API token; by default it may read and write."""
        with self.database.write() as tx:
            user_id = _user_id.scalar(tx, email=self.cast[who][0])
            wanted = [Scope(scope) for scope in scopes or ("read", "write")]
            return create_token(tx, self.server.settings, command_line("tests"), user_id, name, wanted, None)[1]

    def bearer(self, who: str = "tess", *scopes: str, name: str = "tests") -> Client:
        """Returns a client with an API token and no cookie."""
        client = self.anonymous()
        client.headers["Authorization"] = f"Bearer {self.token(who, *scopes, name=name)}"
        return client

    def given_customer(self, who: str, *companies: str) -> int:
        """Ensures that a customer with access to these companies exists, and returns the id."""
        email = f"{who}@customer.example"
        self.cast[who] = (email, f"{who.capitalize()} Customer", Role.CUSTOMER)
        with self.database.write() as tx:
            address, shown = parse_email(email), parse_display_name(self.cast[who][1])
            user = create_user(tx, command_line("tests"), address, shown, Role.CUSTOMER, _CHEAP_HASH)
            found = get_companies(tx, command_line("tests"), companies)
            grant = Grant([company.company_id for company in found.values()], [])
            set_company_access(tx, command_line("tests"), user.user_id, grant)
        return user.user_id

    def given_companies(self, *names: str) -> dict[str, int]:
        """Ensures that companies exist, and returns their ids by name."""
        with self.database.write() as tx:
            create_missing_companies(tx, command_line("tests"), [parse_name(name) for name in names])
            found = find_companies(tx, command_line("tests"), names)
        return {name: found[key(name)].company_id for name in names}

    def given_issue(self, name: str, members: Mapping[str, str] | None = None, description: str = "") -> int:
        """Creates an issue with company names and their statuses, and returns its id."""
        with self.database.write() as tx:
            found = get_companies(tx, command_line("tests"), members or ())
            assigned = [NewAssignment(found[key(name)], Status(status)) for name, status in (members or {}).items()]
            return create_issue(tx, command_line("tests"), parse_issue_name(name), description, assigned).issue_id

    def empty_issues(self) -> None:
        """Deletes all issues, for a test with many scenarios."""
        with self.database.write() as tx:
            tx.execute(delete(assignments))
            tx.execute(delete(issues))

    def history(self, *, audit: bool = False) -> list[Row[Any]]:
        """Returns the events about issues (or, with `audit`, about everything else), the oldest first."""
        query = select(events).where(events.c.audit.is_(audit)).order_by(events.c.event_id)
        with self.database.read() as tx:
            return list(tx.execute(query))

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._connections.end()
