"""A failure is logged with its traceback, but without any values, and every line has the same form."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from issue_tracker.logs import configure_logs
from issue_tracker.settings import Settings


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


@pytest.mark.usefixtures("_own_configuration")
def test_lines_of_libraries_are_json_like_all_others(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(Settings(log_format="json"))
    logging.getLogger("uvicorn.error").error("Exception in %s", "lifespan")
    logged = json.loads(capsys.readouterr().err)
    assert (logged["level"], logged["logger"], logged["event"]) == ("error", "uvicorn.error", "Exception in lifespan")
