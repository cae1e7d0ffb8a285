"""50 clients send the same POST with one Idempotency-Key simultaneously: one issue is created, and all get one
response.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import httpx

from issue_tracker_client import AsyncTracker, Issue, Retries, Tracker
from tests.apart import run_apart
from tests.clients import post
from tests.engines import decided_in_python
from tests.world import World

T = TypeVar("T")
CLIENTS = 50


def at_once(act: Callable[[], T]) -> list[T]:
    """Returns the results of 50 threads that act simultaneously."""
    start = threading.Barrier(CLIENTS)

    def wait_and_act(_: int) -> T:
        start.wait(60)
        return act()

    with ThreadPoolExecutor(CLIENTS) as threads:
        return list(threads.map(wait_and_act, range(CLIENTS)))


@decided_in_python
def test_through_the_client_all_get_the_same_issue(world: World) -> None:
    token = world.token("tess")

    def create() -> Issue:
        with Tracker(world.server.url, token=token, retries=Retries(attempts=50)) as tracker:
            return tracker.create_issue("Core switch down", companies=["Contoso"], idempotency_key="alert-4711")

    responses = at_once(create)
    assert len({(issue.issue_id, issue.etag) for issue in responses}) == 1
    with world.bearer("tess", name="reader") as reader:
        assert reader.call("GET", "/api/issues", 200)["total"] == 1


@decided_in_python
def test_fifty_tasks_of_one_async_client_get_the_same_issue(world: World) -> None:
    async def create_at_once(token: str) -> list[Issue]:
        async with AsyncTracker(world.server.url, token=token, retries=Retries(attempts=50)) as tracker:
            calls = (tracker.create_issue("Core switch down", idempotency_key="alert-4711") for _ in range(CLIENTS))
            return await asyncio.gather(*calls)

    assert len({issue.issue_id for issue in run_apart(create_at_once(world.token("tess")))}) == 1


def test_through_http_one_creates_and_the_rest_get_the_same_response(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token('tess')}", "Idempotency-Key": '"alert-4711"'}
    body = {"name": "Core switch down", "companies": [{"company_name": "Contoso"}]}

    def create() -> httpx.Response:
        return post(f"{world.server.url}/api/issues", json=body, headers=headers)

    responses = at_once(create)
    kinds = Counter((response.status_code, response.headers.get("Idempotent-Replayed")) for response in responses)
    assert kinds.pop((201, None)) == 1
    assert set(kinds) <= {(201, "true"), (409, None)}
    assert len({response.text for response in responses if response.status_code == 201}) == 1
    again = create()
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    with world.bearer("tess", name="reader") as reader:
        assert reader.call("GET", "/api/issues", 200)["total"] == 1
        assert reader.call("GET", "/api/events", 200, params={"issueName": body["name"]})["total"] == 2
