"""Measures the cost of idle listeners: memory of each, the time until a change reaches all, and the effect on other
requests.

PYTHONPATH=. .venv/bin/python -m tests.events.idle [listeners]
"""

import selectors
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from issue_tracker.auth.sessions import csrf_token
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.settings import Settings
from tests.events.processes import OwnServer, own_servers
from tests.processes import new_interpreters
from tests.world import Clock, World


def _resident_kilobytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def _listen(server: OwnServer, token: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))
    head = f"GET /api/events/stream HTTP/1.1\r\nHost: x\r\nCookie: issue_tracker_session={token}\r\n\r\n"
    connection.sendall(head.encode())
    received = b""
    while b": connected" not in received:
        part = connection.recv(4096)
        assert part, received
        received += part
    return connection


def _milliseconds(client: httpx.Client, count: int = 200) -> float:
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        client.get("/api/issues").raise_for_status()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def _until_all_have_it(client: httpx.Client, connections: list[socket.socket], status: str) -> float:
    waiting = selectors.DefaultSelector()
    for connection in connections:
        waiting.register(connection, selectors.EVENT_READ)
    started = time.perf_counter()
    body = {"issue_name": "VPN", "company_name": "Contoso", "status": status}
    client.put("/api/issues/status", json=body).raise_for_status()
    left = len(connections)
    while left:
        for key, _ in waiting.select(10):
            assert b"assignment.status_changed" in key.fileobj.recv(65536)  # type: ignore[union-attr]  # it is a socket
            waiting.unregister(key.fileobj)
            left -= 1
    return (time.perf_counter() - started) * 1000


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/idle.db"
        database = Database(Settings(database_url=url))
        migrate.upgrade(database)
        database.close()
        streams = {"ISSUE_TRACKER_STREAMS_PER_USER": str(count + 1)}
        with new_interpreters(), own_servers(url, (), **streams) as (server,):
            world = World(server, Clock())
            world.given_issue("VPN", {"Contoso": "new"})
            token = world.session_token("tess")
            client = world.anonymous()
            client.cookies.set("issue_tracker_session", token)
            client.headers["X-CSRF-Token"] = csrf_token(token)
            _listen(server, token).close()
            alone = _milliseconds(client)
            before = _resident_kilobytes(server.process.pid)
            connections = [_listen(server, token) for _ in range(count)]
            time.sleep(3)
            after = _resident_kilobytes(server.process.pid)
            reach = [
                _until_all_have_it(client, connections, s) for s in ("resolved", "new", "closed", "new", "resolved")
            ]
            beside = _milliseconds(client)
            each = (after - before) / count
            print(f"{count} listeners on one process: {each:.0f} kB each ({after / 1024:.0f} MB in all)")
            print(f"a change reaches all of them in {statistics.median(reach):.0f} ms (worst {max(reach):.0f} ms)")
            print(f"GET /api/issues: {alone:.2f} ms alone, {beside:.2f} ms beside them (median)")
            world.close()


if __name__ == "__main__":
    main()
