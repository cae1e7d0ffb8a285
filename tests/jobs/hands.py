"""Counts the actions of a user on a page: keys, letters, clicks, taps, and the seconds until the result is shown."""

import time
from types import TracebackType

import msgspec
from playwright.sync_api import Locator, Page

LEAST_TARGET = 44
"""The minimum size of a touch target in pixels, in both directions (WCAG 2.2, 2.5.5)."""


class Count(msgspec.Struct):
    """What a job takes. A `key` is pressed for what it does, alone or with Ctrl or Shift; a `letter` is one of a text
    that is typed; a text that is pasted is one key. `seconds` pass from the first of these until the result is shown,
    without the time in which a person reads and thinks.
    """

    keys: int = 0
    letters: int = 0
    texts: int = 0
    clicks: int = 0
    taps: int = 0
    seconds: float = 0.0

    @property
    def actions(self) -> int:
        """Keys, clicks, taps, and one for each text."""
        return self.keys + self.texts + self.clicks + self.taps


class Hands:
    """The user's input on a page. As a context manager it measures the time of its block."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.count = Count()
        self.small: list[str] = []
        self._began = 0.0

    def __enter__(self) -> "Hands":
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.count.seconds = time.perf_counter() - self._began

    def press(self, *keys: str) -> None:
        """Presses keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)
            self.count.keys += 1

    def type(self, text: str) -> None:
        """Types a text at the focus."""
        self.page.keyboard.type(text)
        self.count.letters += len(text)
        self.count.texts += 1

    def paste(self, text: str) -> None:
        """Pastes a text at the focus."""
        self.page.keyboard.insert_text(text)
        self.count.keys += 1

    def click(self, target: Locator) -> None:
        target.click()
        self.count.clicks += 1

    def tap(self, target: Locator) -> None:
        """Taps on a touch screen, and records a target that is too small."""
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        if box is None or min(box["width"], box["height"]) < LEAST_TARGET - 0.5:
            self.small.append(f"{target}: {box}")
        target.tap()
        self.count.taps += 1
