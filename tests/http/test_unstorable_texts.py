"""Texts that no database stores, NUL and half of a surrogate pair, never cause a 500, wherever a request has them."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from issue_tracker.app import declared_routes
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import companies
from issue_tracker.errors import Invalid
from issue_tracker.http.routes import Route
from tests.world import World

ROUTES = [route for route in declared_routes() if not route.path.endswith(("/logout", "/stream"))]

PATHS = ("a%00b", "%FF", "%ED%A0%80")


def targets(route: Route) -> Iterator[str]:
    """Yields the path of the route with each of these texts as each of its segments in turn."""
    for name, kind in route.segments:
        if kind is not int:
            others = re.sub(rf"{{(?!{name}}})\w+}}", "1", route.path)
            yield from (others.replace(f"{{{name}}}", text) for text in PATHS)


def bodies(route: Route) -> Iterator[dict[str, Any]]:
    """Yields the example of a body of the route with NUL in each of its fields in turn."""
    example = route.example if isinstance(route.example, dict) else {}
    for field in msgspec.structs.fields(route.body) if isinstance(route.body, type) else ():
        yield {**example, field.encode_name: "a\0b"}
        yield {**example, field.encode_name: {"labels": "a\0b"}}


def test_every_route_responds_to_unstorable_texts(world: World) -> None:
    ada, answered = world.client("ada"), 0
    for route in ROUTES:
        for path in targets(route):
            response = ada.request(route.method, path, follow_redirects=False)
            assert response.status_code < 500, f"{route.method} {path}: {response.text}"
            answered += 1
        if route.path.startswith("/api"):
            path = re.sub(r"{\w+}", "1", route.path)
            for body in bodies(route):
                response = ada.request(route.method, path, json=body)
                assert response.status_code < 500, f"{route.method} {path} {body}: {response.text}"
                answered += 1
    assert answered > 400


@pytest.mark.parametrize("text", ["a\ud800b", "a\0b"])
def test_an_unstorable_text_in_a_statement_is_invalid_input(world: World, text: str) -> None:
    """The last line of defence, for a text that no other code has examined."""
    database: Database = world.server.database
    by_name = companies.select().where(companies.c.name_key == text)
    if world.server.engine == "sqlite" and "\0" in text:
        with database.read() as tx:
            assert tx.execute(by_name).first() is None
        return
    with pytest.raises(Invalid, match="cannot be stored"), database.read() as tx:
        tx.execute(by_name)
