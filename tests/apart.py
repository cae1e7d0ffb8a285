"""Runs asynchronous code next to the browser tests, whose driver occupies an event loop in the tests' own thread."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def apart(act: Callable[[], T]) -> T:
    """Returns the result of `act`, run in a separate thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(act).result()


def run_apart(coroutine: Coroutine[Any, Any, T]) -> T:
    """Like `asyncio.run`, but in a separate thread."""
    return apart(lambda: asyncio.run(coroutine))
