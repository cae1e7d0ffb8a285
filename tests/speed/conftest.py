"""A dataset that is large enough for a planner to prefer an index, on each database."""

from collections.abc import Iterator

import pytest
from bench.dataset import fill

from issue_tracker.database.engine import Database
from issue_tracker.settings import Settings
from tests.conftest import new_database

ASSIGNMENTS = 60_000


@pytest.fixture(scope="module")
def large(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """20,000 issues, 60,000 assignments and as many events, analysed."""
    url = new_database(engine, request, tmp_path_factory)
    fill(url, ASSIGNMENTS, 1)
    database = Database(Settings(database_url=url))
    yield database
    database.close()
