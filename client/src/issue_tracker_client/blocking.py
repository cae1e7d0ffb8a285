"""`Tracker`: the client for blocking code. Performs the steps of plans by blocking."""

import threading
import time
from collections.abc import Callable, Generator
from functools import wraps
from typing import Concatenate, ParamSpec, Self, TypeVar, Unpack

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


def blocking(
    operation: Callable[Concatenate[Session, P], Plan[T]],
) -> Callable[Concatenate["Tracker", P], T]:
    """Turns the operation into a method that returns its result."""

    @wraps(operation)
    def method(tracker: "Tracker", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return tracker.run(operation(tracker.session, *args, **kwargs))

    return method


def iterating(
    source: Callable[Concatenate[Session, P], Source[T]],
) -> Callable[Concatenate["Tracker", P], Generator[T, None, None]]:
    """Turns the source into a method that returns an iterator."""

    @wraps(source)
    def method(tracker: "Tracker", /, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        return tracker.iterate(source(tracker.session, *args, **kwargs))

    return method


class Tracker:
    """A client of one server, for one account. Use it as a context manager; threads may share it.

    `transport` replaces httpx's network transport, for special proxies and for tests. Leaving the context signs out.
    """

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None, **options: Unpack[Options]) -> None:
        self.session = Session(url, **options)
        with from_environment():
            self._http = httpx.Client(transport=transport, verify=trusted_certificates())
        self._exclusive = threading.Lock()

    issues = iterating(on_issues.issues)
    poll_issues = blocking(on_issues.poll_issues)
    export_csv = blocking(on_issues.export_csv)
    issue = blocking(on_issues.issue)
    issue_if_changed = blocking(on_issues.issue_if_changed)
    create_issue = blocking(on_issues.create_issue)
    ensure_issue = blocking(on_issues.ensure_issue)
    update_issue = blocking(on_issues.update_issue)
    delete_issue = blocking(on_issues.delete_issue)
    merge_issues = blocking(on_merging.merge_issues)
    similar_issues = blocking(on_reuse.similar_issues)
    templates = blocking(on_reuse.templates)
    set_status = blocking(on_issues.set_status)
    set_status_in_bulk = blocking(on_issues.set_status_in_bulk)
    unassign = blocking(on_issues.unassign)
    raise_alert = blocking(on_alerts.raise_alert)
    clear_alert = blocking(on_alerts.clear_alert)
    updates = iterating(on_updates.updates)
    add_update = blocking(on_updates.add_update)
    edit_update = blocking(on_updates.edit_update)
    withdraw_update = blocking(on_updates.withdraw_update)
    companies = blocking(on_companies.companies)
    create_company = blocking(on_companies.create_company)
    update_company = blocking(on_companies.update_company)
    delete_company = blocking(on_companies.delete_company)
    events = iterating(on_history.events)
    follow = iterating(on_history.follow)
    who_am_i = blocking(on_access.who_am_i)
    tokens = blocking(on_access.tokens)
    create_token = blocking(on_access.create_token)
    revoke_token = blocking(on_access.revoke_token)
    call = blocking(on_access.call)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session that this client started, and closes its connections."""
        try:
            self.run(self.session.sign_out())
        finally:
            self._http.close()

    def run(self, plan: Plan[T]) -> T:
        """Performs a plan and returns its result."""
        step = advance(plan, None)
        while not isinstance(step, Done):
            step = advance(plan, self._perform(step))
        return step.value

    def iterate(self, source: Source[T]) -> Generator[T, None, None]:
        """Iterates over a source and fetches each batch when it is needed. Closing the iterator closes the source."""
        try:
            while (batch := self.run(source.more())) is not None:
                yield from batch
        finally:
            self.run(source.done())

    def _perform(self, step: Step) -> object:
        match step:
            case Send():
                return self._send(step)
            case Read(stream=Stream() as stream):
                return stream.read()
            case Close(stream=Stream() as stream):
                stream.response.close()
            case Pause(seconds):
                time.sleep(seconds)
            case Now():
                return time.monotonic()
            case Exclusive(plan):
                with self._exclusive:
                    self.run(plan)
        return None

    def _send(self, step: Send) -> Outcome:
        try:
            response = self._http.send(built(self._http, self.session, step.request), stream=step.streamed)
            if step.streamed and response.status_code == 200:
                return Reply(200, response.headers, stream=Stream(response))
            return Reply(response.status_code, response.headers, response.read())
        except httpx.RequestError as error:
            return failure(error)


class Stream:
    """A response that is read as it arrives."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._chunks = response.iter_bytes()

    def read(self) -> bytes | Failure | None:
        try:
            return next(self._chunks, None)
        except httpx.RequestError as error:
            return failure(error)
