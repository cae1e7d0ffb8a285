"""Rolling upgrades (docs/decisions/0021): the program runs on a later schema that allows it, and refuses any other."""

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import TextClause, text

from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.settings import Settings
from tests.clients import get
from tests.database.killing import Migrating
from tests.processes import ADMIN, ServeProcess, run
from tests.server import serving
from tests.waiting import eventually
from tests.world import Clock, World

PROGRAM = migrate.head()
NEXT, AFTER_NEXT = (f"{int(PROGRAM) + step:04d}" for step in (1, 2))

EXPANDING = """
    op.add_column("issues", sa.Column("severity_of_the_future", sa.Text(), nullable=True))
    op.add_column("events", sa.Column("origin", sa.Text(), server_default="product", nullable=False))
    op.create_index("ix_issues_of_the_future", "issues", ["severity_of_the_future"])
    op.create_table("tags_of_the_future", sa.Column("tag", sa.Text(), primary_key=True))
"""

MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{revision}", "{before}"
{declaration}


def upgrade():
{steps}
"""

Upgrade = Callable[..., None]


@pytest.fixture
def upgrade(tmp_path: Path, migrating: Migrating) -> Upgrade:
    """Migrates a database with a later program, each of whose migrations names its oldest program, or none."""

    def with_later_program(url: str, *oldest: str | None, steps: str = "    pass") -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        for number, declared in enumerate(oldest):
            declaration = "" if declared is None else f'oldest_program = "{declared}"'
            revision, before = (NEXT, PROGRAM) if number == 0 else (AFTER_NEXT, NEXT)
            done = steps if number == 0 else "    pass"
            content = MIGRATION.format(revision=revision, before=before, declaration=declaration, steps=done)
            (folder / "versions" / f"{revision}_later.py").write_text(content)
        migrating.to_the_end(url, folder)

    return with_later_program


class Busy:
    """A client that constantly changes and reads data, and a probe."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.responses = 0
        self.refused: list[str] = []

    def goes_on(self) -> None:
        """Waits for thirty more responses."""
        before = self.responses
        eventually(lambda: self.responses > before + 30, 60)

    def _work(self) -> None:
        client, turn = self._world.client("omar"), 0
        while not self._done.is_set():
            turn += 1
            status = ("investigating", "resolved")[turn % 2]
            body = {"issue_name": "VPN", "company_name": "Contoso", "status": status}
            for response in (
                client.put("/api/issues/status", json=body),
                client.get("/api/issues"),
                client.get("/readyz"),
            ):
                self.responses += 1
                if response.status_code != 200:
                    self.refused.append(f"{response.request.url.path}: {response.status_code} {response.text}")

    def __enter__(self) -> "Busy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(30)


def test_a_server_keeps_working_during_a_migration_to_the_next_schema(migrated_url: str, upgrade: Upgrade) -> None:
    with serving(Settings(database_url=migrated_url, log_level="error")) as server:
        world = World(server, Clock())
        world.given_issue("VPN", {"Contoso": "new"})
        client = world.client("tess")
        with Busy(world) as busy:
            busy.goes_on()  # its statements are prepared
            upgrade(migrated_url, PROGRAM, steps=EXPANDING)
            busy.goes_on()
        assert busy.refused == []
        client.call("POST", "/api/issues", 201, json={"name": "Mail", "companies": [{"company_name": "Fabrikam"}]})
        client.call("PUT", "/api/issues/Mail", 200, json={"description": "Down"})
        assert client.call("GET", "/api/issues/Mail", 200)["description"] == "Down"
        assert [issue["name"] for issue in client.call("GET", "/api/issues?search=down", 200)["items"]] == ["Mail"]
        newest = client.call("GET", "/api/events?limit=1", 200)["items"][0]
        assert (newest["type"], newest["issue_name"]) == ("issue.updated", "Mail")
        with server.database.read() as tx:
            assert migrate.version(tx) == NEXT
            assert set(tx.execute(text("SELECT origin FROM events")).scalars()) == {"product"}
        world.close()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_requests_do_not_wait_for_a_migration_that_waits_for_a_long_read(migrated_url: str, upgrade: Upgrade) -> None:
    """A long read as of pg_dump. On SQLite a reader does not block a migration."""
    with serving(Settings(database_url=migrated_url, log_level="error")) as server:
        world = World(server, Clock())
        world.given_issue("VPN", {"Contoso": "new"})
        with Busy(world) as busy, ThreadPoolExecutor(1) as thread:
            with world.database.read() as tx:
                tx.execute(text("SELECT * FROM issues")).all()
                migrated = thread.submit(upgrade, migrated_url, PROGRAM, steps=EXPANDING)
                # The migration holds its lock while it waits for the table, and then releases both.
                waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'")
                eventually(lambda: _count(world, waits) == 1, 30)
                eventually(lambda: _count(world, waits) == 0, 30)
                busy.goes_on()
                assert not migrated.done()
            migrated.result(60)
            busy.goes_on()
        assert busy.refused == []
        world.close()


def _count(world: World, query: TextClause) -> int:
    with world.database.read() as tx:
        return int(tx.execute(query).scalar_one())


def test_commands_of_this_program_work_on_the_next_schema(admin_url: str, upgrade: Upgrade, tmp_path: Path) -> None:
    upgrade(admin_url, PROGRAM, PROGRAM, steps=EXPANDING)
    listed = run("user", "list", database_url=admin_url)
    assert listed.returncode == 0 and ADMIN in listed.stdout
    migrated = run("migrate", database_url=admin_url)
    assert (migrated.returncode, migrated.stdout) == (
        0,
        f"The schema is newer ({AFTER_NEXT}) than this program ({PROGRAM}), which can use it. Nothing was migrated.\n",
    )
    for arguments in (
        ("dump", str(tmp_path / "all.dump")),
        ("copy", "--from", admin_url, "--to", f"sqlite:///{tmp_path}/x.db"),
    ):
        refused = run(*arguments, database_url=admin_url)
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"issue-tracker: This database is newer ({AFTER_NEXT}) than this program")
    server = ServeProcess(admin_url, tmp_path / "log")
    try:
        server.wait_until_ready()
    finally:
        server.kill()
    # What a migration declared says nothing about a version that something else has set.
    with closing(Database(Settings(database_url=admin_url))) as database, database.write() as tx:
        tx.execute(text(f"UPDATE alembic_version SET version_num = '{NEXT}'"))
    refused = run("user", "list", database_url=admin_url)
    assert refused.returncode == 1 and f"This database is newer ({NEXT}) than this program" in refused.stderr


@pytest.mark.parametrize(
    ("oldest", "found"),
    [((None,), NEXT), ((NEXT,), NEXT), ((PROGRAM, None), AFTER_NEXT), ((NEXT, PROGRAM), AFTER_NEXT)],
    ids=["undeclared", "contracting", "the second is undeclared", "the first is contracting"],
)
def test_a_later_schema_that_excludes_this_program_is_refused(
    admin_url: str, upgrade: Upgrade, oldest: tuple[str | None, ...], found: str
) -> None:
    sentence = f"This database is newer ({found}) than this program ({PROGRAM}); use the newer version of the program."
    with serving(Settings(database_url=admin_url, log_level="error")) as server:
        upgrade(admin_url, *oldest)
        refused = get(f"{server.url}/readyz")
        assert (refused.status_code, refused.json()["detail"]) == (503, sentence)
    # They check the schema in the same way, so that one of them suffices for most schemas.
    for command in ("migrate", "user list", "worker", "serve --port 1")[: None if oldest == (None,) else 1]:
        done = run(*command.split(), database_url=admin_url)
        assert (done.returncode, done.stderr) == (1, f"issue-tracker: {sentence}\n")


def test_every_migration_names_an_existing_program() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    versions = {script.revision for script in scripts}
    declared = {script.revision: getattr(script.module, "oldest_program", None) for script in scripts}
    # No earlier program knows the table that stores this.
    assert all(oldest is None for revision, oldest in declared.items() if revision < "0008")
    for revision, oldest in declared.items():
        assert revision < "0008" or (oldest in versions and "0008" <= oldest <= revision), (revision, oldest)
