"""What the product, and the libraries that it uses, log during a test."""

from collections.abc import MutableMapping
from typing import Any

import pytest


class Logged:
    """The log at all levels. The product does not write its lines with `logging`, so pytest's `caplog` has none."""

    def __init__(self, lines: list[MutableMapping[str, Any]], libraries: pytest.LogCaptureFixture) -> None:
        self.lines = lines
        self._libraries = libraries

    @property
    def text(self) -> str:
        """All lines so far, with their tracebacks."""
        return f"{self.lines}\n{self._libraries.text}"
