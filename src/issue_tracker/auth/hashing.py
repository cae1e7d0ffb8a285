"""Where passwords are hashed: in a few threads of low priority, so that a flood of sign-ins delays nobody else.

Argon2 keeps a processor and 64 MiB of memory busy for each hash (RFC 9106), and it releases the interpreter lock.
"""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from issue_tracker.errors import TooBusy

T = TypeVar("T")

MOST_THREADS = 4
"""Hashes at the same time, however many processors there are: together they take 256 MiB."""

NICENESS = 10
"""How much the threads give way to all others (nice(1)). At 19 a thread that just finished a hash could hold the
interpreter lock while it waits for a processor, and everybody would wait with it.
"""


def processors() -> int:
    """Returns how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


THREADS = max(1, min(MOST_THREADS, processors() - 1))
"""One processor is left for everything else, where there is more than one."""

WAITING = 8
"""How many hashes may wait for a thread. The requests that need one wait elsewhere (`server/password_requests.py`)."""

_places = threading.BoundedSemaphore(THREADS + WAITING)


def run(compute: Callable[[], T]) -> T:
    """Returns the result of `compute`, which runs in one of the threads. Raises TooBusy when too many wait already."""
    if not _places.acquire(blocking=False):
        raise TooBusy
    try:
        return _pool.submit(compute).result()
    finally:
        _places.release()


def _give_way() -> None:
    """Lowers the priority of this thread, and leaves one processor to the others. Only on Linux does a thread have a
    priority and processors of its own.

    Argon2 computes the four lanes of one hash in four threads, which inherit both: otherwise a single hash would keep
    all processors busy.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            present, thread = os.getpriority(os.PRIO_PROCESS, 0), threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, min(19, present + NICENESS))
            usable = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(thread, usable[:-1] or usable)


_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hashing", initializer=_give_way)
"""Its threads start when they are first needed: a process may have been forked before."""
