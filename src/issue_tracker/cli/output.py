"""The output of commands: standard streams that always work, and files that are replaced completely or not at all."""

import io
import os
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TextIO, TypeVar

import click

from issue_tracker.csv_files import BadRow
from issue_tracker.database.disk import synchronize

T = TypeVar("T")

LOOK_ALIKES = 20
"""Maximum number of look-alike names in a file that are reported one by one."""


def prepare_streams() -> None:
    """Makes the three standard streams usable, whatever their state at the start of the program: open, and in UTF-8."""
    # The next opened file, such as the database, would get a closed descriptor's number, and output would go to it.
    while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(spare, True)
    os.close(spare)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    sys.stdout = _stream(sys.stdout, 1, "Standard output")
    sys.stderr = _stream(sys.stderr, 2, "Standard error")


def _stream(stream: TextIO | None, number: int, name: str) -> TextIO:
    """Returns a stream that writes UTF-8 to the target of the given one; its errors name the stream."""
    if stream is not None:
        try:
            number = stream.fileno()
        except OSError:
            # Not a file of the system, but an object that replaces one.
            return stream
    writer = io.BufferedWriter(_NamedFile(number, name))
    # Stored texts are valid Unicode; only the name of a file, in a message, may not be.
    return io.TextIOWrapper(
        writer, encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=writer.isatty()
    )


class _NamedFile(io.FileIO):
    """An open file whose errors contain its name."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._shown = name

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._shown) from error


def discard() -> None:
    """Discards buffered output that cannot be written, so that the process does not fail when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def progress(items: Iterable[T], total: int, description: str) -> Iterator[T]:
    """Yields the items, with a progress bar on a terminal; shows nothing in a pipe."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(items, length=total, label=description, file=sys.stderr, hidden=hidden) as bar:
        yield from bar


@contextmanager
def counted(total: int, description: str) -> Iterator[Callable[[int], None]]:
    """Shows a progress bar on a terminal; provides a function to call with the number of completed steps."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=total, label=description, file=sys.stderr, hidden=hidden) as bar:
        yield bar.update


def number_of(count: int, noun: str, plural: str = "") -> str:
    """Returns a number with its noun; the plural ends with -s unless it is given."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def warn_of_look_alikes(path: str, found: Sequence[tuple[int, str]]) -> None:
    """Prints which names look like others, for the first such lines, and how many more there are."""
    for line, sentence in found[:LOOK_ALIKES]:
        click.echo(f"{path}, line {line}: {sentence}.", err=True)
    if len(found) > LOOK_ALIKES:
        click.echo(f"{len(found) - LOOK_ALIKES} more names look like others.", err=True)


def report_bad_rows(path: str, rows: Iterable[BadRow]) -> None:
    """Prints each row of a file that cannot be imported to stderr, with its line number."""
    for row in rows:
        click.echo(f"{path}, line {row.line}: {row.reason}", err=True)


@contextmanager
def destination(path: str | None) -> Iterator[TextIO]:
    """Opens the output of an export: a file that is replaced if the block succeeds, or standard output if None.

    Devices and pipes are written directly. Raises OSError that contains the path.
    """
    if path is None:
        yield sys.stdout
    elif _is_special(Path(path)):
        with _naming(path), Path(path).open("a", encoding="utf-8", newline="") as file:
            yield file
    else:
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            yield file


@contextmanager
def replacing(path: str) -> Iterator[Path]:
    """Creates an empty temporary file next to `path`; when the block ends, the file durably replaces `path` in one
    step.

    The file is private to the user (mode 0600), unless it replaces a file with other permissions, which it then takes
    over. If the block raises, or a signal ends the process, it is deleted, and a file at `path` remains unchanged.
    Raises OSError that contains the path.
    """
    target = Path(os.path.realpath(path))
    with _naming(path):
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".issue-tracker-")
        os.close(handle)
        temporary = Path(name)
        try:
            with _signals_raise():
                _copy_permissions(target, temporary)
                yield temporary
                synchronize(temporary)
                temporary.replace(target)
                # Not every file system supports fsync on a folder; the file is complete in any case.
                with suppress(OSError):
                    synchronize(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Makes errors of reading and writing in the block name the path that the user knows, not the temporary one."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), path) from error


def _is_special(path: Path) -> bool:
    """Returns whether writing to a path does not replace a file: for devices, pipes, `/dev/stdout`."""
    if path.absolute().is_relative_to("/dev") or path.absolute().is_relative_to("/proc"):
        return True
    return path.exists() and not path.is_file()


def _copy_permissions(source: Path, copy: Path) -> None:
    with suppress(FileNotFoundError):
        found = source.stat()
        with suppress(PermissionError):
            os.chown(copy, found.st_uid, found.st_gid)
        copy.chmod(stat.S_IMODE(found.st_mode) & 0o777)


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Makes signals that would end the process without any clean-up raise SystemExit in the block."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    changed = []
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, leave)
                changed.append(number)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)
