"""The examples for cron and for monitoring systems run unchanged."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from issue_tracker_client import Tracker
from tests.processes import preloaded

EXAMPLES = Path(__file__).parents[2] / "client" / "examples"


@pytest.fixture
def environment(url: str, token: str, tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "token"
    file.write_text(token)
    path = f"{preloaded().scripts()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    here = {name: value for name, value in os.environ.items() if name == "PYTHONPATH"}  # the client under test
    return {"PATH": path, "ITCTL_URL": url, "ITCTL_TOKEN_FILE": str(file), "PYTHONUTF8": "1"} | here


def run(example: str, *arguments: str, env: dict[str, str]) -> None:
    """Runs an example as cron does: it must succeed and print nothing."""
    done = subprocess.run(
        [EXAMPLES / example, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def status(tracker: Tracker, issue: str) -> list[tuple[str, str]]:
    return [(one.company_name, one.status) for one in tracker.issue(issue).assignments]


def test_close_resolved_closes_old_resolved_assignments(environment: dict[str, str], technician: Tracker) -> None:
    technician.create_issue("VPN", companies={"Acme": "resolved", "Contoso": "monitoring"})
    run("cron/close_resolved.py", "--days", "7", env=environment)
    assert status(technician, "VPN") == [("Acme", "resolved"), ("Contoso", "monitoring")]
    run("cron/close_resolved.py", "--days", "0", env=environment)
    assert status(technician, "VPN") == [("Acme", "closed"), ("Contoso", "monitoring")]


def test_check_line_raises_and_clears_an_alert(environment: dict[str, str], technician: Tracker) -> None:
    def check(ping: str) -> None:
        run("cron/check_line.sh", "Line to Springfield", "Acme", "192.0.2.1", env=environment | {"PING": ping})

    check("true")
    assert list(technician.issues()) == []
    check("false")
    check("false")
    assert status(technician, "Line to Springfield") == [("Acme", "investigating")]
    check("true")
    assert status(technician, "Line to Springfield") == [("Acme", "resolved")]
    technician.set_status("Line to Springfield", "Acme", "closed")
    check("true")
    assert status(technician, "Line to Springfield") == [("Acme", "closed")]
    check("false")
    assert status(technician, "Line to Springfield") == [("Acme", "investigating")]
    technician.update_issue("Line to Springfield", new_name="Outage of a provider")
    technician.set_status("Outage of a provider", "Acme", "in_progress")
    check("false")
    check("true")
    assert status(technician, "Outage of a provider") == [("Acme", "in_progress")]
    assert [one.name for one in technician.issues()] == ["Outage of a provider"]


def test_check_line_reports_an_unreachable_server(environment: dict[str, str]) -> None:
    command = [str(EXAMPLES / "cron/check_line.sh"), "Line", "Acme", "192.0.2.1"]
    changes = {"PING": "true", "ITCTL_URL": "http://127.0.0.1:9", "ITCTL_PATIENCE": "0"}
    done = subprocess.run(command, env=environment | changes, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)


def test_icinga_notifications_raise_and_clear_alerts(environment: dict[str, str], technician: Tracker) -> None:
    def notify(kind: str, state: str, **more: str) -> None:
        given = {"NOTIFICATIONTYPE": kind, "HOSTNAME": "fw-1", "STATE": state, "OUTPUT": "Packet loss = 100%"}
        run("icinga/notify_tracker.sh", env=environment | given | more)

    notify("PROBLEM", "CRITICAL", SERVICEDESC="ping4", COMPANY="Acme")
    assert status(technician, "ping4 on fw-1") == [("Acme", "investigating")]
    notify("RECOVERY", "OK", SERVICEDESC="ping4", COMPANY="Acme")
    assert status(technician, "ping4 on fw-1") == [("Acme", "resolved")]
    notify("PROBLEM", "CRITICAL", SERVICEDESC="ping4", COMPANY="Acme")
    notify("ACKNOWLEDGEMENT", "CRITICAL", SERVICEDESC="ping4", COMPANY="Acme")
    assert status(technician, "ping4 on fw-1") == [("Acme", "in_progress")]
    notify("RECOVERY", "OK", SERVICEDESC="ping4", COMPANY="Acme")
    assert status(technician, "ping4 on fw-1") == [("Acme", "in_progress")], "whoever acknowledged it finishes it"
    notify("FLAPPINGSTART", "OK", SERVICEDESC="ping4", COMPANY="Acme")
    notify("PROBLEM", "DOWN")
    assert [one.name for one in technician.issues()] == ["ping4 on fw-1"]
    notify("PROBLEM", "DOWN", COMPANY="Acme")
    assert technician.issue("Host down on fw-1").description == "DOWN: Packet loss = 100%"
    notify("RECOVERY", "UP", COMPANY="Acme", OUTPUT="ä" * 2000)
    note = next(technician.events(issue_name="Host down on fw-1")).note or ""
    assert note.startswith("UP: ää") and set(note[4:]) == {"ä"} and 990 < len(note) <= 2000
