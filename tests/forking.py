"""The preloaded process: it imports the product and the client, and forks for every request (preloaded.py)."""

import atexit
import gc
import importlib
import io
import marshal
import multiprocessing.util
import os
import pkgutil
import resource
import runpy
import selectors
import shutil
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from argon2 import PasswordHasher
from starlette.routing import compile_path

from issue_tracker.app import declared_routes
from issue_tracker.auth import passwords
from issue_tracker.struct_types import prepare_structs

PROGRAMS = {"issue-tracker": "issue_tracker.cli", "itctl": "issue_tracker_client.itctl"}
"""The module of each program. Another name is that of a module which is executed, as with `python -m`."""

LATER = (
    "alembic.command",
    "alembic.config",
    "disarm",
    "encodings.idna",
    "psycopg",
    "pwd",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvloop",
    PROGRAMS["itctl"],
)
"""What commands and servers import when they need it."""

STREAMS = (0, 1, 2)

SPAWNED = "--multiprocessing-fork"
"""The argument of every process that `multiprocessing` spawns."""

SERVER_PROCESS = "server process"
"""The name of a server process that was forked, in /proc."""


def cheap_hasher() -> PasswordHasher:
    """Argon2 with a low cost."""
    return PasswordHasher(time_cost=1, memory_cost=16, parallelism=1)


def _read(connection: socket.socket, size: int) -> bytes:
    """Reads exactly this many bytes, or fewer at the end of the connection."""
    content = b""
    while len(content) < size and (part := connection.recv(size - len(content))):
        content += part
    return content


def _import_everything() -> None:
    package = importlib.import_module("issue_tracker")
    for module in pkgutil.walk_packages(package.__path__, "issue_tracker."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in LATER:
        importlib.import_module(name)
    # What every server makes at its start, and Python then keeps.
    prepare_structs()
    for route in declared_routes():
        compile_path(route.path)
    hasher = cheap_hasher()
    passwords._hasher, passwords._no_account = hasher, hasher.hash("nobody")
    assert threading.active_count() == 1, "a fork would have none of the threads"
    gc.freeze()


def _next_program(listener: socket.socket, folder: str) -> Callable[[], object]:
    """Forks for every request, and returns the requested program in the fork. Reports the exit codes of the forks.
    Deletes the folder and exits when standard input is closed.
    """
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(STREAMS[0], selectors.EVENT_READ)
        while True:
            for ready, _ in selector.select():
                if ready.data:
                    _report_end(selector, ready.fd, *ready.data)
                elif ready.fileobj is not listener:
                    shutil.rmtree(folder)
                    raise SystemExit
                else:
                    connection, _ = listener.accept()
                    header, streams, _, _ = socket.recv_fds(connection, 4, len(STREAMS))
                    if not header:  # a script was ended before it could send its request
                        connection.close()
                        continue
                    request = marshal.loads(_read(connection, int.from_bytes(header)))
                    child = os.fork()
                    if child == 0:
                        _close_all(selector, listener)
                        _become(request, streams, connection)
                        return _program(request["program"], request["arguments"])
                    for stream in streams:
                        os.close(stream)
                    selector.register(os.pidfd_open(child), selectors.EVENT_READ, (child, connection))


def _program(name: str, arguments: list[str]) -> Callable[[], object]:
    module = PROGRAMS.get(name, name)
    sys.argv = [name, *arguments]
    if name != "itctl":
        return lambda: runpy.run_module(module, run_name="__main__", alter_sys=True)
    main = importlib.import_module(module).main
    return lambda: sys.exit(main())


def _report_end(selector: selectors.BaseSelector, descriptor: int, child: int, reports: socket.socket) -> None:
    selector.unregister(descriptor)
    os.close(descriptor)
    _, status = os.waitpid(child, 0)
    with reports, suppress(OSError):  # the test may have ended
        reports.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, signed=True))


def _close_all(selector: selectors.BaseSelector, listener: socket.socket) -> None:
    """Closes what a new process would not have."""
    for key in selector.get_map().values():
        if key.data:
            os.close(key.fd)
            key.data[1].close()
    listener.close()


def _become(request: dict[str, Any], streams: list[int], reports: socket.socket) -> None:
    """Gives this process what the request says, and reports its id, when signals for its group reach it."""
    for stream, number in zip(streams, STREAMS, strict=True):
        os.dup2(stream, number)
        os.close(stream)
    _open_standard_streams()
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    if request.get("start_new_session"):
        os.setsid()
    if (largest := request.get("largest_file")) is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    with reports:
        reports.sendall(os.getpid().to_bytes(4, signed=True))


def _open_standard_streams() -> None:
    """Creates the standard streams as the interpreter does with PYTHONUTF8."""
    for number, name, mode, errors in (
        (0, "stdin", "rb", "surrogateescape"),
        (1, "stdout", "wb", "surrogateescape"),
        (2, "stderr", "wb", "backslashreplace"),
    ):
        binary = open(number, mode, closefd=False)  # noqa: SIM115 - nobody closes a standard stream before the end of the process
        by_line = name == "stderr" or binary.isatty()
        text = io.TextIOWrapper(binary, encoding="utf-8", errors=errors, newline="\n", line_buffering=by_line)
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)


_execute = multiprocessing.util.spawnv_passfds


def _fork_instead_of_executing(path: bytes, args: list[str], descriptors: list[int]) -> int:
    """Starts a process of `multiprocessing` (and not its resource tracker) as a fork with only these file descriptors,
    and with the default signal handlers, as a new program has them.
    """
    if SPAWNED not in args:
        return int(_execute(path, args, descriptors))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _run_spawned(args, descriptors)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return child


def _run_spawned(args: list[str], descriptors: list[int]) -> NoReturn:
    Path("/proc/self/comm").write_text(SERVER_PROCESS)
    used = sorted({*STREAMS, *descriptors})
    for before, after in pairwise([*used, os.sysconf("SC_OPEN_MAX")]):
        if before + 1 < after:
            os.closerange(before + 1, after)
    sys.argv = ["-c", SPAWNED]
    _end(lambda: exec(args[args.index("-c") + 1], {}), lambda: None)  # what it inherits is for its parent to do


def _end(program: Callable[[], object], at_exit: Callable[[], object]) -> NoReturn:
    """Runs a program to its end, as the interpreter does: it closes what the program has left open. The process then
    exits without deleting what was loaded before, because that would copy all memory that it shares with the preloaded
    process.
    """
    code: object = 0
    try:
        program()
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        code = 1
    # The interpreter waits for threads with this function, which has no public name and no type.
    threading._shutdown()  # type: ignore[attr-defined]  # it has no public name, and no type
    at_exit()
    gc.collect()  # closes the connections to embedded databases, which removes their logs
    try:
        sys.stdout.flush()
    except OSError:
        traceback.print_exc()
        code = 120
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _import_everything()
    multiprocessing.util.spawnv_passfds = _fork_instead_of_executing  # type: ignore[assignment]  # with the same parameters and result
    _end(_next_program(socket.socket(fileno=int(sys.argv[1])), sys.argv[2]), atexit._run_exitfuncs)
