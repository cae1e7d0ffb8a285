"""Garbage collection is off while the program is imported, and only then."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from issue_tracker.cli import main
from issue_tracker.settings import Settings
from tests.server import serving


@pytest.fixture
def disabled() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def test_imports_collect_nothing() -> None:
    program = "import issue_tracker.cli.supervisor, issue_tracker.app, gc; print(gc.isenabled())"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


@pytest.mark.usefixtures("disabled")
def test_a_command_collects() -> None:
    assert CliRunner().invoke(main, ["openapi"]).exit_code == 0
    assert gc.isenabled()


@pytest.mark.usefixtures("disabled")
def test_a_server_collects_when_it_is_ready(tmp_path: Path) -> None:
    with serving(Settings(database_url=f"sqlite:///{tmp_path}/tests.db", log_level="error")):
        assert gc.isenabled()
