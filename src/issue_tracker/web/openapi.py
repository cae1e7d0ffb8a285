"""The OpenAPI 3.1 document, made from the declared routes and their structs: it cannot say what is not there."""

import inspect
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from issue_tracker.auth.passwords import MAXIMUM, MINIMUM, Password
from issue_tracker.auth.users import Email
from issue_tracker.errors import FieldError
from issue_tracker.names import DESCRIPTION_LIMIT, NAME_LIMIT, NOTE_LIMIT, Description, IssueName, Name, Note
from issue_tracker.settings import Settings
from issue_tracker.web.answer import JSON
from issue_tracker.web.context import Access, session_cookie_name
from issue_tracker.web.examples import BODIES, ERROR_EXAMPLES, PARAMETERS
from issue_tracker.web.routing import Endpoint

ABOUT = """One fault hits several companies at once: an **issue** (unique name, description), and for each affected
company an **assignment** with its own status.

Sign in with `POST /api/auth/login`, keep the cookie, and send the answer's `csrf_token` as `X-CSRF-Token` with every
POST, PUT and DELETE; or send `Authorization: Bearer itk_…`. `/x` and `/x/` are the same resource."""

TEXT_SCHEMAS: dict[Any, dict[str, Any]] = {
    Name: {"type": "string", "minLength": 1, "maxLength": NAME_LIMIT, "pattern": r"\S"},
    IssueName: {"type": "string", "minLength": 1, "maxLength": NAME_LIMIT, "pattern": r"\S"},
    Description: {"type": "string", "maxLength": DESCRIPTION_LIMIT},
    Note: {"type": "string", "maxLength": NOTE_LIMIT},
    Email: {"type": "string", "format": "email", "maxLength": 254},
    Password: {"type": "string", "minLength": MINIMUM, "maxLength": MAXIMUM},
}


class Error(msgspec.Struct):
    """What went wrong, in one sentence for a person."""

    detail: str


class ValidationError(msgspec.Struct):
    """What is invalid: every field at once, where fields are to blame."""

    detail: str
    errors: list[FieldError] = []


class Problem(msgspec.Struct):
    """The same as a problem detail (RFC 9457), with `Accept: application/problem+json`."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


EVENTS, CSV, PROBLEM = "text/event-stream", "text/csv", "application/problem+json"

HEADERS = {
    "X-Request-ID": "The number of this request in logs and history; a sane one that was sent is kept.",
    "ETag": "The validator of this answer.",
    "Link": "With rel=next: where the list goes on (RFC 8288).",
    "Location": "Where the new issue is.",
    "WWW-Authenticate": "How to sign in.",
    "Retry-After": "Seconds to wait before the next try.",
    "Idempotent-Replayed": "true when this is the stored answer to an earlier request with the same Idempotency-Key.",
}

ERRORS = {
    400: "The body does not validate, or the operation cannot be done.",
    401: "No, unknown, expired or revoked session or token.",
    403: "No helpdesk access, not a super admin where one is needed, or the CSRF token is missing or wrong.",
    404: "An issue, a company or another thing cannot be located.",
    409: "A request with the same Idempotency-Key is still running.",
    412: "If-Match failed; the answer carries the current ETag.",
    413: "The body is over 1 MiB.",
    415: "The body is not JSON.",
    422: "A query parameter is invalid, or the Idempotency-Key was used with another body.",
    429: "Too many attempts.",
    503: "The database is out of reach or too busy.",
}


def document(endpoints: Iterable[Endpoint], version: str, settings: Settings) -> dict[str, Any]:
    """The whole document, as built-in types."""
    endpoints = [endpoint for endpoint in endpoints if endpoint.documented]
    types = {Error, ValidationError, Problem}
    for endpoint in endpoints:
        types |= {kind for kind in (endpoint.body, *endpoint.answers.values()) if _is_struct(kind)}
    ordered = sorted(types, key=lambda kind: kind.__name__)
    schemas, components = msgspec.json.schema_components(
        ordered, schema_hook=TEXT_SCHEMAS.__getitem__, ref_template="#/components/schemas/{name}"
    )
    references = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Issue Tracker", "version": version, "description": ABOUT},
        "servers": [{"url": settings.public_url}],
        "tags": [{"name": tag} for tag in dict.fromkeys(endpoint.tag for endpoint in endpoints)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": session_cookie_name(settings)},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "itk_<key>_<secret>"},
            },
        },
    }


def _operation(endpoint: Endpoint, references: Mapping[Any, Any]) -> dict[str, Any]:
    name = endpoint.handler.__name__
    text = inspect.getdoc(endpoint.handler) or ""
    operation: dict[str, Any] = {
        "operationId": name,
        "tags": [endpoint.tag],
        "summary": text.split("\n")[0].rstrip("."),
        "description": text,
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint), *_header_parameters(endpoint)],
        "responses": _responses(endpoint, references),
    }
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": references[endpoint.body], **_example(name, "request")}},
        }
    if endpoint.access is Access.PUBLIC:
        operation["security"] = []
    else:
        session: dict[str, list[str]] = {"session": []} if endpoint.safe else {"session": [], "csrf": []}
        operation["security"] = [session] if endpoint.session_only else [session, {"token": []}]
        if endpoint.access is not Access.SIGNED_IN:
            operation["description"] += f"\n\nNeeds {endpoint.access.value} access."
    return operation


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 1} if kind is int else {"type": "string", "minLength": 1},
            "example": PARAMETERS[name],
        }
        for name, kind in endpoint.segments
    ]


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    (reference,), components = msgspec.json.schema_components([endpoint.query], schema_hook=TEXT_SCHEMAS.__getitem__)
    schema = components[reference["$ref"].rsplit("/", 1)[1]]
    parameters = []
    for name, described in schema["properties"].items():
        inner = _without_null(_inline(described, components))
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", []),
                "description": inner.pop("description", ""),
                "schema": inner,
            }
        )
    return parameters


def _header_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    def header(name: str, description: str, **schema: Any) -> dict[str, Any]:
        return {
            "name": name,
            "in": "header",
            "required": False,
            "description": description,
            "schema": {"type": "string", **schema},
        }

    if _retried_safely(endpoint):
        return [header("Idempotency-Key", "Makes a retry safe: the same key gets the first answer.", maxLength=255)]
    if 412 in endpoint.errors:
        return [header("If-Match", "Only if the ETag is still this one.")]
    if EVENTS in endpoint.answers.values():
        return [header("Last-Event-ID", "Go on after the event with this number.")]
    if _conditional(endpoint):
        return [header("If-None-Match", "Only if the ETag is no more one of these.")]
    return []


def _responses(endpoint: Endpoint, references: Mapping[Any, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    name = endpoint.handler.__name__
    for status, kind in endpoint.answers.items():
        response: dict[str, Any] = {"description": HTTPStatus(status).phrase, "headers": _headers(endpoint, status)}
        if isinstance(kind, str):
            response["content"] = {
                kind: {"schema": {"type": "object" if kind == JSON else "string"}, **_example(name, kind)}
            }
        elif kind is not None:
            response["content"] = {JSON: {"schema": references[kind], **_example(name, str(status))}}
            if name == "list_issues":
                response["content"][CSV] = {"schema": {"type": "string"}, **_example(name, CSV)}
        responses[str(status)] = response
    if _conditional(endpoint):
        responses["304"] = {
            "description": "Not modified: If-None-Match names the current ETag.",
            "headers": _headers(endpoint, 304),
        }
    # Whatever the route: a parameter that it does not know is 422, a body that is none of its own 400, 413 or 415.
    errors = set(endpoint.errors) | {422} | ({503} if endpoint.answers else set())
    if not endpoint.safe:
        errors |= {400, 413, 415}
    if endpoint.access is not Access.PUBLIC:
        errors |= {401, 403}
    if _retried_safely(endpoint):
        errors.add(409)
    for status in sorted(errors):
        responses[str(status)] = _refusal(endpoint, status, references)
    return responses


def _refusal(endpoint: Endpoint, status: int, references: Mapping[Any, Any]) -> dict[str, Any]:
    kind = ValidationError if status in (400, 422) else Error
    example = ERROR_EXAMPLES[status]
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, **example}
    return {
        "description": ERRORS[status],
        "headers": _headers(endpoint, status),
        "content": {
            JSON: {"schema": references[kind], "example": example},
            PROBLEM: {"schema": references[Problem], "example": problem},
        },
    }


def _headers(endpoint: Endpoint, status: int) -> dict[str, Any]:
    """The headers that an answer with this status may carry."""
    names = ["X-Request-ID"]
    if (status in (200, 304) and _conditional(endpoint)) or status == 412:
        names.append("ETag")
    if status == 200 and endpoint.handler.__name__ in ("list_issues", "list_events"):
        names.append("Link")
    if status == 201 and endpoint.handler.__name__ == "create_issue":
        names.append("Location")
    if status == 401:
        names.append("WWW-Authenticate")
    if status in (429, 503):
        names.append("Retry-After")
    if _retried_safely(endpoint) and status < 500:
        names.append("Idempotent-Replayed")
    return {name: {"description": HEADERS[name], "schema": {"type": "string"}} for name in names}


def _conditional(endpoint: Endpoint) -> bool:
    """Whether the route's answer has a validator: every read of somebody who is signed in, but for the stream."""
    return endpoint.safe and endpoint.access is not Access.PUBLIC and EVENTS not in endpoint.answers.values()


def _example(name: str, which: str) -> dict[str, Any]:
    example = BODIES.get(name, {}).get(which)
    return {} if example is None else {"example": example}


def _retried_safely(endpoint: Endpoint) -> bool:
    """Whether the route takes an Idempotency-Key: every POST of somebody who is signed in."""
    return endpoint.method == "POST" and endpoint.access is not Access.PUBLIC


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _inline(schema: Any, components: Mapping[str, Any]) -> Any:
    if isinstance(schema, dict):
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return {**_inline(components[name], components), **rest}
        return {key: _inline(value, components) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inline(item, components) for item in schema]
    return schema


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is absent or a value: never null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default") or not choices}
    if len(choices) == 1:
        rest = {**choices[0], **rest}
    if rest.get("default") in ("", None, []):
        rest.pop("default", None)
    return rest
