"""Example calls of the counts, the handover, views and presence; `calls` explains their purpose."""

from tests.company_access.call import HIDDEN_ID, Call, gets

OVERVIEW_API: dict[str, list[Call]] = {
    "GET /api/views": gets("/api/views"),
    "POST /api/views": [
        Call("/api/views", {"name": "By API", "query": "companyName=Hidden Ltd", "shared": True}),
        Call("/api/views", {"name": "By API", "query": "open=true"}),
        Call("/api/views", {"name": "Secret", "query": "tag=hidden", "start": True}),
    ],
    "PUT /api/views/{view_id}": [
        Call("/api/views/1", {"start": True}),
        Call("/api/views/1", {"name": "Mine"}),
        Call(f"/api/views/{HIDDEN_ID}", {"start": True}),
    ],
    "DELETE /api/views/{view_id}": [Call("/api/views/1"), Call(f"/api/views/{HIDDEN_ID}")],
}

OVERVIEW_PAGES: dict[str, list[Call]] = {
    "GET /attention-counts": [
        *gets("/attention-counts"),
        *gets("/", "?sort=name", "?unmovedDays=3", "?status=new&owner=none"),
        *gets("/api/issues", "?unmovedDays=3", "?unmovedDays=1&sort=attention"),
    ],
    "GET /start": gets("/start"),
    "GET /views": gets("/views"),
    "GET /views/new": gets("/views/new?query=companyName%3DHidden+Ltd"),
    "POST /views/new": [
        Call("/views/new", form={"name": "By page", "query": "companyName=Hidden Ltd", "shared": "true"})
    ],
    "GET /views/{view_id}": [*gets("/views/1"), *gets(f"/views/{HIDDEN_ID}")],
    "POST /views/{view_id}": [
        Call("/views/1", form={"start": "true"}),
        Call(f"/views/{HIDDEN_ID}", form={"start": "true"}),
    ],
    "POST /views/{view_id}/delete": [
        Call("/views/1/delete", form={"_sure": "1"}),
        Call(f"/views/{HIDDEN_ID}/delete", form={"_sure": "1"}),
    ],
    "GET /handover": gets(
        "/handover",
        "?since=2020-01-01T00:00",
        "?hours=1",
        "?hours=700&format=text",
        "?hours=700&format=markdown",
    ),
    "POST /issues/{issue_id}/presence": [
        Call("/issues/1/presence", form={}),
        Call("/issues/1/presence", form={"leave": "true"}),
        Call(f"/issues/{HIDDEN_ID}/presence", form={}),
    ],
}
