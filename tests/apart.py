"""Running asynchronous code beside the browser's tests, whose driver keeps an event loop in the tests' own thread."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def apart(act: Callable[[], T]) -> T:
    """The result of `act`, run in a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(act).result()


def run_apart(coroutine: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, in a thread of its own."""
    return apart(lambda: asyncio.run(coroutine))
