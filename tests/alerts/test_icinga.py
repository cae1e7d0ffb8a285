"""Icinga 2, with the files of docs/alerts.md: a host of one company, a service of another, and a technician."""

import grp
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from tests.alerts.monitoring import monitoring, program, surroundings, until, write_documented_files
from tests.alerts.test_alerts import listed, set_status, statuses
from tests.alerts.test_receivers import given_receiver
from tests.examples import DOCS
from tests.world import World

ISSUE = "Contoso Fibre is down"

OWN = """
const NodeName = "tests"
object CheckerComponent "checker" { }
object NotificationComponent "notification" { }
object CheckCommand "hostalive" { command = [ "/bin/sh", "-c", "test ! -e FOLDER/$host.name$ || exit 2" ] }
object CheckCommand "ping4" { command = [ "/bin/sh", "-c", "test ! -e FOLDER/$service.name$ || exit 2" ] }
template Host "generic-host" { check_interval = 1s, retry_interval = 1s, max_check_attempts = 1 }
template Service "generic-service" { check_interval = 1s, retry_interval = 1s, max_check_attempts = 1 }
include "tracker.conf"
include "tracker-hosts.conf"
"""
"""The rest of Icinga's configuration. A host or a service is down while a file with its name exists."""


def daemon(folder: Path, configuration: str) -> list[str | Path]:
    """Writes Icinga's configuration into a folder, and returns the command that runs Icinga with it."""
    (folder / "icinga2.conf").write_text(configuration.replace("FOLDER", str(folder)))
    folders = {name: folder / name.lower() for name in ("DataDir", "LogDir", "CacheDir", "SpoolDir", "InitRunDir")}
    for own in folders.values():
        own.mkdir()
    account = {"RunAsUser": pwd.getpwuid(os.getuid()).pw_name, "RunAsGroup": grp.getgrgid(os.getgid()).gr_name}
    defined = {"ConfigDir": folder, **folders, **account}
    options = [f"-DConfiguration.{name}={value}" for name, value in defined.items()]
    return [program("icinga2/sbin/icinga2", "icinga2"), "daemon", "-c", folder / "icinga2.conf", *options]


def counts(world: World) -> dict[str, int]:
    """Returns how often each company's alert was reported as firing."""
    return {alert["company"]: alert["count"] for alert in listed(world, "?state=firing")}


@pytest.mark.long
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_documented_configuration_works(world: World, tmp_path: Path) -> None:
    address = world.server.url + given_receiver(world, "icinga")
    (tmp_path / "scripts").mkdir()
    changes = {
        "https://issues.example.com/api/alerts/in/icinga/SECRET": address,
        "/etc/icinga2/tracker.curlrc": f"{tmp_path}/tracker.curlrc",
        "interval = 30m": "interval = 1s",
    }
    write_documented_files("Icinga 2", tmp_path, changes)
    (tmp_path / "notify-tracker").rename(tmp_path / "scripts" / "notify-tracker")
    down = [tmp_path / "gw-7", tmp_path / "line"]
    for file in down:
        file.touch()
    with monitoring(daemon(tmp_path, OWN), tmp_path) as icinga:
        until(lambda: len(counts(world)) == len(down), icinga)
        assert statuses(world, ISSUE) == {"Contoso": "investigating", "Fabrikam": "investigating"}

        set_status(world, "in_progress", ISSUE)
        before = counts(world)
        until(lambda: all(counts(world)[company] > count for company, count in before.items()), icinga)
        world.client().call("PUT", f"/api/issues/{ISSUE}", 200, json={"new_name": "Provider outage"})
        for file in down:
            file.unlink()
        until(lambda: not counts(world), icinga)
        assert statuses(world, "Provider outage") == {"Contoso": "in_progress", "Fabrikam": "resolved"}
        assert world.client().call("GET", "/api/issues", 200)["total"] == 1


def test_icinga_accepts_the_example_with_itctl(tmp_path: Path) -> None:
    hosts = """
    object Host "gw-7" { import "generic-host", check_command = "hostalive", vars.company = "Contoso" }
    object Service "line" { import "generic-service", host_name = "gw-7", check_command = "ping4" }
    """
    example = (DOCS.parent / "client" / "examples" / "icinga" / "notify_tracker.conf").read_text(encoding="utf-8")
    command = daemon(tmp_path, OWN.partition("include")[0] + example + hosts)
    checked = subprocess.run(
        [*command, "--validate"], env=surroundings(), capture_output=True, text=True, timeout=60, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Instantiated 2 Notifications." in checked.stdout + checked.stderr
