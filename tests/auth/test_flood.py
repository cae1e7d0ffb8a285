"""A flood of sign-ins occupies only the threads that hash passwords, and does not delay other requests."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from issue_tracker.auth import hashing, passwords
from issue_tracker.server import password_requests
from tests.engines import decided_in_python
from tests.waiting import eventually
from tests.world import PASSWORD, World

WRONG = {"email": "tess@helpdesk.example", "password": "wrong"}


class Slow:
    """A hasher that takes as long as the test requires."""

    def __init__(self, hasher: Any) -> None:
        self._hasher = hasher
        self.begun = 0
        self.may_end = threading.Event()

    def verify(self, hash_: str, password: bytes) -> bool:
        self.begun += 1
        assert self.may_end.wait(30)
        return bool(self._hasher.verify(hash_, password))

    @contextmanager
    def ended(self) -> Iterator[None]:
        """Lets all verifications end after the block, even if an assertion in it fails."""
        try:
            yield
        finally:
            self.may_end.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hasher, name)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    """A hasher whose verifications end only when the test allows it."""
    slow = Slow(passwords._hasher)
    monkeypatch.setattr(passwords, "_hasher", slow)
    yield slow
    slow.may_end.set()


@decided_in_python
def test_other_requests_are_served_while_every_hash_waits(
    world: World, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = hashing.THREADS + world.server.settings.password_queue
    tess, crowd = world.client(), world.server.settings.threads + room

    def sign_in(_: int) -> httpx.Response:
        return world.anonymous().post("/api/auth/login", json=WRONG)

    def refused_after(status: int) -> float:
        started = time.monotonic()
        assert sign_in(0).status_code == status
        return time.monotonic() - started

    with ThreadPoolExecutor(crowd) as pool, slow.ended():
        sent: list[Future[httpx.Response]] = [pool.submit(sign_in, number) for number in range(crowd)]
        eventually(lambda: sum(one.done() for one in sent) == crowd - room)
        refused = [one.result() for one in sent if one.done()]
        assert {response.status_code for response in refused} == {503}
        assert all(int(response.headers["Retry-After"]) > 0 for response in refused)
        eventually(lambda: slow.begun == hashing.THREADS)
        monkeypatch.setattr(password_requests, "REFUSAL_SECONDS", 0.2)
        assert refused_after(503) >= 0.2, "so that its client does not send the next one at once"
        # More lists than there are worker threads, so no worker thread is occupied by a sign-in.
        for _ in range(world.server.settings.threads + 1):
            tess.call("GET", "/api/issues", 200)
        tess.call("POST", "/api/issues", 201, json={"name": "Beside the flood"})
        # A signed-in user still gets into the queue.
        body = {"current_password": PASSWORD, "new_password": "staple battery horse"}
        changed = pool.submit(tess.post, "/api/auth/password", json=body)
        slow.may_end.set()
        assert changed.result().status_code == 204
        statuses = sorted(one.result().status_code for one in sent)
        assert refused_after(429) >= 0.2
    # Ten wrong passwords for one account, then it is throttled.
    assert statuses == [401] * 10 + [429] * (room - 10) + [503] * (crowd - room)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_hashing_has_a_low_priority() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)

    assert hashing.run(niceness) == min(19, niceness() + hashing.NICENESS)
    usable = os.sched_getaffinity(0)
    left = usable - hashing.run(lambda: os.sched_getaffinity(0))
    assert len(left) == (1 if len(usable) > 1 else 0)
