"""Several server processes on one port: started, supervised, replaced when they end, and stopped together.

This replaces uvicorn's supervisor, which kills a process that does not respond within some seconds of its start: on a
machine with little processor time, no process would ever complete its imports. Here, a process may take any time to
start. From then on, it reports every second that it is alive.

Each process is connected to its parent by a pipe. When the parent ends, in whatever way, the pipe closes, and the
process stops, so that no server process is left that cannot be stopped.
"""

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any

import structlog
import uvicorn

from issue_tracker.server.protocol import HttpProtocol
from issue_tracker.server.shared_metrics import forget_process
from issue_tracker.settings import Settings

log = structlog.get_logger("issue_tracker.servers")

APPLICATION = "issue_tracker.app:create_app"

GRACE_SECONDS = 10
"""How long open requests may take to end when a server stops."""

STOP_SECONDS = GRACE_SECONDS + 10
"""How long a process may take to stop, before it is killed."""

REPORT_SECONDS = 1.0
CHECK_SECONDS = 0.25
SILENT_CHECKS = 240
"""A started process that is silent for this many checks, a minute, hangs and is replaced. Checks are counted instead of
measuring time, because the time for which a machine was suspended must count only once."""

RETRY_SECONDS = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""The delay before a process is replaced, by the number of its predecessors in a row that ended before they started."""

_OF_TERMINALS = {signal.SIGINT, signal.SIGHUP}
"""Signals that a terminal sends to a whole group of processes."""

_STARTING, _STARTED = b"starting", b"started"

_spawn = multiprocessing.get_context("spawn")


def server_options(loaded: Settings) -> dict[str, Any]:
    """Returns uvicorn's options, for one process as well as for several."""
    return {
        "factory": True,
        "http": HttpProtocol,
        "backlog": loaded.connection_backlog,
        "host": loaded.host,
        "port": loaded.port,
        "log_config": None,  # its lines have the form of all others
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "ws": "none",
        "timeout_graceful_shutdown": GRACE_SECONDS,
    }


class _Worker:
    """One server process in the parent's view. `started` is True once it accepts connections."""

    def __init__(self, options: Mapping[str, Any], listeners: Sequence[Any]) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self.process: SpawnProcess = _spawn.Process(target=_serve, args=(options, listeners, theirs), name="server")
        # Ctrl-C on a terminal, and its end, reach every process of the group; a process that is still starting must
        # leave them to its parent. The process inherits the blocked signals. The parent receives them afterwards;
        # ignored, they would be lost.
        resource_tracker.ensure_running()  # otherwise the start would do this, and unblock the signal
        signal.pthread_sigmask(signal.SIG_BLOCK, _OF_TERMINALS)
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _OF_TERMINALS)
        # From now on, only the process holds that end, so that the pipe closes with it.
        theirs.close()
        self.started = False
        self._silent_checks = 0

    def check(self) -> bool:
        """Reads what the process has reported. Returns False if it has ended, or hung and was killed."""
        self._silent_checks += 1
        with suppress(EOFError, OSError):
            while self._pipe.poll():
                report = self._pipe.recv_bytes()
                if report == _STARTED and not self.started:
                    self.started = True
                    log.info("server process started", process=self.process.pid)
                self._silent_checks = 0
        if self.started and self._silent_checks > SILENT_CHECKS:
            log.error("server process hangs", process=self.process.pid)
            self.process.kill()
            self.process.join()
        if self.process.is_alive():
            return True
        self._pipe.close()
        forget_process(self.process.pid)
        return False


class _Place:
    """The place of one server process, which is replaced when it ends."""

    def __init__(self) -> None:
        self.worker: _Worker | None = None
        self.failures = 0
        self.due = 0.0


class Supervisor:
    """Runs `workers` server processes on bound sockets. Use it in the main thread."""

    def __init__(self, options: Mapping[str, Any], listeners: Sequence[Any], workers: int) -> None:
        self._options = options
        self._listeners = listeners
        self._places = [_Place() for _ in range(workers)]
        self._any_started = False
        self._stopping = False

    def run(self) -> bool:
        """Returns True when a signal has stopped it; False if a process failed before any had started, because then
        the others would fail, too, as with an invalid port or setting.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        # With `nohup`, SIGHUP is ignored.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._stop)
        try:
            while not self._stopping:
                for place in self._places:
                    if not self._check(place):
                        return False
                time.sleep(CHECK_SECONDS)
            return True
        finally:
            self._stop_all()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _check(self, place: _Place) -> bool:
        """Starts the process of a place, if it is due and there is none. Returns False for a failed start."""
        worker = place.worker
        if worker is not None:
            alive = worker.check()
            if worker.started:
                self._any_started, place.failures = True, 0
            if alive:
                return True
            code = worker.process.exitcode or 0
            if not self._any_started and code > 0:
                return False
            place.failures += not worker.started
            wait = RETRY_SECONDS[min(place.failures, len(RETRY_SECONDS) - 1)]
            log.error("server process ended", process=worker.process.pid, exit_code=code, replaced_after_seconds=wait)
            place.worker, place.due = None, time.monotonic() + wait
        if time.monotonic() >= place.due:
            self._start(place)
        return True

    def _start(self, place: _Place) -> None:
        """Starts the process of a place. If the system refuses that, it is tried again later, because other processes
        may still serve. Raises OSError if none has ever started.
        """
        try:
            place.worker = _Worker(self._options, self._listeners)
        except OSError as refused:
            if not self._any_started:
                raise
            place.failures += 1
            wait = RETRY_SECONDS[min(place.failures, len(RETRY_SECONDS) - 1)]
            log.error("server process not started", reason=str(refused), tried_again_after_seconds=wait)
            place.due = time.monotonic() + wait

    def _stop_all(self) -> None:
        """Lets every process complete its open requests, and kills those that take too long."""
        processes = [place.worker.process for place in self._places if place.worker is not None]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                log.error("server process killed", process=process.pid, reason="did not stop in time")
                process.kill()
                process.join()


def _serve(options: Mapping[str, Any], listeners: Sequence[Any], parent: Connection) -> None:
    """The body of a server process. Ignores Ctrl-C until the server handles it, and leaves SIGHUP to the parent."""
    gc.disable()  # until the application is loaded and ready: loading creates no garbage
    for number in _OF_TERMINALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _OF_TERMINALS)
    server = uvicorn.Server(uvicorn.Config(APPLICATION, **options))
    threading.Thread(target=_report, args=(server, parent), name="reports", daemon=True).start()
    with suppress(KeyboardInterrupt):
        server.run(sockets=list(listeners))


def _report(server: uvicorn.Server, parent: Connection) -> None:
    """Reports to the parent repeatedly that this process is alive; ends the process when the parent has ended."""
    with suppress(EOFError, OSError):
        while True:
            parent.send_bytes(_STARTED if server.started else _STARTING)
            # The parent sends nothing: the pipe becomes readable only when its other end is closed.
            if parent.poll(REPORT_SECONDS):
                parent.recv_bytes()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os._exit(1)
