"""The integers that both databases store: at most 63 bits and a sign. Larger ones are refused or found nowhere."""

from typing import Annotated

from msgspec import Meta

LARGEST_ID = 2**63 - 1

RowId = Annotated[int, Meta(ge=1, le=LARGEST_ID)]
"""An id in a request. No row needs to have it."""

Cursor = Annotated[int, Meta(ge=0, le=LARGEST_ID)]
"""An id in a request at which a list or a history continues; 0 is below the first one."""
