"""The product works with a real PgBouncer, which may assign another server connection to every transaction."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.clients import Client
from tests.database.faults import create
from tests.database.sessions import PRESETS, assert_works, execute, name_of
from tests.events.listening import Listening
from tests.postgresql import Cluster, free_port
from tests.processes import given_admin, serve
from tests.waiting import eventually

pytestmark = [
    pytest.mark.parametrize("engine", ["postgresql"], indirect=True),
    pytest.mark.parametrize("mode", ["session", "transaction"]),
]

SERVER_CONNECTIONS = {"session": 40, "transaction": 3}
"""Server connections in transaction mode: fewer than the product opens, so that its connections share them."""

CHANGES = 12
"""More repetitions than psycopg waits for before it prepares a statement on the server."""

CONFIGURATION = """\
[databases]
* = host=127.0.0.1 port={cluster}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = {mode}
default_pool_size = {size}
"""


def answers(url: str) -> bool:
    try:
        execute(url, "SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def pooled_url(fresh_database_url: str, cluster: Cluster, mode: str, tmp_path: Path) -> Iterator[str]:
    """Returns the URL of the database through PgBouncer."""
    port = free_port()
    folder = cluster.folder / f"pgbouncer-{port}"
    folder.mkdir()
    values = {"cluster": cluster.port, "port": port, "folder": folder, "mode": mode, "size": SERVER_CONNECTIONS[mode]}
    (folder / "pgbouncer.ini").write_text(CONFIGURATION.format(**values))
    (folder / "users.txt").write_text('"tests" ""\n')
    command = [shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", str(folder / "pgbouncer.ini")]
    if os.geteuid() == 0:  # as which it refuses to run
        command += ["-u", pwd.getpwuid((cluster.folder / "data").stat().st_uid).pw_name]
    with (tmp_path / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        url = f"postgresql://tests@127.0.0.1:{port}/{name_of(fresh_database_url)}"
        eventually(lambda: answers(url))
        yield url
    finally:
        process.terminate()
        process.wait(10)


def change(client: Client, number: int) -> list[int]:
    """Creates an issue and changes its status back and forth; returns the status codes."""
    name = f"Issue {number}"
    codes = [client.post("/api/issues", json={"name": name, "companies": [{"company_name": "Contoso"}]}).status_code]
    for turn in range(CHANGES):
        status = ("investigating", "monitoring")[turn % 2]
        body = {"issue_name": name, "company_name": "Contoso", "status": status}
        codes.append(client.put("/api/issues/status", json=body).status_code)
        codes.append(client.get(f"/api/issues?search={name}").status_code)
    return codes


def test_the_product_works_with_pgbouncer(pooled_url: str, fresh_database_url: str, mode: str, tmp_path: Path) -> None:
    name = name_of(fresh_database_url)
    execute(fresh_database_url, *(f"ALTER DATABASE \"{name}\" SET {key} = '{value}'" for key, value in PRESETS.items()))
    given_admin(pooled_url)
    with (
        serve(pooled_url, tmp_path / "one.log", DATABASE_WAIT_SECONDS="2") as one,
        serve(pooled_url, tmp_path / "two.log") as two,
    ):
        admin = one.sign_in()
        admin.call("POST", "/api/companies", 201, json={"name": "Contoso"})
        there = two.client()
        there.cookies.update(admin.cookies)
        stream = Listening(there)
        assert_works(admin)

        clients = []
        for number in range(6):
            client = (one, two)[number % 2].client()
            client.cookies.update(admin.cookies)
            client.headers.update(admin.headers)
            clients.append(client)
        with ThreadPoolExecutor(len(clients)) as pool:
            codes = list(pool.map(change, clients, range(len(clients))))
        assert codes == [[201] + [200] * 2 * CHANGES] * len(clients)

        last = create(admin, "Last")
        assert last.status_code == 201
        eventually(lambda: any(event["issue_name"] == "Last" for event in stream.events))
        assert stream.ids == sorted(set(stream.ids))
        stream.close()

        # The limit of every wait applies here, too.
        with psycopg.connect(fresh_database_url) as holder:
            holder.execute("SELECT FROM issues WHERE name = 'Last' FOR UPDATE")
            started = time.monotonic()
            refused = admin.put("/api/issues/Last", json={"description": "waits"})
            assert refused.status_code == 503 and 1.5 < time.monotonic() - started < 10, refused.text

    # No setting remains on the server connections that other clients get next.
    connections = [psycopg.connect(pooled_url, autocommit=True) for _ in range(3)]
    for connection in connections:
        (found,) = connection.execute("SELECT current_setting('lock_timeout')").fetchone() or ("",)
        assert found == "0"
        if mode == "transaction":
            assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
        connection.close()
    for log in ("one.log", "two.log"):
        assert "Traceback" not in (tmp_path / log).read_text()
