"""Two clients change one issue with the same ETag: one gets 200, one 412, and no change is lost."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import quote

import httpx

from issue_tracker_client import Changed, Issue, Tracker
from tests.engines import decided_in_python
from tests.world import World

ROUNDS = 10


def race(first: Callable[[], int], second: Callable[[], int]) -> list[int]:
    """Returns the results of both clients when they act simultaneously."""
    start = threading.Barrier(2)

    def wait_and_act(act: Callable[[], int]) -> int:
        start.wait(60)
        return act()

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(wait_and_act, (first, second)))


def add(tracker: Tracker, line: str, read: Issue) -> int:
    """Adds a line to the description of the issue that was read, and returns the status of the response."""
    try:
        tracker.update_issue(read.name, description=f"{read.description or ''}\n{line}", if_match=read.etag)
    except Changed as changed:
        return changed.status
    return 200


@decided_in_python
def test_the_client_sends_the_etag(world: World) -> None:
    with (
        Tracker(world.server.url, token=world.token("tess")) as tess,
        Tracker(world.server.url, token=world.token("omar")) as omar,
    ):
        tess.create_issue("VPN")
        for number in range(ROUNDS):
            read = tess.issue("VPN")
            lines = [f"Tess {number}", f"Omar {number}"]
            codes = race(partial(add, tess, lines[0], read), partial(add, omar, lines[1], read))
            assert sorted(codes) == [200, 412]
            lost = lines[codes.index(412)]
            assert add(omar, lost, tess.issue("VPN")) == 200
        stored = (tess.issue("VPN").description or "").splitlines()
        assert sorted(stored) == sorted(f"{who} {number}" for who in ("Tess", "Omar") for number in range(ROUNDS))


def describe(client: httpx.Client, path: str, text: str, etag: str) -> int:
    """Changes the description of the version with this ETag, and returns the status of the response."""
    response = client.put(path, json={"description": text}, headers={"If-Match": etag})
    if response.status_code == 412:
        assert response.headers["ETag"] != etag
    return response.status_code


def test_a_script_sends_the_etag(world: World) -> None:
    world.given_issue("TCP/IP", {"Contoso": "new"})
    path = f"/api/issues/{quote('TCP/IP', safe='')}"
    with world.bearer("tess", name="one") as tess, world.bearer("omar", name="two") as omar:
        for number in range(ROUNDS):
            etag = tess.get(path).headers["ETag"]
            texts = [f"by Tess, {number}", f"by Omar, {number}"]
            codes = race(partial(describe, tess, path, texts[0], etag), partial(describe, omar, path, texts[1], etag))
            assert sorted(codes) == [200, 412]
            assert tess.get(path).json()["description"] == texts[codes.index(200)]
        etag = tess.get(path).headers["ETag"]
        change = {"issue_name": "TCP/IP", "company_name": "Contoso", "status": "resolved"}
        omar.call("PUT", "/api/issues/status", 200, json=change)
        assert describe(tess, path, "too late", etag) == 412
