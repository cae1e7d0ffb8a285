"""A call of a route, and values that several calls contain."""

from collections.abc import Mapping
from typing import Any

import msgspec

HIDDEN_ID = 501
"""The ids of the rows that exist in only one of the databases: of a company, an issue, a group, a webhook."""

MERGED_ID = HIDDEN_ID + 2
"""The number of the issue “Hidden double”, which was merged into the issue “Shared”."""


class Call(msgspec.Struct, frozen=True):
    """A request to a route."""

    path: str
    json: Any = None
    form: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = {}


def gets(path: str, *queries: str) -> list[Call]:
    return [Call(f"{path}{query}") for query in ("", *queries)]


FRESH = {"If-None-Match": "{etag}"}
BOTH = [{"company_name": "Contoso"}, {"company_name": "Zürich (Nord)", "status": "monitoring"}]
HIDDEN = [{"company_name": "Contoso"}, {"company_name": "Hidden Ltd"}]
ONCE = {"Idempotency-Key": "the same"}
LOGIN = {"email": "tess@helpdesk.example", "password": "wrong"}
