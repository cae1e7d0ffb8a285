"""Slots that the server processes of one machine share, and that a process which ends in any way gives back.

A slot is a byte of a file, and is taken by a lock on it (fcntl(2)): the system knows who has it, and releases the locks
of a process that ends. A row in the database would have to be renewed all the time, and be waited for after a crash.
"""

import atexit
import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path

FILE = "_ISSUE_TRACKER_SLOTS"
"""The environment variable by which a parent tells its server processes the file."""

OWNERS = 2**40


def share_between_workers() -> None:
    """Lets the server processes that this process starts share their slots, if it can write temporary files."""
    with suppress(OSError):  # otherwise each process has slots of its own
        handle, path = tempfile.mkstemp(prefix="issue-tracker-slots-")
        os.close(handle)
        os.environ[FILE] = path
        atexit.register(Path(path).unlink, missing_ok=True)


class SharedSlots:
    """At most `most` slots for each owner. To be used in one thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: set[int] = set()
        self._file: int | None = None
        path = os.environ.get(FILE)
        if path is not None:
            with suppress(OSError):  # then each process has slots of its own
                # Open as long as the process is there: closing it would release every lock.
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, owner: int) -> int | None:
        """Takes a free slot of an owner, and returns it; None when all are taken."""
        first = owner % OWNERS * self._most
        for slot in range(first, first + self._most):
            if slot not in self._taken and self._lock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB):
                self._taken.add(slot)
                return slot
        return None

    def release(self, slot: int) -> None:
        """Gives a slot back."""
        self._taken.discard(slot)
        self._lock(slot, fcntl.LOCK_UN)

    def _lock(self, slot: int, how: int) -> bool:
        if self._file is None:
            return True
        try:
            fcntl.lockf(self._file, how, 1, slot)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True
