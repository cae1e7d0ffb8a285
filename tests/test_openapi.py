"""The OpenAPI document is complete and correct, and describes every response (contract, section 10)."""

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from issue_tracker.api.error_descriptions import HEADERS
from issue_tracker.api.openapi import document
from issue_tracker.app import declared_routes
from issue_tracker.auth.sessions import csrf_token
from issue_tracker.http.routes import Route
from issue_tracker.http.texts import schema_of
from issue_tracker.names import END
from issue_tracker.settings import Settings
from tests.cases import cases
from tests.clients import get
from tests.engines import ENGINES
from tests.shared import Shared
from tests.world import Clock, World

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]

DOCUMENT = document(declared_routes(), Settings())
DOCUMENTED = [endpoint for endpoint in declared_routes() if endpoint.documented]
FINITE = [one for one in DOCUMENTED if "text/event-stream" not in one.returns.media_types]


def name_of(endpoint: Route) -> str:
    return f"{endpoint.method} {endpoint.path}"


def operation(endpoint: Route) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    return found


def is_fallible(endpoint: Route) -> bool:
    """Returns whether the body, a filter or a number of a request can violate the schema. Every text is a valid name,
    and every header is valid. The other operations with a raw body accept any body.
    """
    found = operation(endpoint)
    parameters = found.get("parameters", ())
    violable = any(one["in"] == "query" or one["schema"]["type"] == "integer" for one in parameters)
    return endpoint.raw_body is None and (violable or endpoint.body is not None)


@pytest.fixture
def worlds(shared: Shared, clock: Clock) -> Iterator[list[World]]:
    """The trackers on both databases. Generating a request takes most of the time, so each request is sent to both."""
    servers = [shared.server(engine) for engine in ENGINES]
    for server in servers:
        server.empty()
    worlds = [World(server, clock) for server in servers]
    yield worlds
    for world in worlds:
        world.close()


@functools.cache
def described(url: str) -> Any:
    """The document of a server, loaded by Schemathesis, which generates no credentials: `Sender` has one."""
    config = SchemathesisConfig.from_dict({"generation": {"with-security-parameters": False}})
    return schemathesis.openapi.from_dict(get(f"{url}/openapi.json").json(), config=config)


class Sender:
    """Sends requests as Ada, over one connection and with one session, until a request ends the session."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._connection = requests.Session()
        self._sign_in()

    def _sign_in(self) -> None:
        token = self._world.session_token("ada")
        self._cookies = {"issue_tracker_session": token}
        self._headers = {"X-CSRF-Token": csrf_token(token)}

    def check(self, case: schemathesis.Case[Any]) -> None:
        """Sends a request, and checks the response against the document."""
        self._connection.cookies.clear()
        response = case.call(self._world.server.url, self._connection, self._headers, cookies=self._cookies, timeout=30)
        case.validate_response(response, checks=CHECKS)
        described_operation = DOCUMENT["paths"][case.operation.path][case.operation.method.lower()]
        declared = described_operation["responses"][str(response.status_code)]["headers"].keys()
        assert {name for name in HEADERS if name.lower() in response.headers} <= declared
        if response.status_code == 401:
            self._sign_in()

    def check_anonymous(self, case: schemathesis.Case[Any]) -> None:
        """Sends a request without a credential, and checks its refusal against the document."""
        self._connection.cookies.clear()
        response = case.call(self._world.server.url, self._connection, timeout=30)
        assert response.status_code == 401
        case.validate_response(response, checks=CHECKS)

    def close(self) -> None:
        self._connection.close()


@pytest.mark.parametrize("endpoint", FINITE, ids=name_of)
def test_every_response_matches_the_document(worlds: list[World], endpoint: Route) -> None:
    for world in worlds:
        world.given_issue("Network degradation", {"Acme Manufacturing": "investigating"})
    generator = described(worlds[0].server.url)[endpoint.path][endpoint.method]
    senders = [Sender(world) for world in worlds]
    for sender in senders:
        sender.check(example_of(generator, endpoint))
    if endpoint.access.value != "public":
        senders[0].check_anonymous(example_of(generator, endpoint))
    send_generated(senders, generator.as_strategy(generation_mode=GenerationMode.POSITIVE))
    if is_fallible(endpoint):
        send_generated(senders, generator.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    for world, sender in zip(worlds, senders, strict=True):
        sender.close()
        assert world.anonymous().call("GET", "/healthz", 200) == {"status": "ok"}


def example_of(generator: Any, endpoint: Route) -> schemathesis.Case[Any]:
    """Returns the request that consists of the document's examples."""
    found = operation(endpoint)
    path = {one["name"]: one["example"] for one in found.get("parameters", ()) if one["in"] == "path"}
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    content = {} if body is None else {"body": body, "media_type": "application/json"}
    case: schemathesis.Case[Any] = generator.Case(path_parameters=path, **content)
    return case


def send_generated(senders: list[Sender], cases: SearchStrategy[schemathesis.Case[Any]]) -> None:
    """Sends two generated requests to all, the simplest one and a random one: generating more would take most of the
    time of the tests.
    """

    @seed(4)
    @settings(
        max_examples=2,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def check(case: schemathesis.Case[Any]) -> None:
        for sender in senders:
            sender.check(case)

    check()


def test_every_route_of_the_api_is_documented() -> None:
    undocumented = {name_of(endpoint) for endpoint in declared_routes() if not endpoint.documented}
    assert {name for name in undocumented if " /api/" in name} == set()
    assert len({operation(endpoint)["operationId"] for endpoint in DOCUMENTED}) == len(DOCUMENTED)


def test_no_pattern_accepts_a_line_feed_at_the_end() -> None:
    """Python's `$` alone would. The document contains `$`, because other languages need nothing else."""
    types = {kind for one in declared_routes() for kind in (one.body, one.query) if kind is not None}
    _, components = msgspec.json.schema_components(types, schema_hook=schema_of)
    patterns = set(re.findall(r'"pattern": "(.*?)"[,}]', json.dumps(components)))
    assert patterns and [one for one in patterns if "$" in one and not one.endswith(json.dumps(END)[1:-1])] == []
    assert "(?!" not in str(DOCUMENT)
    assert re.search(f"a{END}", "a") and not re.search(f"a{END}", "a\n")


def test_every_integer_of_a_request_has_a_maximum() -> None:
    """A database refuses numbers of more than 64 bits."""
    types = {kind for one in declared_routes() for kind in (one.body, one.query) if kind is not None}
    _, components = msgspec.json.schema_components(types, schema_hook=schema_of)

    def unlimited(schema: Any, name: str) -> Iterator[str]:
        if isinstance(schema, dict):
            if schema.get("type") == "integer" and "maximum" not in schema:
                yield name
            for part, inner in schema.items():
                yield from unlimited(inner, f"{name}.{part}")
        if isinstance(schema, list):
            for inner in schema:
                yield from unlimited(inner, name)

    assert list(unlimited(components, "")) == []


def test_no_schema_name_contains_a_module_name() -> None:
    """If two structs had the same name, their schema names would contain the module names."""
    assert [name for name in DOCUMENT["components"]["schemas"] if "." in name] == []


@cases(("name", "endpoint"), [(name_of(one), one) for one in DOCUMENTED])
def test_an_operation_is_described_completely(name: str, endpoint: Route) -> None:
    described = operation(endpoint)
    assert described["summary"] and described["tags"], name
    assert described["description"].split("\n")[0].endswith((".", ":")), "its first line is the summary"
    codes = set(described["responses"])
    if endpoint.access.value != "public":
        assert {"401", "403", "503"} <= codes and described["security"]
    if endpoint.body is not None:
        assert {"400", "413", "415"} <= codes
        assert described["requestBody"]["content"]["application/json"]["schema"]
    if endpoint.idempotent:
        assert {"409", "429"} <= codes, "another request has the key; the stored responses take too much space"
    if endpoint.path == "/api/events/stream":
        assert "429" in codes, "the user has too many streams open"
    if endpoint.segments:
        assert "404" in codes
        assert [p["name"] for p in described["parameters"] if p["in"] == "path"] == [n for n, _ in endpoint.segments]
    for code, response in described["responses"].items():
        assert response["description"], code
        for media_type, content in response.get("content", {}).items():
            assert content["schema"], f"{code} {media_type}"


def examples(endpoint: Route) -> Iterator[tuple[str, Any, Any]]:
    """Yields each JSON request and response of an operation: its place, its schema, its example (None without one)."""
    described = operation(endpoint)
    contents = {"request": described.get("requestBody", {})} | {
        code: response for code, response in described["responses"].items() if code.startswith("2")
    }
    for where, holder in contents.items():
        content = holder.get("content", {}).get("application/json")
        if content is not None:
            yield where, content["schema"], content.get("example")


@cases(("name", "endpoint"), [(name_of(one), one) for one in DOCUMENTED])
def test_every_request_and_response_has_an_example_that_fits_its_schema(name: str, endpoint: Route) -> None:
    for where, schema, example in examples(endpoint):
        assert example is not None, f"{name} has no example of {where}"
        whole = schema | {"components": DOCUMENT["components"]}
        jsonschema_rs.Draft202012Validator(whole).validate(example)
