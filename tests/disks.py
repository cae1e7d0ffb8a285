"""The places of databases: in memory, where most tests only want speed, and on small file systems that tests fill and
free, which only root can mount.
"""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

MEMORY = Path("/dev/shm")
"""The file system in memory that Linux provides."""

ROOM = 2**31
"""The number of bytes that must be free in memory, enough for several test processes."""


def fast_folder(prefix: str) -> Path:
    """Creates a temporary folder in memory if there is enough room, and on the disk otherwise."""
    in_memory = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if in_memory else None))


@cache
def can_mount() -> bool:
    """Returns whether this process may mount a file system."""
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
    return os.geteuid() == 0 and subprocess.run(tried, capture_output=True, check=False).returncode == 0


class SmallDisk:
    """A file system of some MiB."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def grow(self, mebibytes: int) -> None:
        """Changes the size."""
        subprocess.run(["mount", "-o", f"remount,size={mebibytes}m", str(self.folder)], check=True)

    def fill(self) -> None:
        """Fills the file system completely."""
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (1024 * 1024, 4096):
                with suppress(OSError):
                    while ballast.write(bytes(size)) == size:
                        continue

    def leave(self, pages: int) -> None:
        """After `fill`: frees room for this many pages of 4 KiB, or leaves more if it is already free."""
        found = os.statvfs(self.folder)
        missing = pages * 4096 - found.f_bfree * found.f_frsize
        if missing > 0:
            os.truncate(self._ballast, self._ballast.stat().st_size - missing)

    def empty(self) -> None:
        """Frees the room that `fill` has taken."""
        self._ballast.unlink()


@contextmanager
def mounted(mebibytes: int) -> Iterator[SmallDisk]:
    """Provides a small file system until the block ends. It is not in a folder of pytest, which PostgreSQL's user
    cannot enter.
    """
    folder = Path(tempfile.mkdtemp(prefix="issue-tracker-disk-"))
    folder.chmod(0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def create_tablespace(connection: Any, disk: SmallDisk) -> str:
    """Creates a PostgreSQL tablespace on the disk, in the cluster of the connection, and returns its name."""
    (data,) = connection.execute("SHOW data_directory").fetchone()
    shutil.chown(disk.folder, Path(data).stat().st_uid, Path(data).stat().st_gid)
    name = f"small_{uuid.uuid4().hex}"
    connection.execute(f"CREATE TABLESPACE {name} LOCATION '{disk.folder}'")
    return name
