"""The reader of the log: one thread per process that reads each settled event once, in the order of `event_id`.

docs/decisions/0004-event-order.md defines “settled”.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec
import structlog

from issue_tracker.actor import ALL_COMPANIES, CompanyAccess
from issue_tracker.database.engine import Database
from issue_tracker.errors import Unavailable
from issue_tracker.events.catalog import FAILURES, Event
from issue_tracker.events.commit_notifications import commit_waiter
from issue_tracker.events.order import WINDOW, barrier_passed, before_first_gap, take_xid_barrier
from issue_tracker.events.queries.log import list_event_ids, list_events, list_latest_event_ids

log = structlog.get_logger("issue_tracker.events")

BATCH = 500
DISPATCH_SECONDS = 0.05
"""The pause after a dispatch. Events that are committed meanwhile are read and dispatched together."""

IDLE_SECONDS = 0.5
GAP_SECONDS = 0.02
RETRY_SECONDS = 1.0


class Audience(msgspec.Struct, frozen=True, cache_hash=True):
    """Listeners who may see the same events, and therefore receive the same bytes."""

    audit: bool
    access: CompanyAccess


class EncodedEvent(msgspec.Struct, frozen=True):
    """An event in the form of the stream, encoded once for all listeners."""

    event_id: int
    audit: bool
    text: bytes


class EventBatch(msgspec.Struct, frozen=True):
    """All settled events up to `position`, in ascending order.

    `visible` contains the event_ids visible under each limited company access that the stream had when the batch was
    read. `may_change_permissions` says that it contains events of accounts, credentials or company groups.
    """

    events: Sequence[EncodedEvent]
    position: int
    visible: Mapping[CompanyAccess, frozenset[int]]
    may_change_permissions: bool

    def covers(self, access: CompanyAccess) -> bool:
        """Returns whether it is known which of the batch's events are visible under this company access."""
        return access.all or access in self.visible

    def visible_to(self, audience: Audience) -> Sequence[EncodedEvent]:
        """Returns the events that an audience may see; the batch must cover its company access."""
        seen = self.events if audience.audit else [event for event in self.events if not event.audit]
        if audience.access.all:
            return seen
        permitted = self.visible[audience.access]
        return [event for event in seen if event.event_id in permitted]


class LogReader:
    """Calls `started` once with the starting position, then `dispatch` with each batch, in a separate thread.

    `accesses` returns the limited company accesses that the listeners have now. `check_permissions` is called before
    `dispatch` if a batch may change them; if it fails, the batch is read again.
    """

    def __init__(
        self,
        database: Database,
        accesses: Callable[[], Collection[CompanyAccess]],
        started: Callable[[int], None],
        check_permissions: Callable[[], None],
        dispatch: Callable[[EventBatch], None],
    ) -> None:
        self._thread = threading.Thread(target=self._run, name="log-reader", daemon=True)
        self._database = database
        self._accesses = accesses
        self._started = started
        self._check_permissions = check_permissions
        self._dispatch = dispatch
        self._position: int | None = None
        # The last id that was seen when a gap was found, and the xid barrier that was taken then.
        self._gap: tuple[int, int] | None = None
        self._stopping = threading.Event()
        self._committed = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def notify(self) -> None:
        """Makes the thread read immediately, because a transaction of this process has committed events."""
        self._committed.set()

    def close(self) -> None:
        """Stops the thread and waits for it."""
        self._stopping.set()
        self._committed.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except Unavailable as error:
                log.warning("event log out of reach", reason=error.reason)
            except Exception:  # this thread must go on reading, because nothing else would notice its end
                log.exception("event log not read")
            self._stopping.wait(RETRY_SECONDS)

    def _follow(self) -> None:
        with commit_waiter(self._database, self._committed) as wait:
            if self._position is None:
                self._position = starting_position(self._database)
                self._started(self._position)
            while not self._stopping.is_set():
                batch = self._read(self._position)
                if batch.position > self._position:
                    if batch.may_change_permissions:
                        self._check_permissions()
                    self._position = batch.position
                    self._dispatch(batch)
                    self._pause()
                if len(batch.events) < BATCH:
                    wait(GAP_SECONDS if self._gap else IDLE_SECONDS)

    def _pause(self) -> None:
        self._stopping.wait(DISPATCH_SECONDS)

    def _read(self, position: int) -> EventBatch:
        """Returns the settled events after `position`, at most BATCH."""
        visible: dict[CompanyAccess, frozenset[int]] = {}
        settled = position
        with self._database.read() as tx:
            found = list_events(tx, ALL_COMPANIES, after=position, limit=BATCH)
            if found:
                last = found[-1].event_id
                for access in self._accesses():
                    visible[access] = frozenset(list_event_ids(tx, access, after=position, until=last))
            if self._gap is not None and barrier_passed(tx, self._gap[1]):
                # Ids that are still missing up to here were rolled back. Events that appeared meanwhile may have moved
                # the last ones out of this batch.
                settled = self._gap[0] if len(found) < BATCH else min(self._gap[0], found[-1].event_id)
                self._gap = None
        ids = [event.event_id for event in found]
        if self._database.sqlite:
            settled = ids[-1] if ids else position
        else:
            settled = before_first_gap(settled, [number for number in ids if number > settled])
            if self._gap is None and ids and ids[-1] > settled:
                self._gap = (ids[-1], take_xid_barrier(self._database))
        encoded = [encode_event(event) for event in found if event.event_id <= settled]
        may_change_permissions = any(event.type.audit and event.type not in FAILURES for event in found)
        return EventBatch(encoded, settled, visible, may_change_permissions)


def starting_position(database: Database) -> int:
    """Returns a settled position, as far as the last WINDOW ids reveal it."""
    with database.read() as tx:
        ids = list_latest_event_ids(tx, ALL_COMPANIES, WINDOW)
    if not ids:
        return 0
    return ids[-1] if database.sqlite else before_first_gap(ids[0], ids[1:])


def encode_event(event: Event) -> EncodedEvent:
    """Returns an event as a Server-Sent Event (contract, section 7)."""
    data = msgspec.json.encode(event)
    text = b"id: %d\nevent: %s\ndata: %s\n\n" % (event.event_id, event.type.value.encode(), data)
    return EncodedEvent(event_id=event.event_id, audit=event.type.audit, text=text)
