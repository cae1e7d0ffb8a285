"""Measures the effect of each cache alone, on both databases: a list of 50 issues through the whole application, in one
process.

Before each request all caches except the measured one are emptied.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench.effort import PAGE, Effort
from bench.measures import Row
from bench.scene import Scene, embedded, server_database
from issue_tracker.app import create_app
from issue_tracker.http.state import AppState
from issue_tracker.settings import Settings

Clear = Callable[[AppState], None]


def no_responses(state: AppState) -> None:
    """Leaves only the fragment cache."""
    state.responses.clear()


def nothing(state: AppState) -> None:
    """Leaves no cache."""
    state.responses.clear()
    state.fragments.clear()


def responses_by_validator(state: AppState) -> None:
    """Leaves only the responses that are found by validator."""
    state.responses.clear_requests()


def caches(effort: Effort) -> Iterator[Row]:
    """Yields the time of a list of 50 × 3 from each cache, and without any."""
    yield from _rows(embedded(10_000), "SQLite", effort)
    with server_database(10_000) as scene:
        yield from _rows(scene, "PostgreSQL", effort)


def _rows(scene: Scene, where: str, effort: Effort) -> Iterator[Row]:
    ways: dict[str, Clear] = {
        "response cache, by validator": responses_by_validator,
        "fragment cache": no_responses,
        "no cache": nothing,
    }
    if where == "SQLite":
        ways = {"response cache, by request": lambda _state: None, **ways}
    found = asyncio.run(_measure(scene, ways, effort.samples))
    alone = found["no cache"]
    for name, microseconds in found.items():
        yield Row(f"{name}, {where}: list page", f"{microseconds:,.0f} µs", f"÷ no cache {microseconds / alone:.2f}")


async def _measure(scene: Scene, ways: dict[str, Clear], samples: int) -> dict[str, float]:
    app = create_app(Settings(database_url=scene.database_url, log_level="error", deliver_webhooks=False))
    state = _state_of(app)
    stop, started = asyncio.Event(), asyncio.Event()
    life = asyncio.create_task(_live(app, started, stop))
    await started.wait()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(samples):
        for name, clear in ways.items():
            clear(state)
            began = time.perf_counter()
            await _get(app, scene)
            times[name].append((time.perf_counter() - began) * 1e6)
    stop.set()
    await life
    return {name: statistics.median(values) for name, values in times.items()}


def _state_of(app: Any) -> AppState:
    """Returns the state of the application inside its middlewares."""
    while not hasattr(app, "app_state"):
        app = app.app
    state: AppState = app.app_state
    return state


async def _live(app: Any, started: asyncio.Event, stop: asyncio.Event) -> None:
    messages = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, str]:
        message = next(messages)
        if message == "lifespan.shutdown":
            await stop.wait()
        return {"type": message}

    async def send(message: dict[str, Any]) -> None:
        started.set()

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)


async def _get(app: Any, scene: Scene) -> None:
    path, _, query = PAGE.path.partition("?")
    headers = [(name.lower().encode(), value.encode()) for name, value in {"Host": "bench", **scene.headers}.items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("bench", 80),
        "state": {},
    }
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    assert statuses == [200], statuses
