"""A process without free file descriptors responds with 503, reports the reason, and recovers without a restart."""

import resource
import shutil
from pathlib import Path

import psycopg

from tests.database.faults import assert_logged, assert_unavailable, create, eventually_ready, limited
from tests.processes import serve

STANDARD_STREAMS = 3


def test_exhausted_descriptors_are_reported(admin_url: str, engine: str, tmp_path: Path) -> None:
    with serve(admin_url, tmp_path / "server.log") as server:
        client = server.sign_in()
        # The first request loads everything that the process needs.
        assert create(client, "Before").status_code == 201
        with limited(server.process.pid, resource.RLIMIT_NOFILE, STANDARD_STREAMS):
            # From here on a new connection is needed, for which no descriptor is left.
            if engine == "sqlite":
                file = Path(admin_url.removeprefix("sqlite:///"))
                shutil.copy(file, file.with_name("copy.db"))
                file.with_name("copy.db").rename(file)
            else:
                with psycopg.connect(admin_url, autocommit=True) as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
            for number in range(20):
                assert_unavailable(create(client, f"Refused {number}"), "Too many open files")
            answer = client.get("/readyz")
            assert (answer.status_code, answer.json()["detail"]) == (503, "The server has no file descriptors left.")
        eventually_ready(server)
        assert server.sign_in().call("POST", "/api/issues", 201, json={"name": "After"})["name"] == "After"
        assert_logged(server, "Too many open files")
