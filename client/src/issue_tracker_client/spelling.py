"""How requests are written and headers are read: names in paths, values in queries, JSON bodies, Link headers."""

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
    """Returns the percent-encoded path of an issue with any name.

    Raises Misuse for a blank name, whose path would be that of the list, and for one that is not valid Unicode. In a
    name that consists of dots only the dots are encoded too, although RFC 3986 does not require it: clients and proxies
    would resolve `..`.
    """
    if not name.strip():
        raise Misuse("an issue needs a name that is not blank")
    try:
        encoded = quote(name, safe="")
    except UnicodeEncodeError as wrong:
        raise Misuse(f"{name!r} is not valid Unicode text") from wrong
    return "/api/issues/" + (encoded.replace(".", "%2E") if not encoded.strip(".") else encoded)


def query_pairs(parameters: Mapping[str, Plain | Iterable[Plain]]) -> tuple[tuple[str, str], ...]:
    """Returns query parameters in the API's form: None is left out, lists repeat the parameter, times are ISO 8601."""
    pairs: list[tuple[str, str]] = []
    for name, value in parameters.items():
        many = [value] if isinstance(value, str | int | datetime) or value is None else list(value)
        pairs += [(name, spelled(one)) for one in many if one is not None]
    return tuple(pairs)


def camel_case(parameters: Mapping[str, object]) -> dict[str, Any]:
    """Returns the parameters under the API's names: `company_name` becomes `companyName`."""
    words = {name: name.split("_") for name in parameters}
    return {
        "".join([first, *(word.title() for word in rest)]): parameters[name] for name, (first, *rest) in words.items()
    }


def spelled(value: Plain) -> str:
    """Returns the text of a query parameter. Raises Misuse for a time without a time zone, which would be ambiguous."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise Misuse(f"{value.isoformat()} has no time zone")
        return value.isoformat()
    return str(value)


def json_request(method: str, path: str, body: object, **headers: str | None) -> Request:
    """Returns a request with a JSON body. `headers` are named in snake case; those that are None are left out.

    Raises Misuse for a text that is not valid Unicode, such as an argument of a program that was not UTF-8.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    named["content-type"] = "application/json"
    try:
        encoded = msgspec.json.encode(body)
    except UnicodeEncodeError as wrong:
        raise Misuse(f"{wrong.object!r} is not valid Unicode text") from wrong
    return Request(method, path, body=encoded, headers=named)


def next_query(link: str | None) -> tuple[tuple[str, str], ...] | None:
    """Returns the query of the `rel="next"` target of a Link header (RFC 8288), or None if there is no next page.

    Only the query is used. Host and path remain those that the client was configured with, so that no response can
    send the credentials elsewhere, and a server behind a proxy need not know its own address.
    """
    for target, parameters in link_values(link or ""):
        relations = [value.lower().split() for name, value in parameters if name == "rel"]
        if relations and "next" in relations[0]:
            return tuple(parse_qsl(urlsplit(target).query, keep_blank_values=True))
    return None


def link_values(header: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Returns the targets of a Link header with their parameters. Separators inside `<>` and `""` are plain text."""
    values: list[tuple[str, list[tuple[str, str]]]] = []
    for part in split_outside(header, ","):
        target, *parameters = split_outside(part, ";")
        target = target.strip()
        if target.startswith("<") and target.endswith(">"):
            pairs = [parameter.partition("=") for parameter in parameters]
            values.append((target[1:-1], [(n.strip().lower(), v.strip().strip('"')) for n, _, v in pairs]))
    return values


def split_outside(text: str, separator: str) -> list[str]:
    """Splits the text at each separator that is neither inside `<…>` nor inside `"…"`."""
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


def posted(path: str, body: object, idempotency_key: str | None = None, if_match: str | None = None) -> Request:
    """Returns a POST that may be repeated: with the caller's Idempotency-Key, or a new one. None means no body.

    Raises Misuse for an empty key, such as that of a variable that is not set: a new one would not make a second run
    safe.
    """
    if idempotency_key == "":
        raise Misuse("idempotency_key must not be empty.")
    key = idempotency_key or str(uuid.uuid4())
    if body is None:
        return Request("POST", path, headers={"idempotency-key": key})
    return json_request("POST", path, body, idempotency_key=key, if_match=if_match)


def named(issue_name: str | None, external_key: str | None) -> dict[str, object]:
    """Returns the part of a body that identifies an issue. Raises Misuse if both are missing."""
    if issue_name is None and external_key is None:
        raise Misuse("issue_name or external_key is required.")
    given = {"issue_name": issue_name, "external_key": external_key}
    return {name: value for name, value in given.items() if value is not None}


def several(what: str, values: Iterable[str]) -> list[str]:
    """Returns the values as a list. Raises Misuse for a single string, which would be split into letters."""
    if isinstance(values, str):
        raise Misuse(f"{what} must be a list, not a single string: [{values!r}]")
    return list(values)


def server_url(url: str) -> str:
    """Returns the server's address without a trailing slash. Raises Misuse unless it is an http(s) URL of a host."""
    try:
        parts, parsed = urlsplit(url.strip()), httpx.URL(url.strip())
        parsed.raw_host.decode("ascii").encode("idna")  # as the DNS lookup does, whose error is less helpful
        usable = parts.port is None or parts.port > 0
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Misuse(f"{url!r} is not the address of a server, such as https://tracker.example.org")
    return url.strip().rstrip("/")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises Misuse for a header value that would not arrive unchanged."""
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            raise Misuse(f"{name} must consist of printable ASCII characters, without a space at either end")


def secret_text(token: str | None) -> str | None:
    """Returns the token. Raises Misuse, whose text does not contain it, for one that no header can carry."""
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise Misuse("this is not a token: a token consists of printable ASCII characters without spaces")
    return token
