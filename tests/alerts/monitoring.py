"""Runs monitoring systems as processes, with the files of docs/alerts.md.

`scripts/test-environment` unpacks their Debian packages into build/monitoring; on other systems they are found in the
path.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.examples import DOCS
from tests.waiting import eventually

UNPACKED = DOCS.parent / "build" / "monitoring"

_file = re.compile(r"^```\w+\n(?:# |/\* |#!/bin/sh\n# )(/etc/\S+)(?: \*/)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_section = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def program(*names: str) -> Path:
    """Returns the first existing program with one of these names. Fails if there is none."""
    for name in names:
        there = UNPACKED.glob(f"usr/**/{name}")
        found = next((path for path in there if path.is_file() and os.access(path, os.X_OK)), None)
        on_path = shutil.which(name) if found is None else str(found)
        if on_path is not None:
            return Path(on_path)
    raise AssertionError(
        f"{names[-1]} is missing, so nobody knows whether its alerts arrive. On Debian and Ubuntu,"
        " scripts/test-environment unpacks it; elsewhere, install it with the system's package manager."
    )


def write_documented_files(section: str, folder: Path, changes: Mapping[str, str]) -> None:
    """Writes the files of a section of docs/alerts.md, by their names without the folder.

    `changes` maps texts in the files to their replacements: addresses and times of the test. Each text must occur.
    """
    text = dict(_section.findall((DOCS / "alerts.md").read_text(encoding="utf-8")))[section]
    files: dict[str, str] = dict(_file.findall(text))
    assert files, f"docs/alerts.md shows no file in “{section}”"
    for former, new in changes.items():
        assert any(former in content for content in files.values()), f"docs/alerts.md does not show {former}"
        files = {path: content.replace(former, new) for path, content in files.items()}
    for path, content in files.items():
        script = content.startswith("set -eu")
        file = folder / Path(path).name
        file.write_text(f"#!/bin/sh\n{content}" if script else content)
        file.chmod(0o755 if script else 0o644)


class Monitor:
    """A running monitoring system. Its log is shown if it ends before the test."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.log = log

    def require_running(self) -> None:
        assert self.process.poll() is None, f"{self.process.args!r} ended:\n{self.log.read_text(errors='replace')}"


def surroundings() -> dict[str, str]:
    """Returns the environment of a monitoring system, which finds its unpacked libraries."""
    libraries = sorted({str(found.parent) for found in UNPACKED.glob("usr/lib/**/*.so*")})
    return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)} if libraries else dict(os.environ)


@contextmanager
def monitoring(command: Sequence[str | Path], folder: Path) -> Iterator[Monitor]:
    """Runs a monitoring system until the block ends. Its log is in the folder."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=surroundings(),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Monitor(process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(true: Callable[[], bool], *monitors: Monitor, seconds: float = 60) -> None:
    """Waits until the condition is true, while all monitoring systems run."""

    def checked() -> bool:
        for monitor in monitors:
            monitor.require_running()
        return true()

    eventually(checked, seconds, pause=0.1)
