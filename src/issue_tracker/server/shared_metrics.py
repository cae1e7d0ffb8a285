"""The metrics of several server processes: each writes its own to files in one folder, and any of them reads all.

The folder may disappear while the server runs, because it is temporary. Its processes then create it again, and count
from zero, as after a restart.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Metric, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

log = structlog.get_logger("issue_tracker.server")

FOLDER = "PROMETHEUS_MULTIPROC_DIR"

CHECK_SECONDS = 1.0
"""Interval at which a process checks whether its files still exist."""


def share_between_workers() -> None:
    """Lets any worker report the metrics of all workers. Must be called before the workers start.

    The folder of their files is deleted when this process ends, unless the operator has chosen it.
    """
    if FOLDER not in os.environ:
        os.environ[FOLDER] = folder = tempfile.mkdtemp(prefix="issue-tracker-metrics-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        # systemd-tmpfiles deletes no old folder that is locked. The lock ends with this process.
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)


def use_shared_files() -> None:
    """Makes this process write its metrics to files of the shared folder, if there is one and it can be created."""
    if FOLDER not in os.environ:
        return
    shared: Any = values.MutexValue
    try:
        shared = values.MultiProcessValue(_Files(Path(os.environ[FOLDER])))  # type: ignore[no-untyped-call]  # the library has no types
    except OSError as error:
        log.warning("the folder of shared metrics cannot be created; this process reports none", reason=str(error))
    values.ValueClass = shared


def forget_process(process: int | None) -> None:
    """Removes what the gauges of a worker that has ended would show forever. Its counters remain."""
    if FOLDER in os.environ:
        mark_process_dead(f"{process}-*")  # type: ignore[no-untyped-call]  # the library has no types


def exposition(registry: CollectorRegistry) -> bytes:
    """Returns the metrics of all workers as Prometheus text; those of the registry if this process is the only one."""
    if FOLDER not in os.environ:
        return generate_latest(registry)
    shared = CollectorRegistry()
    with suppress(ValueError):  # there is no folder, so there is nothing to report
        _Collector(shared)  # type: ignore[no-untyped-call]  # the library has no types
    try:
        return generate_latest(shared)
    except FileNotFoundError:  # the folder is being deleted
        return b""


class _Collector(MultiProcessCollector):
    """Reads the files of all processes, except those without content: one that is being created has none yet, and one
    of a process that was killed meanwhile never gets any. The library fails for them.
    """

    def collect(self) -> Iterable[Metric]:
        written = [str(file) for file in Path(os.environ[FOLDER]).glob("*.db") if _has_content(file)]
        metrics: Iterable[Metric] = self.merge(written)  # type: ignore[no-untyped-call]  # the library has no types
        return metrics


def _has_content(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:  # its process has just ended
        return False


class _Files:
    """The name of this process's files. It changes when they were deleted, and the library then creates them again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._attempt = 0
        self._failed = False
        self._checked_at = time.monotonic()
        self._create()

    def __call__(self) -> str:
        if time.monotonic() - self._checked_at >= CHECK_SECONDS:
            self._checked_at = time.monotonic()
            if not self._mark(self._attempt).exists():
                self._create_again()
        return f"{os.getpid()}-{self._attempt}"

    def _create_again(self) -> None:
        self._attempt += 1
        try:
            self._create()
        except OSError as error:
            self._attempt -= 1  # the process continues to write to its deleted files
            if not self._failed:
                log.warning("the deleted folder of shared metrics cannot be created", reason=str(error))
            self._failed = True
        else:
            self._failed = False
            log.warning("the folder of shared metrics was deleted; this process counts from zero", process=os.getpid())

    def _create(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._mark(self._attempt).touch()

    def _mark(self, attempt: int) -> Path:
        """A file of this process that the library does not read."""
        return self._folder / f"process_{os.getpid()}-{attempt}"
