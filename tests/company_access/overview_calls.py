"""Example calls of what waits, the hand-over, views and presence; `calls` says what they are for."""

from tests.company_access.call import Call, gets

OVERVIEW_PAGES: dict[str, list[Call]] = {
    "GET /waiting": [
        *gets("/waiting"),
        *gets("/", "?sort=name", "?unmovedDays=3", "?status=new&owner=none"),
        *gets("/api/issues", "?unmovedDays=3", "?unmovedDays=1&sort=attention"),
    ],
    "GET /handover": gets(
        "/handover",
        "?since=2020-01-01T00:00",
        "?hours=1",
        "?hours=700&format=text",
        "?hours=700&format=markdown",
    ),
}
