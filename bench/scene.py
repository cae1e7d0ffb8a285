"""What a measurement needs in a dataset: somebody who is signed in, and requests about rows that exist."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from sqlalchemy import select
from tests.postgresql import Cluster

from bench.dataset import STATUSES, company_name, fill, issue_name
from bench.load import Request
from issue_tracker.actor import Role, command_line
from issue_tracker.auth.passwords import hash_password
from issue_tracker.auth.sessions import csrf_token, start_session
from issue_tracker.auth.users import DisplayName, Email, create_user
from issue_tracker.clock import now
from issue_tracker.companies.operations import create_missing_companies
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import assignments, companies, issues, users
from issue_tracker.events.queries import last_event_id
from issue_tracker.issues.operations import NewAssignment, create_issue
from issue_tracker.names import Name
from issue_tracker.settings import Settings
from issue_tracker.status import Status

FOLDER = Path("build/bench")
EMAIL, PASSWORD = "bench@helpdesk.example", "a long enough password"


class Scene(NamedTuple):
    """A database to measure on, and the headers of a technician who is signed in to it."""

    database_url: str
    headers: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The file of a SQLite dataset."""
        return Path(self.database_url.removeprefix("sqlite:///"))


def embedded(assignments: int, events_each: int = 1) -> Scene:
    """A SQLite dataset, kept in a file between runs while the schema stays the same."""
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


def signed_in(database_url: str) -> Scene:
    """Signs a technician in, past the product's throttle."""
    settings = Settings(database_url=database_url)
    database = Database(settings)
    at = now()
    with database.write() as tx:
        found = tx.execute(select(users.c.user_id).where(users.c.email == EMAIL)).scalar_one_or_none()
        if found is None:
            hashed = hash_password(PASSWORD)
            actor = command_line("bench")
            found = create_user(
                tx, actor, Email(EMAIL), DisplayName("Bench Technician"), Role.TECHNICIAN, hashed
            ).user_id
        token, _ = start_session(tx, settings, found, "127.0.0.1", "bench", at)
    database.close()
    return Scene(database_url, {"Cookie": f"issue_tracker_session={token}", "X-CSRF-Token": csrf_token(token)})


def members(scene: Scene, count: int) -> list[tuple[str, str, Status]]:
    """Issue name, company name and status of assignments of so many different issues."""
    database = Database(Settings(database_url=scene.database_url))
    query = (
        select(issues.c.name, companies.c.name, assignments.c.status)
        .select_from(assignments.join(issues).join(companies))
        .where(assignments.c.assignment_id % 3 == 0)
        .order_by(assignments.c.assignment_id)
        .limit(count)
    )
    with database.read() as tx:
        found = [(issue, company, Status(status)) for issue, company, status in tx.execute(query)]
    database.close()
    return found


def status_changes(scene: Scene, count: int = 1500) -> list[Request]:
    """Changes that all change something, as often as they are sent round: each issue goes through all statuses.

    From where the issues are now, so to be asked for anew before each round: what was sent already changes nothing.
    """
    found = members(scene, count)
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
    """300 issues that all 60 companies have, on SQLite."""
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
            for number in range(300):
                wanted = [NewAssignment(name, STATUSES[(number + place) % 6]) for place, name in enumerate(names)]
                create_issue(tx, actor, Name(issue_name(number)), f"Fault {number}", wanted)
        database.close()
    return signed_in(f"sqlite:///{path}")


@contextmanager
def server_database(assignments: int) -> Iterator[Scene]:
    """A PostgreSQL dataset, in a cluster of its own that is durable as by default."""
    cluster = Cluster(durable=True)
    try:
        cluster.start()
        url = cluster.create_database("bench")
        fill(url, assignments, 1)
        yield signed_in(url)
    finally:
        cluster.remove()


def changes_made(scene: Scene) -> int:
    """How many events there are: every change that changed something wrote one."""
    database = Database(Settings(database_url=scene.database_url))
    with database.read() as tx:
        last = last_event_id(tx)
    database.close()
    return last
