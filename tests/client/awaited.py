"""`AsyncTracker` with the interface of `Tracker`, so that every test of the client runs on both."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from inspect import isawaitable
from typing import Any, cast

from issue_tracker_client import AsyncTracker, Tracker


class Awaited:
    """Runs the methods of an AsyncTracker in a separate event loop, one call at a time for each caller."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._tracker: AsyncTracker = self._result(self._make(args, options))

    async def _make(self, args: tuple[Any, ...], options: dict[str, Any]) -> AsyncTracker:
        return AsyncTracker(*args, **options)

    def _result(self, awaitable: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(60)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def method(*args: Any, **options: Any) -> Any:
            found = getattr(self._tracker, name)(*args, **options)
            return self._result(found) if isawaitable(found) else self._iterated(found)

        return method

    def _iterated(self, source: AsyncGenerator[Any, None]) -> Generator[Any, None, None]:
        async def following() -> tuple[Any, ...]:
            return (item,) if (item := await anext(source, None)) is not None else ()

        try:
            while found := self._result(following()):
                yield from found
        finally:
            self._result(source.aclose())

    def __enter__(self) -> "Awaited":
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop.is_closed():
            return
        self._result(self._tracker.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def awaited_tracker(*args: Any, **options: Any) -> Tracker:
    """Returns an AsyncTracker that can be used as a Tracker."""
    return cast(Tracker, Awaited(*args, **options))
