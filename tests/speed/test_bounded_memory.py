"""A whole list is streamed in bounded memory (contract, section 5): 8,000 issues, to several readers."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from bench import dataset

from tests.clients import Client
from tests.events.processes import OwnServer, own_servers
from tests.world import Clock, World

pytestmark = pytest.mark.long

SIZE = dataset.Size(24_000)
READERS = 3
GROWTH = 25.0
"""The number of additional megabytes that the process may use. Whole lists in memory need three times as many."""

ISSUE = b',"assignments":['
"""A text that occurs once in every issue of a list."""


def megabytes(server: OwnServer, field: str) -> float:
    """Returns the memory of the process that the system reports. `VmHWM` is the maximum resident size.

    `RssAnon` is the anonymous part. On SQLite only this part counts: pages of the mapped file are resident too, but
    belong to the system's cache (docs/decisions/0015).
    """
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8")
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


def read_everything(client: Client) -> tuple[int, bytes]:
    """Returns the number of received issues, and the end of the list."""
    issues, end = 0, b""
    with client.stream("GET", "/api/issues", timeout=120) as response:
        assert response.status_code == 200
        for part in response.iter_raw(2**20):
            text = end[-len(ISSUE) + 1 :] + part
            issues += text.count(ISSUE)
            end = text[-40:]
    return issues, end


@pytest.fixture
def large_server(engine: str, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnServer]:
    """A process that serves 8,000 issues, and no other data. It is a fork: what it has loaded before counts neither at
    the beginning nor at the end.
    """
    monkeypatch.setattr(dataset, "EVENTS", "SELECT 1")  # a list reads no history, and creating one takes the longest
    dataset.fill(fresh_database_url, SIZE.assignments, 1)
    with own_servers(fresh_database_url, ()) as (server,):
        yield server


def test_whole_lists_are_streamed_in_bounded_memory(large_server: OwnServer) -> None:
    world = World(large_server, Clock())
    clients = [world.client("tess") for _ in range(READERS)]
    for client in clients:
        client.call("GET", "/api/issues?limit=500", 200)
    own, resident = megabytes(large_server, "RssAnon"), megabytes(large_server, "VmRSS")
    most = own

    with ThreadPoolExecutor(READERS) as pool:
        readers: list[Future[tuple[int, bytes]]] = [pool.submit(read_everything, client) for client in clients]
        while not all(reader.done() for reader in readers):
            most = max(most, megabytes(large_server, "RssAnon"))
            wait(readers, timeout=0.02)

    for reader in readers:
        issues, end = reader.result()
        assert issues == SIZE.issues and end.endswith(b'"total":%d}' % SIZE.issues)
    assert most - own < GROWTH
    if world.engine == "postgresql":
        assert megabytes(large_server, "VmHWM") - resident < GROWTH
    world.close()
