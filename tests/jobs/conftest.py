"""The browser of the tests of pages."""

from tests.pages.conftest import browse

__all__ = ["browse"]
