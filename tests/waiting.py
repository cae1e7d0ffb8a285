"""Waits for a condition that no event announces: it is checked repeatedly, with short pauses."""

import time
from collections.abc import Callable


def eventually(true: Callable[[], bool], seconds: float = 10.0, *, pause: float = 0.005) -> None:
    """Waits until the condition is true. Between two checks it pauses for `pause` seconds, and in a long wait for a
    tenth of the time that it has waited, but at most for a tenth of a second: a check costs processor time.
    """
    started = time.monotonic()
    while not true():
        waited = time.monotonic() - started
        assert waited < seconds, "it did not become true in time"
        time.sleep(max(pause, min(waited / 10, 0.1)))
