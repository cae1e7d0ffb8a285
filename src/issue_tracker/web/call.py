"""What arrived: one request as plain values, so that it can be answered in a worker thread."""

from functools import cached_property
from urllib.parse import parse_qsl, unquote

from litestar.types import HTTPScope

BODY_LIMIT = 1024 * 1024
"""One mebibyte (contract, section 2: 413)."""

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Call:
    """One request. `body` is None when it was over the limit."""

    def __init__(self, scope: HTTPScope, path_values: dict[str, str], body: bytes | None) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.path_values = path_values
        self.body = body
        client = scope.get("client")
        self.address: str = client[0] if client else ""
        self.request_id: str = scope.get("state", {}).get("request_id", "")

    @cached_property
    def headers(self) -> dict[str, str]:
        """By lower-case name; repeated ones are joined with a comma, cookies with a semicolon."""
        joined: dict[str, str] = {}
        for raw_name, raw_value in self.scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            if name in joined:
                joined[name] += ("; " if name == "cookie" else ", ") + value
            else:
                joined[name] = value
        return joined

    @property
    def safe(self) -> bool:
        """Whether the method only reads (RFC 9110, 9.2.1)."""
        return self.method in SAFE_METHODS

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query parameters in order, decoded; what is no UTF-8 is replaced."""
        text = self.scope["query_string"].decode("latin-1")
        return parse_qsl(text, keep_blank_values=True, errors="replace") if text else []

    @cached_property
    def accepted(self) -> dict[str, float]:
        """The media types of the Accept header with their weights (RFC 9110, 12.5.1); those refused are absent."""
        found = {}
        for part in self.headers.get("accept", "").lower().split(","):
            kind, *parameters = (piece.strip() for piece in part.split(";"))
            weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
            try:
                found[kind] = float(weight)
            except ValueError:
                continue
        return {kind: weight for kind, weight in found.items() if weight > 0}

    def prefers(self, wanted: str, default: str) -> bool:
        """Whether the caller names `wanted`, and nothing that means `default` with more weight."""
        accepted = self.accepted
        range_ = f"{default.partition('/')[0]}/*"
        return wanted in accepted and accepted[wanted] >= accepted.get(default, accepted.get(range_, 0))

    def cookie(self, name: str) -> str | None:
        """The value of a cookie; the first one, if there are more."""
        for part in self.headers.get("cookie", "").split(";"):
            found, separator, value = part.strip().partition("=")
            if separator and found == name:
                return value
        return None

    def segment(self, name: str) -> str:
        """A value of the path, decoded. What is no UTF-8 keeps lone surrogates, and so names nothing."""
        return unquote(self.path_values[name], errors="surrogateescape")
