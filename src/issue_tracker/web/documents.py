"""Probes and documents about the service itself (contract, section 10)."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from issue_tracker.database import migrate
from issue_tracker.errors import Unavailable
from issue_tracker.settings import Settings
from issue_tracker.web import openapi
from issue_tracker.web.answer import Answer, encode
from issue_tracker.web.context import Access, Context
from issue_tracker.web.routing import Endpoint, Routes
from issue_tracker.web.templating import bare_page

routes = Routes("Operations", access=Access.PUBLIC)


class Health(msgspec.Struct):
    """How the service is: `ok`."""

    status: str


_described: dict[str, Any] = {}


def describe(endpoints: Sequence[Endpoint], settings: Settings) -> dict[str, Any]:
    """Makes the OpenAPI document of these routes the one that `/openapi.json` answers, and returns it."""
    _described["document"] = openapi.document(endpoints, version("issue-tracker"), settings)
    return dict(_described["document"])


@routes.get("/healthz", transaction=False, inline=True, answers={200: Health})
def healthz(request: Context) -> Answer:
    """Whether the process is alive. Touches nothing else."""
    return Answer.json(Health("ok"), headers={"Cache-Control": "no-store"})


@routes.get("/readyz", transaction=False, answers={200: Health}, errors=(503,))
def readyz(request: Context) -> Answer:
    """Whether the database is within reach and its schema is current."""
    with request.database.read() as tx:
        if not migrate.is_current(tx):
            raise Unavailable("The database schema is not current; run `issue-tracker migrate`.")
    return Answer.json(Health("ok"), headers={"Cache-Control": "no-store"})


@routes.get("/openapi.json", transaction=False, inline=True, answers={200: "application/json"})
def openapi_json(request: Context) -> Answer:
    """This API as an OpenAPI 3.1 document."""
    return Answer(encode(_described["document"]), media_type="application/json")


@routes.get("/docs", transaction=False, answers={200: "text/html"})
def docs(request: Context) -> Answer:
    """The document as a page to read and to try (docs/decisions/0016-api-reference.md)."""
    # Imported where it is used: the Markdown parser would cost every start a twentieth of a second.
    from issue_tracker.web.reference import reference  # noqa: PLC0415

    return bare_page(request.call, "web/reference.html", api=reference(_described["document"]))
