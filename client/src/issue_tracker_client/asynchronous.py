"""`AsyncTracker`: the client for asyncio. Performs the steps of plans by awaiting."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack

import httpx

from issue_tracker_client import access as on_access
from issue_tracker_client import alerts as on_alerts
from issue_tracker_client import companies as on_companies
from issue_tracker_client import history as on_history
from issue_tracker_client import issues as on_issues
from issue_tracker_client import merging as on_merging
from issue_tracker_client import reuse as on_reuse
from issue_tracker_client import updates as on_updates
from issue_tracker_client.exchange import built, failure, from_environment, trusted_certificates
from issue_tracker_client.session import Options, Session
from issue_tracker_client.sources import Source
from issue_tracker_client.steps import (
    Close,
    Done,
    Exclusive,
    Failure,
    Now,
    Outcome,
    Pause,
    Plan,
    Read,
    Reply,
    Send,
    Step,
    advance,
)

P = ParamSpec("P")
T = TypeVar("T")


def awaited(
    operation: Callable[Concatenate[Session, P], Plan[T]],
) -> Callable[Concatenate["AsyncTracker", P], Coroutine[Any, Any, T]]:
    """Turns the operation into a method that is awaited."""

    @wraps(operation)
    async def method(tracker: "AsyncTracker", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await tracker.run(operation(tracker.session, *args, **kwargs))

    return method


def iterating(
    source: Callable[Concatenate[Session, P], Source[T]],
) -> Callable[Concatenate["AsyncTracker", P], AsyncGenerator[T, None]]:
    """Turns the source into a method that returns an async iterator."""

    @wraps(source)
    def method(tracker: "AsyncTracker", /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
        return tracker.iterate(source(tracker.session, *args, **kwargs))

    return method


class AsyncTracker:
    """A client of one server, for one account. Use it as an async context manager; tasks may share it.

    `transport` replaces httpx's network transport, for special proxies and for tests. Leaving the context signs out.
    """

    def __init__(
        self, url: str, *, transport: httpx.AsyncBaseTransport | None = None, **options: Unpack[Options]
    ) -> None:
        self.session = Session(url, **options)
        with from_environment():
            self._http = httpx.AsyncClient(transport=transport, verify=trusted_certificates())
        self._exclusive = asyncio.Lock()

    issues = iterating(on_issues.issues)
    poll_issues = awaited(on_issues.poll_issues)
    export_csv = awaited(on_issues.export_csv)
    issue = awaited(on_issues.issue)
    issue_if_changed = awaited(on_issues.issue_if_changed)
    create_issue = awaited(on_issues.create_issue)
    ensure_issue = awaited(on_issues.ensure_issue)
    update_issue = awaited(on_issues.update_issue)
    delete_issue = awaited(on_issues.delete_issue)
    merge_issues = awaited(on_merging.merge_issues)
    similar_issues = awaited(on_reuse.similar_issues)
    templates = awaited(on_reuse.templates)
    set_status = awaited(on_issues.set_status)
    set_status_in_bulk = awaited(on_issues.set_status_in_bulk)
    unassign = awaited(on_issues.unassign)
    raise_alert = awaited(on_alerts.raise_alert)
    clear_alert = awaited(on_alerts.clear_alert)
    updates = iterating(on_updates.updates)
    add_update = awaited(on_updates.add_update)
    edit_update = awaited(on_updates.edit_update)
    withdraw_update = awaited(on_updates.withdraw_update)
    companies = awaited(on_companies.companies)
    create_company = awaited(on_companies.create_company)
    update_company = awaited(on_companies.update_company)
    delete_company = awaited(on_companies.delete_company)
    events = iterating(on_history.events)
    follow = iterating(on_history.follow)
    who_am_i = awaited(on_access.who_am_i)
    tokens = awaited(on_access.tokens)
    create_token = awaited(on_access.create_token)
    revoke_token = awaited(on_access.revoke_token)
    call = awaited(on_access.call)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the session that this client started, and closes its connections."""
        try:
            await self.run(self.session.sign_out())
        finally:
            await self._http.aclose()

    async def run(self, plan: Plan[T]) -> T:
        """Performs a plan and returns its result."""
        step = advance(plan, None)
        while not isinstance(step, Done):
            step = advance(plan, await self._perform(step))
        return step.value

    async def iterate(self, source: Source[T]) -> AsyncGenerator[T, None]:
        """Iterates over a source and fetches each batch when it is needed. Closing the iterator closes the source."""
        try:
            while (batch := await self.run(source.more())) is not None:
                for item in batch:
                    yield item
        finally:
            await self.run(source.done())

    async def _perform(self, step: Step) -> object:
        match step:
            case Send():
                return await self._send(step)
            case Read(stream=Stream() as stream):
                return await stream.read()
            case Close(stream=Stream() as stream):
                await stream.response.aclose()
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Now():
                return time.monotonic()
            case Exclusive(plan):
                async with self._exclusive:
                    await self.run(plan)
        return None

    async def _send(self, step: Send) -> Outcome:
        try:
            response = await self._http.send(built(self._http, self.session, step.request), stream=step.streamed)
            if step.streamed and response.status_code == 200:
                return Reply(200, response.headers, stream=Stream(response))
            return Reply(response.status_code, response.headers, await response.aread())
        except httpx.RequestError as error:
            return failure(error)


class Stream:
    """A response that is read as it arrives."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._chunks = response.aiter_bytes()

    async def read(self) -> bytes | Failure | None:
        try:
            return await anext(self._chunks, None)
        except httpx.RequestError as error:
            return failure(error)
