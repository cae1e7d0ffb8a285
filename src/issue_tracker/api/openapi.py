"""The OpenAPI 3.1 document, generated from the declared routes and their structs, so that it always matches them."""

import inspect
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, get_args

import msgspec

from issue_tracker.api.error_descriptions import ERROR_EXAMPLES, ERRORS, HEADERS, Error, Problem, ValidationError
from issue_tracker.http.cookies import SESSION, cookie_name
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.responses import EVENT_STREAM, JSON, PROBLEM
from issue_tracker.http.routes import Returns, Route
from issue_tracker.http.texts import schema_of
from issue_tracker.names import END
from issue_tracker.settings import PREFIX, Settings

ABOUT = """One fault affects several companies at once: an **issue** (unique name, description), and for each affected
company an **assignment** with its own status.

Sign in with `POST /api/auth/login`, store the cookie, and send the response's `csrf_token` as `X-CSRF-Token` with every
POST, PUT and DELETE; or send `Authorization: Bearer itk_…`. `/x` and `/x/` are the same resource.

Technicians and super admins have helpdesk access. An unlimited super admin is one whose company access is `all`."""

FRESH_PROOF = (
    "This needs a session with fresh proof: a sign-in, or `POST /api/auth/confirm`, within the last ten minutes "
    f"(`{PREFIX}CONFIRMATION_MINUTES`)."
)

PATH_EXAMPLES: dict[str, Any] = {
    "issue_name": "Network degradation",
    "company_id": 3,
    "template_id": 3,
    "group_id": 5,
    "user_id": 2,
    "update_id": 21,
    "view_id": 3,
    "id": 4,
    "receiver": "alertmanager",
    "secret": "s3cr3t",
}
"""An example for each parameter in a path."""


def document(routes: Iterable[Route], settings: Settings) -> dict[str, Any]:
    """Returns the whole document, as built-in types."""
    documented = [route for route in routes if route.documented]
    types: set[type[msgspec.Struct]] = {Error, ValidationError, Problem}
    for route in documented:
        types |= {body for body in (route.body, *_bodies(route.returns)) if body is not None}
    ordered = sorted(types, key=lambda kind: kind.__name__)
    schemas, components = msgspec.json.schema_components(
        ordered, schema_hook=schema_of, ref_template="#/components/schemas/{name}"
    )
    components = _portable(components)
    references = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in documented:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Issue Tracker", "version": version("issue-tracker"), "description": ABOUT},
        "servers": [{"url": settings.public_url}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in documented)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": cookie_name(settings, SESSION)},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "itk_<key>_<secret>"},
            },
        },
    }


def _operation(route: Route, references: Mapping[Any, Any]) -> dict[str, Any]:
    text = inspect.getdoc(route.handler) or ""
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "tags": [route.tag],
        "summary": text.split("\n")[0].rstrip("."),
        "description": text,
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": _responses(route, references),
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": {JSON: {"schema": references[route.body], **_example(route.example)}},
        }
    if route.raw_body is not None:
        anything = {"description": "A message in the format of the sender."}
        content = {JSON: {"schema": anything, **_example(route.example)}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.access is Access.PUBLIC:
        operation["security"] = []
    else:
        session: dict[str, list[str]] = {"session": []} if route.safe else {"session": [], "csrf": []}
        operation["security"] = [session, {"token": []}] if route.proof is Proof.CREDENTIAL else [session]
        if route.access is not Access.SIGNED_IN:
            operation["description"] += f"\n\nThis needs {route.access.value} access."
        if route.proof is Proof.FRESH_SESSION:
            operation["description"] += f"\n\n{FRESH_PROOF}"
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 1} if kind is int else {"type": "string", "minLength": 1},
            "example": PATH_EXAMPLES[name],
        }
        for name, kind in route.segments
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    (reference,), components = msgspec.json.schema_components([route.query], schema_hook=schema_of)
    components = _portable(components)
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


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    def header(name: str, description: str, **schema: Any) -> dict[str, Any]:
        return {
            "name": name,
            "in": "header",
            "required": False,
            "description": description,
            "schema": {"type": "string", **schema},
        }

    if_match = [header("If-Match", "Change the issue only if its ETag is still this one.")] if route.if_match else []
    if route.idempotent:
        key = header("Idempotency-Key", "Makes a retry safe: the same key gets the first response.", maxLength=255)
        return [key, *if_match]
    if route.if_match:
        return if_match
    if EVENT_STREAM in route.returns.media_types:
        return [header("Last-Event-ID", "Continue after the event with this id.")]
    if _conditional(route):
        return [header("If-None-Match", "Send the content only if its ETag is none of these.")]
    return []


def _responses(route: Route, references: Mapping[Any, Any]) -> dict[str, Any]:
    returns = route.returns
    responses: dict[str, Any] = {
        str(returns.status): {
            "description": HTTPStatus(returns.status).phrase,
            "headers": _headers(route, returns.status),
            **_content(returns, references),
        }
    }
    if _conditional(route):
        responses["304"] = {
            "description": "Not modified: If-None-Match names the current ETag.",
            "headers": _headers(route, 304),
        }
    for status in sorted(_errors(route)):
        responses[str(status)] = _error(route, status, references)
    return responses


def _bodies(returns: Returns) -> tuple[type[msgspec.Struct], ...]:
    """Returns the structs that the JSON body of a response may have."""
    return get_args(returns.body) or (() if returns.body is None else (returns.body,))


def _content(returns: Returns, references: Mapping[Any, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if bodies := [references[body] for body in _bodies(returns)]:
        schema = bodies[0] if len(bodies) == 1 else {"oneOf": bodies}
        content[JSON] = {"schema": schema, **_example(returns.example)}
    for media_type, example in returns.media_types.items():
        content[media_type] = {"schema": {"type": "object" if media_type == JSON else "string"}, **_example(example)}
    return {"content": content} if content else {}


def _errors(route: Route) -> set[int]:
    """Returns the statuses of errors: those that follow from the declaration, and those that it names."""
    # Any route rejects unknown query parameters.
    errors = {422, 503, *route.errors}
    if not route.safe:
        errors |= {400, 413, 415}
    if route.segments:
        errors.add(404)
    if route.if_match:
        errors.add(412)
    if route.access is not Access.PUBLIC:
        errors |= {401, 403}
    elif not route.safe:
        errors.add(403)
    if route.idempotent:
        errors |= {409, 429}
    return errors


def _error(route: Route, status: int, references: Mapping[Any, Any]) -> dict[str, Any]:
    kind = ValidationError if status in (400, 422) else Error
    example = ERROR_EXAMPLES[status]
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, **example}
    return {
        "description": ERRORS[status],
        "headers": _headers(route, status),
        "content": {
            JSON: {"schema": references[kind], "example": example},
            PROBLEM: {"schema": references[Problem], "example": problem},
        },
    }


def _headers(route: Route, status: int) -> dict[str, Any]:
    """Returns the headers that a response with this status may have."""
    names = ["X-Request-ID"]
    if (status in (200, 304) and _conditional(route)) or status == 412:
        names.append("ETag")
    if status == route.returns.status:
        names += route.returns.headers
    if status == 401:
        names.append("WWW-Authenticate")
    if status in (429, 503):
        names.append("Retry-After")
    if route.idempotent and status < 500:
        names.append("Idempotent-Replayed")
    return {name: {"description": HEADERS[name], "schema": {"type": "string"}} for name in names}


def _conditional(route: Route) -> bool:
    """Returns whether the response has a validator: every read that needs a credential, except the stream."""
    return route.safe and route.access is not Access.PUBLIC and EVENT_STREAM not in route.returns.media_types


def _example(example: Any) -> dict[str, Any]:
    return {} if example is None else {"example": example}


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


def _portable(schema: Any) -> Any:
    """Returns a schema with patterns as other languages write them: there, `$` matches at the very end only."""
    if isinstance(schema, dict):
        return {
            name: value.replace(END, "$") if name == "pattern" and isinstance(value, str) else _portable(value)
            for name, value in schema.items()
        }
    return [_portable(item) for item in schema] if isinstance(schema, list) else schema


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Removes null from the schema of a parameter, which is absent or has a value."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default") or not choices}
    if len(choices) == 1:
        rest = {**choices[0], **rest}
    if rest.get("default") in ("", None, []):
        rest.pop("default", None)
    return rest
