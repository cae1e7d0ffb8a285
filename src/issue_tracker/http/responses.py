"""The responses that handlers return: Starlette's, encoded with msgspec."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

JSON = "application/json"
CSV = "text/csv"
EVENT_STREAM = "text/event-stream"
PROBLEM = "application/problem+json"


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Returns the content as JSON. Instants must be text (`clock.iso`): msgspec would write `Z` as the offset."""
    return Response(msgspec.json.encode(content), status, headers, JSON)


def list_response(items: list[Any]) -> Response:
    """Returns a complete list as `{"items": […], "total": n}` (contract, section 1)."""
    return json_response({"items": items, "total": len(items)})


def no_content() -> Response:
    """Returns a 204 response without a body."""
    return Response(status_code=204)


class SecretResponse(Response):
    """A response that shows a secret once. A retry with the same Idempotency-Key gets null instead of the secret.

    `content` is a mapping whose field `secret_field` is the secret; `also` names further fields that contain it.
    """

    def __init__(
        self, content: Mapping[str, Any], secret_field: str, status: int = 200, *, also: Sequence[str] = ()
    ) -> None:
        super().__init__(msgspec.json.encode(content), status, {"Cache-Control": "no-store"}, JSON)
        self.body_without_secret = msgspec.json.encode({**content, **dict.fromkeys((secret_field, *also))})
