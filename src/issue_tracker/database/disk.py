"""What the file system says about a database file: SQLite's errors alone do not name the cause."""

import os
from errno import EACCES
from pathlib import Path

LITTLE_SPACE = 1024 * 1024
"""Bytes of free space below which a disk counts as full."""


def is_full(path: Path) -> bool:
    """Whether this process can write almost nothing more to the file system of the path. Raises OSError."""
    found = os.statvfs(path)
    blocks = found.f_bfree if os.geteuid() == 0 else found.f_bavail
    return blocks * found.f_frsize < LITTLE_SPACE


def is_read_only(path: Path) -> bool:
    """Whether the file at the path cannot be written, because of its permissions or its file system."""
    return not os.access(path, os.W_OK)


def why_not_opened(path: Path) -> str | None:
    """Why SQLite could not open the file, which SQLite itself does not say. None when nothing is found.

    The file itself must not be opened for this: closing it again would drop the locks of this process.
    """
    if exhausted := no_descriptor_left():
        return exhausted
    try:
        path.stat()
    except OSError as error:
        return error.strerror
    return None if os.access(path, os.R_OK) else os.strerror(EACCES)


def no_descriptor_left() -> str | None:
    """The system's message when this process can open nothing more; None when it can."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.strerror
    return None
