"""Example calls of the portal for customers; `calls` contains the others, and explains their purpose."""

from tests.company_access.call import FRESH, Call, gets

PORTAL_API: dict[str, list[Call]] = {
    "GET /api/portal/issues": [
        *gets(
            "/api/portal/issues",
            "?open=true",
            "?status=new",
            "?companyName=Hidden Ltd",
            "?companyName=contoso",
            "?limit=1",
            "?updatedSince=2026-01-01T10:30:00Z",
        ),
        Call("/api/portal/issues"),
        Call("/api/portal/issues", headers=FRESH),
    ],
    "GET /api/portal/updates": gets(
        "/api/portal/updates",
        "?issueName=Shared",
        "?issueName=Hidden issue",
        "?companyName=Contoso",
        "?companyName=Hidden Ltd",
        "?limit=1",
        "?before=2026-01-01T10:30:00Z",
    ),
    "GET /api/portal/issues/{issue_name}": [
        *gets("/api/portal/issues/Shared"),
        Call("/api/portal/issues/Shared", headers=FRESH),
        *gets("/api/portal/issues/Hidden issue"),
        *gets("/api/portal/issues/Hidden double"),
        *gets("/api/portal/issues/Elsewhere"),
    ],
}
