"""The order of the tests, their distribution to processes, and garbage collection. The fixtures are in fixtures.py."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest
import xdist

from tests.made_once import run_folder
from tests.scheduling import Together


def pytest_configure(config: pytest.Config) -> None:
    """Creates the folder that all processes of this run share; the first process creates it before the others start.
    Loads the fixtures, with the whole product, unless this process only distributes tests to others, which wait for it.
    """
    run_folder()
    distributes = config.getoption("dist", "no") != "no" and not config.option.collectonly
    if not distributes or hasattr(config, "workerinput"):
        config.pluginmanager.import_plugin("tests.fixtures")


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session: pytest.Session) -> Iterator[None]:
    """Lets one process compute tables while the others, which need them later, are starting."""
    yield
    if xdist.is_xdist_controller(session):
        from tests import character_tables  # noqa: PLC0415 - the others would wait for it

        character_tables.compute()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Tests marked `long` come first, so that none of them runs alone at the end, when each of several processes takes
    the next test when it is free. They are sorted after pytest has ordered the tests by their fixtures.
    """
    yield
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    """Lets one process run tests that share an expensive fixture."""
    return Together(config, log)


def pytest_collection() -> None:
    """Disables garbage collection, which would examine everything that is imported again and again."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Excludes everything that was imported from garbage collection, and collects rarely: the defaults are for much
    smaller programs, and take a tenth of the time of the tests and of the servers in this process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


def pytest_sessionfinish() -> None:
    """Excludes everything from garbage collection: pytest now collects five times, which takes seconds."""
    gc.freeze()
