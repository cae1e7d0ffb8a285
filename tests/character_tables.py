"""The tables of characters with which Hypothesis generates texts. It stores them in `.hypothesis`."""

from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=1, database=None)
@given(st.text(st.characters(codec="utf-8")))
def compute(_: str) -> None:
    """Computes the tables, unless an earlier run has stored them."""
