"""Keyset paging while other processes create, rename and delete issues: every untouched issue is seen exactly once."""

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from issue_tracker import clock
from issue_tracker.database.tables import issues
from issue_tracker.names import key
from issue_tracker_client import Tracker
from tests.clients import Client
from tests.world import World

pytestmark = pytest.mark.long

UNTOUCHED = [f"Still {number:04}" for number in range(500)]
MOVING = [f"Moving {number:04}" for number in range(500)]
SORTS = ("name", "-name", "created_at", "updated_at", "-updated_at")
KINDS = ("created", "renamed", "deleted")


@pytest.fixture
def thousand(world: World) -> None:
    """1,000 issues, created a second apart in mixed order: one half remains unchanged, the other half may be
    changed.
    """
    names, last = [*UNTOUCHED, *MOVING], clock.now()
    random.Random(1).shuffle(names)
    times = [last - timedelta(seconds=number) for number in range(len(names))]
    rows = [
        {"name": name, "name_key": key(name), "description_key": "", "revision": 1, "created_at": at, "updated_at": at}
        for name, at in zip(names, times, strict=True)
    ]
    with world.database.write() as tx:
        tx.execute(insert(issues), rows)


@contextmanager
def fire(world: World, token: str, stop: Path) -> Iterator[list[Counter[str]]]:
    """Runs two disturbing processes; after the block, the list contains the number of their changes, by kind."""
    changes: list[Counter[str]] = []
    arguments = [[world.server.url, token, str(seed), str(stop)] for seed in (1, 2)]
    command = [sys.executable, "-m", "tests.automation.disturber"]
    root = Path(__file__).parents[2]
    disturbers = [
        subprocess.Popen([*command, *more], cwd=root, stdout=subprocess.PIPE, text=True) for more in arguments
    ]
    try:
        yield changes
    finally:
        stop.touch()
        printed = [disturber.communicate(timeout=60)[0] for disturber in disturbers]
    assert [disturber.returncode for disturber in disturbers] == [0, 0], "a change was answered with an error"
    changes += [Counter(json.loads(text)) for text in printed]


def through_the_client(url: str, token: str, sort: str) -> list[str]:
    with Tracker(url, token=token) as tracker:
        return [issue.name for issue in tracker.issues(page_size=50, sort=sort)]


def through_http(url: str, token: str, sort: str) -> list[str]:
    names: list[str] = []
    with Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
        page: str | None = f"/api/issues?limit=50&sort={sort}"
        while page:
            response = client.get(page).raise_for_status()
            names += [issue["name"] for issue in response.json()["items"]]
            page = response.links.get("next", {}).get("url")
    return names


@pytest.mark.usefixtures("thousand")
def test_every_untouched_issue_is_seen_exactly_once(world: World, tmp_path: Path) -> None:
    token = world.token("ada")
    readings: list[list[str]] = []
    with fire(world, token, tmp_path / "stop") as changes:
        # A fast reader finishes before the other processes have done much, so it reads again until there were enough
        # changes.
        while len(world.history()) <= 100 and len(readings) < 120:
            readings += [
                read(world.server.url, token, sort) for read in (through_the_client, through_http) for sort in SORTS
            ]
    for names in readings:
        seen = Counter(names)
        assert {name: seen[name] for name in UNTOUCHED if seen[name] != 1} == {}
    assert all(made[kind] > 0 for made in changes for kind in KINDS), changes
    assert len(world.history()) > 100
