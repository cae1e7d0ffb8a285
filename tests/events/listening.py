"""A listener of the live stream, which reads in a thread, so that a test can act at the same time."""

import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

import httpx

from tests.clients import Client

HEARTBEAT = ": heartbeat"


class Listening:
    """An open stream. `events` grows as events arrive; `ended` is set when the server ends the stream."""

    def __init__(
        self, client: httpx.Client, last_event_id: int | None = None, path: str = "/api/events/stream"
    ) -> None:
        self.events: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.ended = threading.Event()
        self.clean_end = False
        self._closed = False
        self._changed = threading.Condition()
        self.headers: Mapping[str, str] = {}
        headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
        self._own = Client(base_url=client.base_url, headers=client.headers, cookies=client.cookies, timeout=60)
        self._context = self._own.stream("GET", path, headers=headers)
        self.response = self._context.__enter__()
        assert self.response.status_code == 200, self.response.read()
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self._opened.wait(10), "the stream did not open"

    def _read(self) -> None:
        message: dict[str, str] = {}
        try:
            for line in self.response.iter_lines():
                self._opened.set()
                with self._changed:
                    self.lines.append(line)
                    if not line and "data" in message:
                        event = json.loads(message["data"])
                        assert (int(message["id"]), message["event"]) == (event["event_id"], event["type"])
                        self.events.append(event)
                        message = {}
                    elif line and not line.startswith(":"):
                        name, _, value = line.partition(": ")
                        message[name] = value
                    self._changed.notify_all()
            self.clean_end = True
        except (httpx.HTTPError, httpx.StreamError):
            if not self._closed:
                self.clean_end = False
        self.ended.set()

    @property
    def ids(self) -> list[int]:
        return [event["event_id"] for event in self.events]

    def until(self, true: Callable[[], bool], seconds: float = 10.0) -> None:
        """Waits until the condition holds for the received events."""
        with self._changed:
            assert self._changed.wait_for(true, seconds), f"it did not become true in time: {self.events}"

    def receives(self, count: int) -> None:
        """Waits until this number of events has arrived in total, and checks that there are no more."""
        self.until(lambda: len(self.events) >= count)
        assert len(self.events) == count

    def hears_heartbeats(self, count: int) -> None:
        """Waits for this number of further heartbeats."""
        before = self.lines.count(HEARTBEAT)
        self.until(lambda: self.lines.count(HEARTBEAT) >= before + count)

    def close(self) -> None:
        """Closes the connection, like a client that disconnects."""
        self._closed = True
        # Closing a connection from which another thread reads ends it only when data arrives.
        with suppress(OSError):
            self.response.extensions["socket"].shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._own.close()

    def __enter__(self) -> "Listening":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()
