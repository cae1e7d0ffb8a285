"""Issues with a similar name, to be checked before a new one is created (an addition to the contract's section 5)."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.http.request import Request
from issue_tracker.http.responses import list_response
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.http.validation import SearchText
from issue_tracker.issues.queries.similar import SimilarIssue, list_similar_issues

routes = Routes("Issues")

SIMILAR_EXAMPLE = {
    "issue_id": 7,
    "name": "WAN degradation",
    "former_name": "Network degradation",
    "open": 1,
    "total": 1,
}


class SimilarQuery(msgspec.Struct):
    """The name, and how many issues to return."""

    name: Annotated[SearchText, Meta(max_length=255, description="A name, or the beginning of one.")] = ""
    limit: Annotated[int, Meta(ge=1, le=50, description="Maximum number of issues.")] = 6


class SimilarIssueList(msgspec.Struct):
    """Issues, the most similar first."""

    items: list[SimilarIssue]
    total: int


@routes.get("/api/similar-issues", returns=Returns(200, SimilarIssueList, {"items": [SIMILAR_EXAMPLE], "total": 1}))
def list_similar(request: Request, query: SimilarQuery) -> Response:
    """Find issues with a present or former name like this one, even if words are misspelt, missing or in another order.

    `former_name` is the earlier name, if only that one is similar. `open` and `total` count the companies.
    """
    return list_response(list_similar_issues(request.tx, request.actor, query.name.strip(), query.limit))
