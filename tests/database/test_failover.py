"""If the database server is read-only, changes are refused with the reason, and no restart is needed afterwards."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.database.faults import assert_logged, assert_unavailable, create, eventually_ready, readiness
from tests.database.sessions import assert_works, end_connections, execute, name_of
from tests.postgresql import Cluster, Standby
from tests.processes import run, serve
from tests.shared import create_with_admin, new_cluster
from tests.waiting import eventually


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_the_product_survives_a_read_only_database_server(admin_url: str, tmp_path: Path) -> None:
    """Managed services do this when the disk is full: no error ends the connections."""
    name = name_of(admin_url)
    with serve(admin_url, tmp_path / "server.log") as server:
        client = server.sign_in()
        execute(admin_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        end_connections(admin_url)
        for number in range(20):
            assert_unavailable(create(client, f"Refused {number}"), "session", "read-only")
        eventually(lambda: readiness(server) == "The database is read-only.")
        execute(
            admin_url,
            "SET default_transaction_read_only = off",
            f'ALTER DATABASE "{name}" RESET default_transaction_read_only',
        )
        eventually_ready(server)
        assert_works(client)
        assert_logged(server, "session is read-only")


@pytest.fixture
def pair() -> Iterator[tuple[Cluster, Standby]]:
    """A primary and a standby."""
    primary = new_cluster()
    standby: Standby | None = None
    try:
        primary.start()
        standby = Standby(primary)
        standby.start()
        yield primary, standby
    finally:
        for cluster in (standby, primary):
            if cluster is not None:
                cluster.remove()


def test_the_product_survives_a_failover(pair: tuple[Cluster, Standby], tmp_path: Path) -> None:
    """With both hosts in the URL no change is necessary. A standby alone is refused, with the reason."""
    primary, standby = pair
    url = create_with_admin(primary, "failover")
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    eventually(lambda: name_of(url) in _databases(standby))
    alone = run("user", "list", database_url=standby.url("failover"))
    assert alone.returncode == 1 and "session is read-only" in alone.stderr
    with serve(f"postgresql://tests@{hosts}/failover", tmp_path / "server.log") as server:
        client = server.sign_in()
        assert create(client, "Before").status_code == 201
        eventually(lambda: _replayed(primary, standby))
        primary.stop()
        assert_unavailable(create(client, "Refused"), str(standby.port))
        assert readiness(server) in ("The database is read-only.", "The database is unreachable.")
        standby.promote()
        eventually_ready(server)
        assert_works(client)
        assert client.call("GET", "/api/issues", 200)["total"] == 2
        assert_logged(server, "session is read-only", "terminating connection", "Connection refused")


def _databases(cluster: Cluster) -> set[str]:
    with psycopg.connect(cluster.url("postgres")) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


def _replayed(primary: Cluster, standby: Cluster) -> bool:
    with psycopg.connect(primary.url("postgres")) as there, psycopg.connect(standby.url("postgres")) as here:
        (written,) = there.execute("SELECT pg_current_wal_lsn()::text").fetchone() or ("",)
        found = here.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [written]).fetchone()
        return bool(found and found[0])
