"""Keyset paging while other processes create, rename and delete issues: every untouched issue is seen exactly once."""

import json
import random
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
from tests.processes import environment, preloaded
from tests.waiting import eventually
from tests.world import World

pytestmark = pytest.mark.long

UNTOUCHED = [f"Still {number:04}" for number in range(250)]
MOVING = [f"Moving {number:04}" for number in range(250)]
SORTS = ("name", "-name", "created_at", "updated_at", "-updated_at")
DISTURBER = "tests.automation.disturber"
KINDS = ("created", "renamed", "deleted")


@pytest.fixture
def hundreds(world: World) -> None:
    """500 issues, created a second apart in mixed order: one half remains unchanged, the other half may be
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
    printed = [stop.with_name(f"changes of {seed}") for seed in (1, 2)]
    disturbers = []
    for seed, path in enumerate(printed, 1):
        arguments = [world.server.url, token, str(seed), str(stop)]
        with path.open("wb") as out:
            streams = (0, out.fileno(), 2)
            disturbers.append(preloaded().start(arguments, streams=streams, env=environment(), program=DISTURBER))
    try:
        yield changes
    finally:
        stop.touch()
        codes = [disturber.wait(60) for disturber in disturbers]
    assert codes == [0, 0], "a change was answered with an error"
    changes += [Counter(json.loads(path.read_text())) for path in printed]


def through_the_client(url: str, token: str, sort: str) -> list[str]:
    with Tracker(url, token=token) as tracker:
        return [issue.name for issue in tracker.issues(page_size=25, sort=sort)]


def through_http(url: str, token: str, sort: str) -> list[str]:
    names: list[str] = []
    with Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
        page: str | None = f"/api/issues?limit=25&sort={sort}"
        while page:
            response = client.get(page).raise_for_status()
            names += [issue["name"] for issue in response.json()["items"]]
            page = response.links.get("next", {}).get("url")
    return names


@pytest.mark.usefixtures("hundreds")
def test_every_untouched_issue_is_seen_exactly_once(world: World, tmp_path: Path) -> None:
    token = world.token("ada")
    readings: list[list[str]] = []
    with fire(world, token, tmp_path / "stop") as changes:
        eventually(lambda: len(world.history()) > 0, 60)  # the processes have started
        # A fast reader finishes before they have done much, so it reads again until there were enough changes.
        while not readings or (len(world.history()) <= 100 and len(readings) < 120):
            readings += [
                read(world.server.url, token, sort) for read in (through_the_client, through_http) for sort in SORTS
            ]
    for names in readings:
        seen = Counter(names)
        assert {name: seen[name] for name in UNTOUCHED if seen[name] != 1} == {}
    assert all(made[kind] > 0 for made in changes for kind in KINDS), changes
    assert len(world.history()) > 100
