"""The API's spelling: names in paths, values in queries, JSON bodies, Link headers."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import msgspec

from issue_tracker_client.errors import Misuse
from issue_tracker_client.steps import Request

Plain = str | int | bool | datetime | None


def issue_path(name: str) -> str:
    """The path of an issue, whatever characters its name has.

    Raises Misuse for a blank name, whose path would be that of the whole list. Names of dots only are
    encoded although RFC 3986 leaves dots alone: clients and proxies would resolve `..` away.
    """
    if not name.strip():
        raise Misuse("an issue's name is not blank")
    encoded = quote(name, safe="")
    return "/api/issues/" + (encoded.replace(".", "%2E") if not encoded.strip(".") else encoded)


def query_pairs(parameters: Mapping[str, Plain | Iterable[Plain]]) -> tuple[tuple[str, str], ...]:
    """Query parameters in the API's spelling: None left out, lists repeated, instants in ISO
    8601.
    """
    pairs: list[tuple[str, str]] = []
    for name, value in parameters.items():
        many = [value] if isinstance(value, str | int | datetime) or value is None else list(value)
        pairs += [(name, spelled(one)) for one in many if one is not None]
    return tuple(pairs)


def camel_case(parameters: Mapping[str, object]) -> dict[str, Any]:
    """Parameters under the API's names: `company_name` is `companyName`."""
    words = {name: name.split("_") for name in parameters}
    return {
        "".join([first, *(word.title() for word in rest)]): parameters[name] for name, (first, *rest) in words.items()
    }


def spelled(value: Plain) -> str:
    """One query parameter. Raises Misuse for an instant without a zone: it would name no instant."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise Misuse(f"{value.isoformat()} has no time zone")
        return value.isoformat()
    return str(value)


def json_request(method: str, path: str, body: object, **headers: str | None) -> Request:
    """A request with a JSON body; `headers` in snake case, those that are None left out."""
    named = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    named["content-type"] = "application/json"
    return Request(method, path, body=msgspec.json.encode(body), headers=named)


def next_query(link: str | None) -> tuple[tuple[str, str], ...] | None:
    """The query of the `rel="next"` target of a Link header (RFC 8288), or None where there is no next
    page.

    Only the query is taken: host and path stay those that the client was told to talk to, so that no answer
    can send its credentials elsewhere, and a server behind a proxy need not know its own address.
    """
    for target, parameters in link_values(link or ""):
        relations = [value.lower().split() for name, value in parameters if name == "rel"]
        if relations and "next" in relations[0]:
            return tuple(parse_qsl(urlsplit(target).query, keep_blank_values=True))
    return None


def link_values(header: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """The targets of a Link header with their parameters; commas and semicolons inside `<>` and `""` are
    text.
    """
    values: list[tuple[str, list[tuple[str, str]]]] = []
    for part in split_outside(header, ","):
        target, *parameters = split_outside(part, ";")
        target = target.strip()
        if target.startswith("<") and target.endswith(">"):
            pairs = [parameter.partition("=") for parameter in parameters]
            values.append((target[1:-1], [(n.strip().lower(), v.strip().strip('"')) for n, _, v in pairs]))
    return values


def split_outside(text: str, separator: str) -> list[str]:
    """Split at the separator where it stands neither in `<…>` nor in `"…"`."""
    parts, start, inside = [], 0, ""
    for position, character in enumerate(text):
        if inside:
            inside = "" if character == inside else inside
        elif character in '<"':
            inside = ">" if character == "<" else '"'
        elif character == separator:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def posted(path: str, body: object, idempotency_key: str | None = None) -> Request:
    """A POST that may be repeated: with the caller's Idempotency-Key, or one of its own. None is no body."""
    key = idempotency_key or str(uuid.uuid4())
    if body is None:
        return Request("POST", path, headers={"idempotency-key": key})
    return json_request("POST", path, body, idempotency_key=key)


def several(what: str, values: Iterable[str]) -> list[str]:
    """The values as a list. Raises Misuse for a lone str, which would be taken letter by letter."""
    if isinstance(values, str):
        raise Misuse(f"{what} is a list, not one text: [{values!r}]")
    return list(values)


def server_url(url: str) -> str:
    """The server's address without a trailing slash; raises Misuse for anything but http(s) to a host."""
    try:
        parts, parsed = urlsplit(url.strip()), httpx.URL(url.strip())
        parsed.raw_host.decode("ascii").encode("idna")  # as the look-up does, which has no sentence for it
        usable = parts.port is None or parts.port > 0
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Misuse(f"{url!r} is not the address of a server: it looks like https://tracker.example.org")
    return url.strip().rstrip("/")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises Misuse for a value that no header carries: printable ASCII, with no space at an end, is sent as it is."""
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            raise Misuse(f"{name} takes printable ASCII characters only, and no space at its ends")


def secret_text(token: str | None) -> str | None:
    """The token; raises Misuse, which does not show it, for one that no header carries."""
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise Misuse("this is not a token: one is printable ASCII characters without spaces")
    return token
