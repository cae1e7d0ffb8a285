"""Generates docs/security-routes.md from the table in tests/access.py (`python -m tests.access`)."""

from pathlib import Path

from tests.access import EXPECTED
from tests.access_results import ACTORS, MAY, expected

DOCUMENT = Path(__file__).parent.parent / "docs" / "security-routes.md"

ABOUT = """# Access to routes

`python -m tests.access` generates this page. A test sends a request to every route with every kind of credential,
and compares the results with these tables (`tests/test_every_route.py`). The requests contain no valid input, so only
the credential decides the result.

| result | meaning |
| --- | --- |
| yes | the credential is sufficient; the input decides |
| 401 | not signed in |
| 403 | the role, the scope or the kind of credential is insufficient, or there is no valid link |
| sign-in | redirect to the sign-in page |
| confirm | 403 with the reason `confirmation_required`; a page requests the password |
| password | 403 with the reason `password_change_required`; a page redirects to the form for a new password |

*Old session* is a super admin who signed in more than ten minutes ago and has not confirmed since; *given password* is
one whose password a super admin knows; *r* and *w* are API tokens that may read, or read and write.
`PUT /api/users/{user_id}` and its page require a confirmation only for a role, a password or a company access;
`PUT /api/webhooks/{id}` and its page for all but the description and a deactivation;
`PUT /api/company-groups/{group_id}` and its pages only for other companies of a group that a company access names.
The routes of `/scim/v2` accept only SCIM tokens.
"""

HEADER = [
    "anonymous",
    "ended",
    "given password",
    "old session",
    *(f"{role}{kind}" for role in MAY for kind in ("", " r", " w")),
]


def document() -> str:
    """Returns the page: the routes, grouped by equal behaviour."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in EXPECTED:
        groups.setdefault(tuple(expected(name, actor) for actor in ACTORS), []).append(name)
    parts = [ABOUT]
    for results, names in groups.items():
        rows = ["| " + " | ".join(row) + " |" for row in (HEADER, ["---"] * len(HEADER), results)]
        parts.append("\n".join([*rows, "", *(f"- `{name}`" for name in names), ""]))
    return "\n".join(parts)
