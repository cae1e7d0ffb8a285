"""A connection to PostgreSQL that is lost during a commit: the response says what became of the change."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto

import pytest

from issue_tracker.settings import Settings
from tests.clients import Client
from tests.database.faults import assert_unavailable, create
from tests.postgresql import Cluster
from tests.server import Server, serving
from tests.shared import Shared
from tests.world import Clock, World

pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)

INSERT = re.compile(rb"(\w*)\0INSERT INTO events")
"""Preparation or execution of the statement, with its name on this connection."""
COMMIT = b"Q\0\0\0\x0bCOMMIT\0"
"""The end of a transaction that writes: a message of the simple protocol. One that only reads ends in a pipeline."""
STATUS = b"pg_xact_status"


class Loss(Enum):
    """When the connection is lost, and what the server does."""

    BEFORE = auto()
    """The server notices the loss and never gets COMMIT."""
    AFTER = auto()
    """The server commits, and its response is lost."""
    LATE = auto()
    """The server gets COMMIT after the first look at the outcome."""
    NEVER = auto()
    """The server neither notices the loss nor gets COMMIT."""


class Proxy:
    """Forwards connections to PostgreSQL. The next commit of an event is lost as `loss` says."""

    def __init__(self, port: int) -> None:
        self.loss: Loss | None = None
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._delayed: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._open += [client, server]
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
                threading.Thread(target=self._return, args=(client, server), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        inserted, name = False, b""
        with suppress(OSError):
            while data := client.recv(65536):
                if STATUS in data:
                    while self._delayed:
                        self._delayed.pop().sendall(COMMIT)
                if found := INSERT.search(data):
                    inserted, name = True, found[1]
                inserted = inserted or (name != b"" and b"\0%s\0" % name in data)
                if COMMIT in data and inserted and self.loss is not None:
                    self._lose(client, server, data)
                    return
                server.sendall(data)
        _end(server)

    def _return(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        _end(client)

    def _lose(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        loss, self.loss = self.loss, None
        if loss is Loss.AFTER:
            client.shutdown(socket.SHUT_WR)  # its response cannot be returned
            server.sendall(data)
            return
        if loss is Loss.LATE:
            self._delayed.append(server)
        _end(client)
        if loss is Loss.BEFORE:
            _end(server)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    proxy = Proxy(cluster.port)
    yield proxy
    proxy.close()


@pytest.fixture
def behind(proxy: Proxy, cluster: Cluster, engine: str, shared: Shared) -> Iterator[Server]:
    url = shared.migrated(engine).replace(f":{cluster.port}/", f":{proxy.port}/")
    with serving(
        Settings(database_url=url, database_wait_seconds=1, log_level="error", deliver_webhooks=False)
    ) as server:
        yield server


def names(client: Client) -> list[str]:
    return [issue["name"] for issue in client.call("GET", "/api/issues", 200)["items"]]


def test_the_response_says_whether_the_change_was_stored(proxy: Proxy, behind: Server) -> None:
    world = World(behind, Clock())
    tess = world.client("tess")
    assert create(tess, "Usual").status_code == 201

    proxy.loss = Loss.BEFORE
    assert_unavailable(create(tess, "Before"), "unknown")
    proxy.loss = Loss.AFTER
    assert create(tess, "After").status_code == 201
    proxy.loss = Loss.LATE
    assert create(tess, "Late").status_code == 201
    assert names(tess) == ["After", "Late", "Usual"]
    assert [event.issue_name for event in world.history()] == ["Usual", "After", "Late"]

    proxy.loss = Loss.NEVER
    unknown = create(tess, "Never")
    assert_unavailable(unknown)
    assert "unknown whether" in unknown.json()["detail"]
    assert proxy.loss is None
    assert names(tess) == ["After", "Late", "Usual"]

    key = {"Idempotency-Key": "once"}
    proxy.loss = Loss.AFTER
    made = tess.post("/api/issues", json={"name": "With a key"}, headers=key)
    again = tess.post("/api/issues", json={"name": "With a key"}, headers=key)
    assert (made.status_code, again.status_code, again.text) == (201, 201, made.text)
    world.close()
