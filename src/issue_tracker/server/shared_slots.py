"""Slots shared by the server processes of one machine. A process that ends in any way releases its slots.

A slot is one byte of a file; a process takes it by locking the byte (fcntl(2)). The kernel knows the owner, and
releases the locks of a process that ends. A row in the database would need constant renewal, and a timeout after a
crash.
"""

import atexit
import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path

FILE = "_ISSUE_TRACKER_SLOTS"
"""The environment variable through which a parent process passes the path of the file to its server processes."""

OWNERS = 2**40


def share_between_workers() -> None:
    """Lets the server processes that this process starts share their slots, if a temporary file can be created."""
    with suppress(OSError):  # otherwise each process has its own slots
        handle, path = tempfile.mkstemp(prefix="issue-tracker-slots-")
        os.close(handle)
        os.environ[FILE] = path
        atexit.register(Path(path).unlink, missing_ok=True)


class SharedSlots:
    """At most `most` slots for each owner, a non-negative number. Use it in one thread only."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: set[int] = set()
        self._file: int | None = None
        path = os.environ.get(FILE)
        if path is not None:
            with suppress(OSError):  # then each process has its own slots
                # Stays open for the life of the process, because closing it would release every lock.
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, owner: int) -> int | None:
        """Takes a free slot of an owner and returns it; None if all are taken."""
        first = owner % OWNERS * self._most
        for slot in range(first, first + self._most):
            if slot not in self._taken and self._lock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB):
                self._taken.add(slot)
                return slot
        return None

    def release(self, slot: int) -> None:
        """Releases a slot that `take` returned."""
        self._taken.discard(slot)
        self._lock(slot, fcntl.LOCK_UN)

    def _lock(self, slot: int, how: int) -> bool:
        if self._file is None:
            return True
        try:
            fcntl.lockf(self._file, how, 1, slot)
        except BlockingIOError:
            return False
        except OSError:  # the file system does not support locks
            return True
        return True
