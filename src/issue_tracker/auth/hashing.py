"""Threads of low priority that hash passwords, so that a flood of sign-ins does not delay other requests.

Argon2 occupies a processor and 64 MiB of memory for each hash (RFC 9106), and releases the interpreter lock.
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
"""Maximum number of concurrent hashes, regardless of the processors: together they take 256 MiB."""

NICENESS = 10
"""How much the threads yield to all others (nice(1)). At 19, a thread that just finished a hash could hold the
interpreter lock while it waits for a processor, and every other thread would wait for it.
"""


def processors() -> int:
    """Returns the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


THREADS = max(1, min(MOST_THREADS, processors() - 1))
"""One processor is reserved for everything else, if there is more than one."""

WAITING = 8
"""Maximum number of hashes that wait for a thread. Requests wait elsewhere (`server/password_requests.py`)."""

_places = threading.BoundedSemaphore(THREADS + WAITING)


def run(compute: Callable[[], T]) -> T:
    """Runs `compute` in one of the threads, and returns its result. Raises TooBusy if too many are already waiting."""
    if not _places.acquire(blocking=False):
        raise TooBusy
    try:
        return _pool.submit(compute).result()
    finally:
        _places.release()


def _lower_priority() -> None:
    """Lowers the priority of this thread, and leaves one processor to the others. Only on Linux can a thread have a
    priority and processors of its own.

    Argon2 computes the four lanes of one hash in four threads, which inherit both; otherwise a single hash would occupy
    all processors.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            present, thread = os.getpriority(os.PRIO_PROCESS, 0), threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, min(19, present + NICENESS))
            usable = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(thread, usable[:-1] or usable)


_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hashing", initializer=_lower_priority)
"""Its threads start on first use, because the process may have been forked before."""
