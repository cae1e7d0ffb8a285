"""A limit that applies across the server processes of a machine."""

import os
import signal
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx

from tests.processes import processes, serve
from tests.shared import Shared
from tests.waiting import eventually


def test_streams_of_one_user_are_limited_across_processes(shared: Shared, tmp_path: Path) -> None:
    """A killed process releases its slots."""
    with (
        serve(shared.with_admin("sqlite"), tmp_path / "server.log", workers=2, STREAMS_PER_USER="2") as server,
        ExitStack() as stack,
    ):
        client = server.sign_in()
        stack.callback(client.close)

        def status() -> int:
            with suppress(httpx.TransportError):
                return stack.enter_context(client.stream("GET", "/api/events/stream")).status_code
            return 0

        eventually(lambda: len(processes(server)) == 2)
        assert Counter(status() for _ in range(8)) == {200: 2, 429: 6}
        for pid in processes(server):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: status() == 200)
