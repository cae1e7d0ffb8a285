"""What the file system reports about a database file, because SQLite's errors alone do not name the cause; and how
files are flushed to it.
"""

import os
from errno import EACCES, ENOENT, ENOTDIR
from pathlib import Path

LITTLE_SPACE = 1024 * 1024
"""Bytes of free space below which a disk counts as full."""


def is_full(path: Path) -> bool:
    """Returns whether the file system of the path has almost no space left for this process. Raises OSError."""
    found = os.statvfs(path)
    blocks = found.f_bfree if os.geteuid() == 0 else found.f_bavail
    return blocks * found.f_frsize < LITTLE_SPACE


def is_missing(path: Path) -> bool:
    """Returns whether there certainly is no file at the path."""
    try:
        path.stat()
    except OSError as error:
        return error.errno in (ENOENT, ENOTDIR)
    return False


def is_read_only(path: Path) -> bool:
    """Returns whether permissions or the file system prevent this process from writing the file at the path."""
    return not os.access(path, os.W_OK)


def why_not_opened(path: Path) -> str | None:
    """Returns the reason why SQLite could not open the file, which SQLite does not report; None if none is found.

    This must not open the file itself: closing it again would release the locks of this process.
    """
    if exhausted := no_descriptor_left():
        return exhausted
    try:
        path.stat()
    except OSError as error:
        return error.strerror
    return None if os.access(path, os.R_OK) else os.strerror(EACCES)


def no_descriptor_left() -> str | None:
    """Returns the system's message if this process cannot open any more files; None if it can."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.strerror
    return None


def synchronize(path: Path) -> None:
    """Flushes a file's content, or a folder's entries, to disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
