"""Issues of very different sizes: the cost of a page and of the whole list, and the memory that slow readers occupy."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

from bench.dataset import STATUSES, company_name, issue_name
from bench.effort import PAGE, WHOLE, Effort
from bench.load import Request, send
from bench.measures import Client, Row, latencies
from bench.processes import Served, product
from bench.scene import FOLDER, Scene, signed_in
from issue_tracker.actor import command_line
from issue_tracker.companies.operations import create_missing_companies
from issue_tracker.companies.queries import find_companies
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.issues.assignments import NewAssignment
from issue_tracker.issues.operations import create_issue
from issue_tracker.names import Name
from issue_tracker.settings import Settings

MEMBERS = (1, 3, 500)
"""The number of companies of an issue. The sizes alternate in the order of the issue numbers."""

ISSUES = 180
READERS = 50
SECONDS = 5


def uneven(effort: Effort) -> Iterator[Row]:
    """Yields latencies on issues with 1, 3 and 500 companies, and the memory of a worker with slow readers."""
    scene = _scene()
    with product(scene.database_url) as ours:
        client = Client(ours.url, scene.headers)
        for name, path, count in (("page of 50", PAGE.path, effort.samples), ("whole list", WHOLE.path, 10)):
            size = len(send(ours.url, Request("GET", path), scene.headers).body)
            # No two requests are alike, so that none is answered from the response cache as a whole.
            separator = "&" if "?" in path else "?"
            requests = [
                Request("GET", f"{path}{separator}search={' ' * (number + 1)}".replace(" ", "%20"))
                for number in range(count)
            ]
            (took,) = latencies([client], [requests])
            yield Row(
                f"{name}, issues with 1, 3 and 500 companies",
                f"{took:.1f} ms for {size / 1e6:.1f} MB",
                f"{size / 1e3 / took:.0f} MB/s",
            )
        client.close()
        before = ours.memory()
        yield Row(
            f"worker memory with {READERS} readers of a byte a second, issues with 1, 3 and 500 companies",
            f"{before:.0f} MB before, {_memory_with_slow_readers(ours, scene):.0f} MB with them",
            "",
            "< 200 MB",
        )


def _scene() -> Scene:
    path = FOLDER / f"uneven-{ISSUES}-{migrate.head()}.db"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        database = Database(Settings(database_url=f"sqlite:///{path}"))
        migrate.upgrade(database)
        actor = command_line("bench")
        names = [Name(company_name(number)) for number in range(1, max(MEMBERS) + 1)]
        with database.write() as tx:
            create_missing_companies(tx, actor, names)
            known = list(find_companies(tx, actor, names).values())
            for number in range(ISSUES):
                members = [
                    NewAssignment(company, STATUSES[(number + place) % 6])
                    for place, company in enumerate(known[: MEMBERS[number % len(MEMBERS)]])
                ]
                create_issue(tx, actor, Name(issue_name(number)), f"Fault {number}", members)
        database.close()
    return signed_in(f"sqlite:///{path}")


def _memory_with_slow_readers(ours: Served, scene: Scene) -> float:
    """Returns the maximum memory of the worker in megabytes while readers took a byte a second of the whole list."""
    address = urlsplit(ours.url)
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": address.netloc, **scene.headers}.items())
    most = 0.0
    with ExitStack() as stack:
        readers = [stack.enter_context(socket.socket()) for _ in range(READERS)]
        for reader in readers:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect((address.hostname, address.port))
            reader.sendall(f"GET {WHOLE.path} HTTP/1.1\r\n{head}\r\n".encode())
        for _ in range(SECONDS):
            for reader in readers:
                assert len(reader.recv(1)) == 1
            most = max(most, ours.memory())
            time.sleep(1)
    return most
