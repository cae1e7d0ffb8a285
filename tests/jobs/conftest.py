"""The browser of the page tests."""

from tests.pages.conftest import browse

__all__ = ["browse"]
