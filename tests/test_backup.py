"""`issue-tracker backup`: a copy made during writes is complete, and can be served like the original."""

import stat
import threading
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select, text

from issue_tracker.database.tables import issues as issues_table
from issue_tracker.settings import Settings
from tests.processes import run
from tests.server import serving
from tests.waiting import eventually
from tests.world import World


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_backup_made_during_writes_is_complete(world: World, tmp_path: Path) -> None:
    url, copy = world.server.settings.database_url, tmp_path / "copy.db"
    answered: list[str] = []
    stop = threading.Event()
    client = world.client("tess")
    companies = [{"company_name": "Contoso"}, {"company_name": "Fabrikam", "status": "monitoring"}]

    def write() -> None:
        while not stop.is_set():
            name = f"Fault {len(answered)}"
            client.call("POST", "/api/issues", 201, json={"name": name, "companies": companies})
            answered.append(name)

    writer = threading.Thread(target=write)
    # A constant read transaction keeps the written data in the write-ahead log.
    with world.database.read() as reader:
        assert reader.execute(select(func.count()).select_from(issues_table)).scalar_one() == 0
        writer.start()
        try:
            eventually(lambda: len(answered) >= 50)
            before = len(answered)
            done = run("backup", str(copy), database_url=url)
            after = len(answered)
            eventually(lambda: len(answered) > after)
        finally:
            stop.set()
            writer.join(30)
    assert (done.returncode, done.stderr) == (0, "") and before < after
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600

    with serving(Settings(database_url=f"sqlite:///{copy}", log_level="error")) as restored:
        with restored.database.read() as tx:
            assert tx.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
            assert tx.execute(text("PRAGMA foreign_key_check")).all() == []
        client.base_url = httpx.URL(restored.url)
        issues = client.call("GET", "/api/issues", 200)["items"]
        assert set(answered[:before]) <= {issue["name"] for issue in issues}
        assert {tuple(member["status"] for member in issue["assignments"]) for issue in issues} == {
            ("new", "monitoring")
        }
        assert client.call("GET", "/api/events?type=issue.created", 200)["total"] == len(issues)
        assert client.call("GET", f"/api/issues?search={answered[0]}&limit=1", 200)["total"] >= 1
        client.call("POST", "/api/issues", 201, json={"name": "After the restore"})


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_backup_overwrites_nothing(world: World, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_text("precious")
    refused = run("backup", str(there), database_url=world.server.settings.database_url)
    assert (refused.returncode, refused.stderr) == (1, f"issue-tracker: {there} already exists.\n")
    assert there.read_text() == "precious"


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_backup_refuses_postgresql(world: World, tmp_path: Path) -> None:
    refused = run("backup", str(tmp_path / "copy.db"), database_url=world.server.settings.database_url)
    assert refused.returncode == 1 and "use pg_dump" in refused.stderr
    assert not (tmp_path / "copy.db").exists()
