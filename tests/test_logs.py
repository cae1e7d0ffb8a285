"""A failure is logged with its traceback, but without any values, and every line has the same form."""

import json
import socket
from collections.abc import Iterator

import pytest
import structlog

from issue_tracker.logs import configure_logs
from issue_tracker.settings import Settings
from tests.processes import run


@pytest.fixture
def _own_configuration() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("_own_configuration")
@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_shows_no_values(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(Settings(log_format=log_format))

    def sign_in(password: str) -> None:
        raise RuntimeError("unforeseen")

    try:
        sign_in("hunter2-" * 2)
    except RuntimeError as failure:
        structlog.get_logger("tests").error("unexpected failure", exc_info=failure)

    logged = capsys.readouterr().err
    assert "RuntimeError: unforeseen" in logged and "in sign_in" in logged
    assert "hunter2-hunter2" not in logged


# The database is not used.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_lines_of_libraries_are_json_like_all_others(admin_url: str, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run("serve", "--port", port, "--workers", workers, database_url=admin_url)
    assert refused.returncode == 1
    line, sentence = refused.stderr.splitlines()
    logged = json.loads(line)
    assert (logged["level"], logged["logger"]) == ("error", "uvicorn.error")
    assert "address already in use" in logged["event"].lower()
    assert sentence == f"issue-tracker: The server cannot start on 127.0.0.1:{port}; the line above says why."
