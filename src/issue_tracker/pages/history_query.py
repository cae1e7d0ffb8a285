"""The parameters of pages that show a history, and updates."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class HistoryQuery(msgspec.Struct, frozen=True):
    """Where a page of a history begins, before this event_id, and where its updates begin; None for the newest."""

    before: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    updates: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    only: Literal["updates"] | None = None
    """Whether the page of an issue shows its updates alone, and not among the other events."""
    order: Literal["name", "affected"] | None = None
    """The order of an issue's companies: by name, the longest affected first, or (None) the longest unmoved first."""


NEWEST = HistoryQuery()
