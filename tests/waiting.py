"""Waits for a condition that no event announces: it is checked repeatedly, with short pauses."""

import time
from collections.abc import Callable


def eventually(true: Callable[[], bool], seconds: float = 10.0, *, pause: float = 0.005) -> None:
    """Waits until the condition is true. Between two checks it pauses for `pause` seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(pause)
