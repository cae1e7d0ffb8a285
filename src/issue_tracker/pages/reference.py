"""Converts the OpenAPI document to the contents of the page `/docs` (docs/decisions/0016-api-reference.md).

The page is made from the document, and not from the routes, so that people read the same as clients of `/openapi.json`.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import msgspec
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from issue_tracker.integers import LARGEST_ID
from issue_tracker.struct_types import prepared

Schema = Mapping[str, object]

_markdown = MarkdownIt("commonmark", {"html": False})


class Field(msgspec.Struct, frozen=True):
    """A parameter or a property: `kind` and `about` are HTML; `place` is path, query or header for a parameter."""

    name: str
    kind: Markup
    about: Markup
    required: bool
    place: str = ""
    example: str = ""
    repeatable: bool = False


class Response(msgspec.Struct, frozen=True):
    """One response: its code, its meaning, its type, and an example."""

    status: str
    about: str
    kind: Markup
    example: str | None = None


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path. `about` does not repeat the `summary`. `curl` is the request as a command; `live` says
    whether the page can send it.
    """

    id: str
    method: str
    path: str
    summary: Markup
    about: Markup
    parameters: list[Field]
    body: Markup | None
    body_example: str
    responses: list[Response]
    curl: str
    live: bool


class Type(msgspec.Struct, frozen=True):
    """A named schema: an object with fields, or an enumeration of values."""

    name: str
    about: Markup
    fields: list[Field]
    values: list[str]


class Reference(msgspec.Struct, frozen=True):
    """The whole page: operations by tag, and the types that they use."""

    version: str
    about: Markup
    groups: dict[str, list[Operation]]
    types: list[Type]


def reference(document: Mapping[str, object]) -> Reference:
    """Returns the parts of the OpenAPI document that the page shows. Texts are CommonMark without HTML."""
    read = msgspec.convert(document, _Document)
    groups: dict[str, list[Operation]] = {tag["name"]: [] for tag in read.tags}
    for path, methods in read.paths.items():
        for method, one in methods.items():
            groups[one.tags[0]].append(_operation(method.upper(), path, one, read.servers[0]["url"]))
    return Reference(
        version=read.info["version"],
        about=_text(read.info["description"]),
        groups=groups,
        types=[_type(name, schema) for name, schema in sorted(read.components.schemas.items())],
    )


class _Parameter(msgspec.Struct):
    name: str
    place: str = msgspec.field(name="in")
    schema: Schema
    required: bool
    description: str = ""
    example: object = ""


class _Content(msgspec.Struct):
    schema: Schema
    example: object = None


class _Body(msgspec.Struct):
    content: dict[str, _Content]


class _Response(msgspec.Struct):
    description: str
    content: dict[str, _Content] = {}


class _Operation(msgspec.Struct, rename={"id": "operationId", "body": "requestBody"}):
    id: str
    tags: list[str]
    summary: str
    description: str
    parameters: list[_Parameter]
    responses: dict[str, _Response]
    security: list[dict[str, list[str]]]
    body: _Body | None = None


class _Components(msgspec.Struct):
    schemas: dict[str, Schema]


class _Document(msgspec.Struct):
    info: dict[str, str]
    servers: list[dict[str, str]]
    tags: list[dict[str, str]]
    paths: dict[str, dict[str, _Operation]]
    components: _Components


def _operation(method: str, path: str, one: _Operation, server: str) -> Operation:
    body = one.body.content["application/json"] if one.body else None
    example = _pretty(body.example) if body and body.example is not None else ""
    return Operation(
        id=one.id,
        method=method,
        path=path,
        summary=_line(one.summary),
        about=_text(one.description.partition("\n\n")[2]),
        parameters=[_parameter(parameter) for parameter in one.parameters],
        body=_kind(body.schema) if body else None,
        body_example=example,
        responses=[_response(status, answer) for status, answer in one.responses.items()],
        curl=_curl(method, server, path, one, example),
        live=not any("text/event-stream" in answer.content for answer in one.responses.values()),
    )


def _curl(method: str, server: str, path: str, one: _Operation, body: str) -> str:
    for parameter in one.parameters:
        path = path.replace(f"{{{parameter.name}}}", quote(str(parameter.example), safe=""))
    required = [p for p in one.parameters if p.place == "query" and p.required]
    query = "&".join(f"{parameter.name}={quote(str(parameter.example))}" for parameter in required)
    words = ["curl"] if method == "GET" else ["curl", "-X", method]
    words.append(shlex.quote(f"{server}{path}{'?' if query else ''}{query}"))
    lines = [" ".join(words)]
    if any("token" in way for way in one.security):
        lines.append('-H "Authorization: Bearer $ISSUE_TRACKER_TOKEN"')
    elif one.security:
        lines.append('-b "issue_tracker_session=$ISSUE_TRACKER_SESSION"')
    if body:
        lines += ['-H "Content-Type: application/json"', f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(lines)


def _parameter(one: _Parameter) -> Field:
    example = str(one.example) if one.place == "path" else ""
    repeatable = one.schema.get("type") == "array"
    return Field(one.name, _kind(one.schema), _line(one.description), one.required, one.place, example, repeatable)


def _response(status: str, answer: _Response) -> Response:
    kinds, example = [], None
    for media_type, content in answer.content.items():
        if media_type == "application/json":
            kinds.append(_kind(content.schema))
            # All errors have the same shape, so one look at the types replaces the examples.
            example = _pretty(content.example) if content.example is not None and int(status) < 400 else None
        elif media_type != "application/problem+json":
            kinds.append(Markup("<code>{}</code>").format(media_type))
    return Response(status, answer.description, Markup(" or ").join(kinds), example)


def _type(name: str, schema: Schema) -> Type:
    read = msgspec.convert(schema, _Named)
    fields = [
        Field(key, _kind(inner), _line(str(inner.get("description", ""))), key in read.required)
        for key, inner in read.properties.items()
    ]
    return Type(name, _line(read.description), fields, [str(value) for value in read.enum])


class _Named(msgspec.Struct):
    description: str = ""
    properties: dict[str, Schema] = {}
    required: list[str] = []
    enum: list[object] = []


def _kind(schema: Schema) -> Markup:
    """Describes the possible values: the type, the limits, and the default."""
    said = _choice(schema)
    default = schema.get("default")
    if default not in (None, "", []):
        shown = default if isinstance(default, str) else json.dumps(default)
        said += Markup(", else <code>{}</code>").format(shown)
    return said


def _choice(schema: Schema) -> Markup:
    match schema:
        case {"$ref": str(reference)}:
            name = reference.rsplit("/", 1)[1]
            return Markup('<a href="#type-{0}">{0}</a>').format(name)
        case {"anyOf": list(choices)}:
            return Markup(" or ").join(_choice(choice) for choice in choices)
        case {"enum": list(values)}:
            return Markup(", ").join(Markup("<code>{}</code>").format(value) for value in values)
        case {"type": "array", "items": dict(inner)}:
            return Markup("list of ") + _choice(inner)
        case {"type": str()}:
            return escape(", ".join(_bounded(schema)))
        case _:
            return Markup("any JSON")


def _bounded(schema: Schema) -> Iterator[str]:
    yield str(schema.get("format", schema.get("type", "any")))
    match schema:
        case {"minLength": least, "maxLength": most}:
            yield f"{least} to {most} characters"
        case {"maxLength": most}:
            yield f"at most {most} characters"
    match schema:
        case {"minimum": least, "maximum": int(most)} if most < LARGEST_ID:
            yield f"{least} to {most}"
        case {"minimum": least}:
            yield f"at least {least}"


def _pretty(example: object) -> str:
    return json.dumps(example, indent=2, ensure_ascii=False)


def _text(text: str) -> Markup:
    return Markup(_markdown.render(text))  # noqa: S704 - CommonMark with HTML switched off escapes everything


def _line(text: str) -> Markup:
    return Markup(_markdown.renderInline(text))  # noqa: S704 - with HTML switched off, it escapes everything


prepared(_Document)
