"""How handlers make their responses: Starlette's, with msgspec as the encoder."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.responses import Response

JSON = "application/json"
CSV = "text/csv"
EVENT_STREAM = "text/event-stream"
PROBLEM = "application/problem+json"


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The content as JSON. Instants are text already (`clock.iso`): msgspec would write `Z` for the offset."""
    return Response(msgspec.json.encode(content), status, headers, JSON)


def list_response(items: list[Any]) -> Response:
    """A list that is complete: `{"items": […], "total": n}` (contract, section 1)."""
    return json_response({"items": items, "total": len(items)})


def looks_like(names: Sequence[str]) -> dict[str, str]:
    """The header that warns of existing names which look like the one just given, each percent-encoded.

    It is a header because bodies are bound to their shapes; clients that do not know it are not disturbed.
    """
    return {"X-Looks-Like": ", ".join(quote(name, safe="") for name in names)} if names else {}


def no_content() -> Response:
    """204."""
    return Response(status_code=204)


class SecretResponse(Response):
    """A response that shows a secret this once. A retry with the same Idempotency-Key gets null in its place.

    The content is a mapping whose field `secret_field` is the secret; `also` are further fields that contain it.
    """

    def __init__(
        self, content: Mapping[str, Any], secret_field: str, status: int = 200, *, also: Sequence[str] = ()
    ) -> None:
        super().__init__(msgspec.json.encode(content), status, {"Cache-Control": "no-store"}, JSON)
        self.body_without_secret = msgspec.json.encode({**content, **dict.fromkeys((secret_field, *also))})
