"""What all processes of a test run copy: made by the first one that needs it."""

import atexit
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.disks import fast_folder

VARIABLE = "PYTEST_RUN_FOLDER"
"""The name of the folder, for the processes that this one starts."""


def run_folder() -> Path:
    """Returns the folder of this run. The process that calls this first deletes the folder at its end."""
    if VARIABLE not in os.environ:
        folder = fast_folder("issue-tracker-run-")
        os.environ[VARIABLE] = str(folder)
        atexit.register(_delete, folder, os.getpid())
    return Path(os.environ[VARIABLE])


def once(name: str, make: Callable[[Path], None]) -> Path:
    """Returns the file or folder with this name. The first process of the run that needs it makes it, while others that
    need it wait.
    """
    made = run_folder() / name
    with Path(f"{made}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            unfinished = Path(f"{made}.unfinished")
            make(unfinished)
            unfinished.rename(made)
    return made


def copy_folder(original: Path, copy: Path) -> None:
    """Copies a folder with the owners of its files."""
    subprocess.run(["cp", "--archive", str(original), str(copy)], check=True)


def _delete(folder: Path, process: int) -> None:
    if os.getpid() == process:  # and not one that was forked
        shutil.rmtree(folder, ignore_errors=True)
