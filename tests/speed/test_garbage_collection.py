"""Garbage collection is off while the program is loaded, and only then."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from issue_tracker.server.garbage_collection import YOUNG_OBJECTS
from issue_tracker.settings import Settings
from tests.server import serving

LOADING = """
import atexit, gc, sys

class Observer:
    def find_spec(self, name, *others):
        if name == "sqlalchemy":
            print("loading:", gc.isenabled())

sys.meta_path.insert(0, Observer())
sys.argv = ["issue-tracker", "--version"]
atexit.register(lambda: print("afterwards:", gc.isenabled()))
from issue_tracker.command_line import main
main()
"""


@pytest.fixture
def disabled() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.disable()
    yield
    gc.set_threshold(*thresholds)
    gc.enable()


def test_a_command_collects_when_it_is_loaded() -> None:
    ran = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=True)
    assert "loading: False\n" in ran.stdout and "afterwards: True\n" in ran.stdout


@pytest.mark.usefixtures("disabled")
def test_a_server_collects_when_it_is_ready(tmp_path: Path) -> None:
    """What it has loaded is excluded."""
    before = gc.get_freeze_count()
    with serving(Settings(database_url=f"sqlite:///{tmp_path}/tests.db", log_level="error")):
        assert gc.isenabled() and gc.get_threshold()[0] == YOUNG_OBJECTS
        assert gc.get_freeze_count() > before


def test_another_application_in_a_process_changes_nothing(tmp_path: Path) -> None:
    thresholds, excluded = gc.get_threshold(), gc.get_freeze_count()
    with serving(Settings(database_url=f"sqlite:///{tmp_path}/tests.db", log_level="error")):
        assert gc.get_threshold() == thresholds and gc.get_freeze_count() <= excluded
