"""The prerequisites of a measurement in a dataset: a signed-in technician, and requests about existing rows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from sqlalchemy import select
from tests.postgresql import Cluster

from bench.dataset import STATUSES, company_name, fill, issue_name
from bench.load import Request
from issue_tracker.actor import ALL_COMPANIES, Role, command_line
from issue_tracker.auth.company_access import set_company_access
from issue_tracker.auth.passwords import hash_password
from issue_tracker.auth.sessions import csrf_token, start_session
from issue_tracker.auth.user_names import DisplayName, Email
from issue_tracker.auth.users import create_user
from issue_tracker.clock import now
from issue_tracker.companies.operations import create_missing_companies
from issue_tracker.companies.queries import find_companies
from issue_tracker.company_access.grants import Grant
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import assignments, companies, issues, users
from issue_tracker.events.queries.log import get_last_event_id
from issue_tracker.issues.assignments import NewAssignment
from issue_tracker.issues.operations import create_issue
from issue_tracker.names import Name
from issue_tracker.settings import Settings
from issue_tracker.status import Status

FOLDER = Path("build/bench")
EMAIL, LIMITED, PASSWORD = "bench@helpdesk.example", "limited@helpdesk.example", "a long enough password"


class Scene(NamedTuple):
    """A database to measure on, and the headers of a signed-in technician."""

    database_url: str
    headers: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The file of a SQLite dataset."""
        return Path(self.database_url.removeprefix("sqlite:///"))


def embedded(assignments: int, events_each: int = 1) -> Scene:
    """Returns a SQLite dataset. Its file is reused by later runs until the schema changes."""
    path = FOLDER / f"{assignments}-{events_each}-{migrate.head()}.db"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        for stale in FOLDER.glob(f"{assignments}-{events_each}-*.db*"):
            stale.unlink()
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        fill(f"sqlite:///{unfinished}", assignments, events_each)
        unfinished.rename(path)
    return signed_in(f"sqlite:///{path}")


def limited(scene: Scene, companies: int, of: int) -> Scene:
    """Returns the same database for a technician who sees this many of all its companies, evenly spread."""
    return signed_in(scene.database_url, LIMITED, range(1, of + 1, of // companies)[:companies])


def signed_in(database_url: str, email: str = EMAIL, company_ids: Sequence[int] | None = None) -> Scene:
    """Creates a session for a technician directly in the database; with `company_ids`, for one who sees only these."""
    settings = Settings(database_url=database_url)
    database = Database(settings)
    at = now()
    with database.write() as tx:
        user_id = tx.execute(select(users.c.user_id).where(users.c.email == email)).scalar_one_or_none()
        if user_id is None:
            hashed = hash_password(PASSWORD)
            actor = command_line("bench")
            user_id = create_user(
                tx, actor, Email(email), DisplayName("Bench Technician"), Role.TECHNICIAN, hashed
            ).user_id
        if company_ids is not None:
            set_company_access(tx, command_line("bench"), user_id, Grant(company_ids, []))
        token, _ = start_session(tx, settings, user_id, "127.0.0.1", "bench", at)
    database.close()
    return Scene(database_url, {"Cookie": f"issue_tracker_session={token}", "X-CSRF-Token": csrf_token(token)})


def members(scene: Scene, count: int, company: str | None = None) -> list[tuple[str, str, Status]]:
    """Returns issue name, company name and status of one assignment each of `count` different issues, optionally of one
    company.
    """
    database = Database(Settings(database_url=scene.database_url))
    query = (
        select(issues.c.name, companies.c.name, assignments.c.status)
        .select_from(assignments.join(issues).join(companies))
        .where(assignments.c.assignment_id % 3 == 0 if company is None else companies.c.name == company)
        .order_by(assignments.c.assignment_id)
        .limit(count)
    )
    with database.read() as tx:
        found = [(issue, company, Status(status)) for issue, company, status in tx.execute(query)]
    database.close()
    return found


def status_changes(scene: Scene, count: int = 1500, company: str | None = None) -> list[Request]:
    """Returns requests each of which changes a status, however often the list is repeated: it visits all statuses.

    They start from the current statuses. Call this again before each round: a request from the middle of the list would
    change nothing.
    """
    found = members(scene, count, company)
    return [
        Request(
            "PUT", "/api/issues/status", _change(issue, company, STATUSES[(STATUSES.index(status) + step) % 6].value)
        )
        for step in range(1, 7)
        for issue, company, status in found
    ]


def _change(issue: str, company: str, status: str) -> str:
    return msgspec.json.encode({"issue_name": issue, "company_name": company, "status": status}).decode()


def matrix_scene() -> Scene:
    """Returns a SQLite dataset of 300 issues, each with all 60 companies."""
    path = FOLDER / f"matrix-300-{migrate.head()}.db"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        settings = Settings(database_url=f"sqlite:///{path}")
        database = Database(settings)
        migrate.upgrade(database)
        actor = command_line("bench")
        names = [Name(company_name(number)) for number in range(1, 61)]
        with database.write() as tx:
            create_missing_companies(tx, actor, names)
            known = find_companies(tx, actor, names).values()
            for number in range(300):
                members = [NewAssignment(one, STATUSES[(number + place) % 6]) for place, one in enumerate(known)]
                create_issue(tx, actor, Name(issue_name(number)), f"Fault {number}", members)
        database.close()
    return signed_in(f"sqlite:///{path}")


@contextmanager
def server_database(assignments: int) -> Iterator[Scene]:
    """Provides a PostgreSQL dataset, in a separate cluster with PostgreSQL's default durability."""
    cluster = Cluster(durable=True)
    try:
        cluster.start()
        url = cluster.create_database("bench")
        fill(url, assignments, 1)
        yield signed_in(url)
    finally:
        cluster.remove()


def changes_made(scene: Scene) -> int:
    """Returns the number of events: every effective change has written one."""
    database = Database(Settings(database_url=scene.database_url))
    with database.read() as tx:
        last = get_last_event_id(tx, ALL_COMPANIES)
    database.close()
    return last
