"""An example call of every declared route, for readers who see some companies only.

What only one of the two databases has is named in some of the calls, as `Hidden …` and by its ids: there it must be
refused as what does not exist. `{etag}` and `{position}` stand for those of the response before.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from issue_tracker.pages.assets import VERSION

HIDDEN_ID = 501
"""The id of each row that only one of the databases has: of a company, an issue, a group, a webhook."""


class Call(msgspec.Struct, frozen=True):
    """A request to a route."""

    path: str
    json: Any = None
    form: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = {}


def gets(path: str, *queries: str) -> list[Call]:
    return [Call(f"{path}{query}") for query in ("", *queries)]


FRESH = {"If-None-Match": "{etag}"}
BOTH = [{"company_name": "Contoso"}, {"company_name": "Zürich (Nord)", "status": "monitoring"}]
HIDDEN = [{"company_name": "Contoso"}, {"company_name": "Hidden Ltd"}]
ONCE = {"Idempotency-Key": "the same"}
LOGIN = {"email": "tess@helpdesk.example", "password": "wrong"}

API: dict[str, list[Call]] = {
    "GET /api/issues": [
        *gets(
            "/api/issues",
            "?search=hidden",
            "?search=own",
            "?search=no",
            "?status=new",
            "?status=monitoring&status=closed",
            "?open=true",
            "?companyName=Hidden Ltd",
            "?companyName=Fabrikam",
            "?companyName=contoso",
            f"?companyId={HIDDEN_ID}",
            "?companyId=2",
            "?companyGroup=Hidden group",
            "?companyGroup=Theirs",
            "?companyGroup=Mixed",
            "?sort=updated_at",
            "?sort=-updated_at&limit=1",
            "?sort=-created_at&limit=2",
            "?limit=1",
            "?format=csv",
            "?updatedSince=2026-01-01T10:30:00Z",
            "?changedSince={position}",
        ),
        Call("/api/issues"),
        Call("/api/issues", headers=FRESH),
    ],
    "POST /api/issues": [
        Call("/api/issues", {"name": "New", "companies": BOTH}),
        Call("/api/issues", {"name": "New", "companies": BOTH}),
        Call("/api/issues", {"name": "Newer", "companies": HIDDEN}),
        Call("/api/issues", {"name": "Newer", "company_groups": ["Hidden group"]}),
        Call("/api/issues", {"name": "Newer", "company_groups": ["Mixed"]}),
        Call("/api/issues", {"name": "Nobody’s"}),
        Call("/api/issues", {"name": "Twice", "companies": BOTH}, headers=ONCE),
        Call("/api/issues", {"name": "Twice", "companies": BOTH}, headers=ONCE),
    ],
    "GET /api/issues/{issue_name}": [
        *gets("/api/issues/Shared"),
        Call("/api/issues/Shared", headers=FRESH),
        *gets("/api/issues/Own"),
        *gets("/api/issues/Hidden issue"),
        *gets("/api/issues/Elsewhere"),
    ],
    "PUT /api/issues/{issue_name}": [
        Call("/api/issues/Shared", {"description": "x"}),
        Call("/api/issues/Shared", {"new_name": "Taken over"}),
        Call("/api/issues/Shared", {"add_companies": BOTH}, headers={"If-Match": '"stale"'}),
        Call("/api/issues/Shared", {"add_companies": BOTH}),
        Call("/api/issues/Shared", {"add_companies": HIDDEN}),
        Call("/api/issues/Shared", {"company_groups": ["Mixed"]}),
        Call("/api/issues/Whole", {"description": "x", "new_name": "Whole again"}),
        Call("/api/issues/Hidden issue", {"description": "x"}),
    ],
    "PUT /api/issues/status": [
        Call("/api/issues/status", {"issue_name": issue, "company_name": company, "status": "investigating"})
        for issue in ("Shared", "Hidden issue", "Elsewhere")
        for company in ("Contoso", "Hidden Ltd", "Fabrikam")
    ],
    "DELETE /api/issues/status": [
        *gets("/api/issues/status?issueName=Shared&companyName=Hidden Ltd"),
        *gets("/api/issues/status?issueName=Hidden issue&companyName=Hidden Ltd"),
        *gets("/api/issues/status?issueName=Own&companyName=Zürich (Nord)"),
    ],
    "POST /api/issues/status/bulk": [
        Call("/api/issues/status/bulk", {"issue_name": "Shared", "status": "closed", "dry_run": True}),
        Call("/api/issues/status/bulk", {"issue_name": "Shared", "status": "resolved"}),
        Call("/api/issues/status/bulk", {"issue_name": "Shared", "status": "closed", "companies": ["Hidden Ltd"]}),
        Call("/api/issues/status/bulk", {"issue_name": "Shared", "status": "closed", "exclude": ["Hidden Ltd"]}),
        Call("/api/issues/status/bulk", {"issue_name": "Shared", "status": "new", "company_groups": ["Mixed"]}),
        Call("/api/issues/status/bulk", {"issue_name": "Hidden issue", "status": "closed"}),
    ],
    "DELETE /api/issues/{issue_name}": [
        Call("/api/issues/Shared"),
        Call("/api/issues/Whole again"),
        Call("/api/issues/Hidden issue"),
    ],
    "GET /api/companies": gets("/api/companies", "?search=hidden", "?search=con", "?includeArchived=true"),
    "POST /api/companies": [Call("/api/companies", {"name": "Hidden Ltd"})],
    "PUT /api/companies/{company_id}": [
        Call(f"/api/companies/{HIDDEN_ID}", {"archived": True}),
        Call("/api/companies/3", {"archived": True}),
        Call("/api/companies/2", {"name": "Contoso AG"}),
        Call("/api/companies/2", {"name": "Contoso"}),
    ],
    "DELETE /api/companies/{company_id}": [Call(f"/api/companies/{HIDDEN_ID}"), Call("/api/companies/2")],
    "GET /api/company-groups": gets("/api/company-groups"),
    "POST /api/company-groups": [Call("/api/company-groups", {"name": "Hidden group"})],
    "PUT /api/company-groups/{group_id}": [
        Call(f"/api/company-groups/{HIDDEN_ID}", {}),
        Call("/api/company-groups/1", {"name": "Hidden group"}),
    ],
    "DELETE /api/company-groups/{group_id}": [Call(f"/api/company-groups/{HIDDEN_ID}"), Call("/api/company-groups/1")],
    "GET /api/events": gets(
        "/api/events",
        "?limit=1",
        "?after=0&limit=3",
        "?issueName=Shared",
        "?issueName=Hidden issue",
        "?issueName=Elsewhere",
        "?companyName=Hidden Ltd",
        "?companyName=Contoso",
        "?type=issue.created",
        "?type=company.created",
        "?type=user.updated",
        "?type=company_group.created",
        "?type=webhook.created",
        "?actor=1",
    ),
    "GET /api/events/stream": [Call("/api/events/stream", headers={"Last-Event-ID": "0"})],
    "GET /api/users": gets("/api/users"),
    "POST /api/users": [Call("/api/users", {"email": "x@helpdesk.example", "name": "X", "role": "super_admin"})],
    "PUT /api/users/{user_id}": [
        Call("/api/users/2", {"company_access": "all"}),
        Call("/api/users/3", {"company_access": "all"}),
        Call("/api/users/2", {"company_access": {"companies": ["Hidden Ltd"]}}),
        Call("/api/users/1", {"password": "a new correct horse"}),
    ],
    "GET /api/users/{user_id}/sessions": gets("/api/users/2/sessions"),
    "DELETE /api/users/{user_id}/sessions/{id}": [Call("/api/users/2/sessions/999")],
    "GET /api/users/{user_id}/tokens": gets("/api/users/2/tokens"),
    "DELETE /api/users/{user_id}/tokens/{id}": [Call("/api/users/2/tokens/999")],
    "POST /api/users/{user_id}/invitation": [Call("/api/users/1/invitation")],
    "POST /api/auth/confirm": [Call("/api/auth/confirm", {"password": "wrong"})],
    "POST /api/companies/match": [
        Call("/api/companies/match", {"text": "Contoso Ltd; Hidden Ltd; hiden; Fabrikam; Zurich Nord"}),
        Call("/api/companies/match", {"names": ["Hidden Ltd", "Contosso"]}),
    ],
    "GET /api/webhooks": gets("/api/webhooks"),
    "POST /api/webhooks": [
        Call("/api/webhooks", {"url": "https://hooks.helpdesk.example", "company_ids": [HIDDEN_ID]})
    ],
    "GET /api/webhooks/{id}": gets("/api/webhooks/1", "")[:1] + gets(f"/api/webhooks/{HIDDEN_ID}"),
    "PUT /api/webhooks/{id}": [Call(f"/api/webhooks/{HIDDEN_ID}", {"active": False})],
    "DELETE /api/webhooks/{id}": [Call(f"/api/webhooks/{HIDDEN_ID}")],
    "POST /api/webhooks/{id}/rotate-secret": [Call(f"/api/webhooks/{HIDDEN_ID}/rotate-secret")],
    "POST /api/webhooks/{id}/test": [Call(f"/api/webhooks/{HIDDEN_ID}/test")],
    "GET /api/webhooks/{id}/deliveries": gets(f"/api/webhooks/{HIDDEN_ID}/deliveries"),
    "POST /api/webhooks/deliveries/{id}/redeliver": [Call("/api/webhooks/deliveries/1/redeliver")],
    "POST /api/auth/login": [Call("/api/auth/login", LOGIN)],
    "GET /api/auth/session": gets("/api/auth/session"),
    "GET /api/auth/sessions": gets("/api/auth/sessions"),
    "DELETE /api/auth/sessions/{id}": [Call("/api/auth/sessions/999")],
    "GET /api/auth/tokens": gets("/api/auth/tokens"),
    "POST /api/auth/tokens": [Call("/api/auth/tokens", {"name": "ci", "scopes": ["read"]})],
    "DELETE /api/auth/tokens/{id}": [Call("/api/auth/tokens/999")],
    "POST /api/setup": [Call("/api/setup", {"token": "x", "email": "x@y", "name": "X", "password": "long enough"})],
    "GET /healthz": gets("/healthz"),
    "GET /readyz": gets("/readyz"),
    "GET /metrics": gets("/metrics"),
    "GET /openapi.json": gets("/openapi.json"),
}

PAGES: dict[str, list[Call]] = {
    "GET /docs": gets("/docs"),
    "GET /login": gets("/login"),
    "POST /login": [Call("/login", form=LOGIN)],
    "GET /setup": gets("/setup"),
    "POST /setup": [Call("/setup", form={"token": "x"})],
    "GET /invitation": gets("/invitation", "?token=x"),
    "POST /invitation": [Call("/invitation", form={"token": "x", "password": "another correct horse"})],
    "GET /password": gets("/password"),
    "POST /password": [Call("/password", form={"current_password": "x", "new_password": "y"})],
    "GET /static/{version}/{name}": gets(f"/static/{VERSION}/icon.svg"),
    "GET /static/{version}/{folder}/{name}": gets(f"/static/{VERSION}/css/main.css"),
    "GET /": gets(
        "/",
        "?open=true",
        "?search=hidden",
        "?companyName=Hidden Ltd",
        "?companyGroup=Theirs",
        "?sort=-updated_at&limit=1",
    ),
    "GET /matrix": gets("/matrix", "?columns=all", "?companyName=Fabrikam"),
    "GET /issues/new": gets("/issues/new"),
    "POST /issues/new": [
        Call("/issues/new", form={"name": "By page", "status": "new", "companies": "Contoso\nHidden Ltd"}),
        Call("/issues/new", form={"name": "By page", "status": "new", "companies": ""}),
        Call("/issues/new", form={"name": "By page", "status": "new", "companies": "Contoso"}),
    ],
    "GET /issues/{issue_id}": [
        *gets("/issues/1"),
        *gets("/issues/2"),
        *gets("/issues/4"),
        *gets(f"/issues/{HIDDEN_ID}"),
    ],
    "POST /issues/{issue_id}/edit": [
        Call("/issues/1/edit", form={"name": "Mine", "seen_name": "Shared", "description": "", "seen_description": ""}),
        Call("/issues/1/edit", form={"name": "Mine", "seen_name": "Other", "description": "", "seen_description": ""}),
        Call(f"/issues/{HIDDEN_ID}/edit", form={"name": "Mine", "seen_name": "Hidden issue"}),
    ],
    "POST /issues/{issue_id}/companies": [
        Call("/issues/1/companies", form={"companies": "Hidden Ltd", "status": "new"}),
        Call("/issues/1/companies", form={"companies": "Contoso", "status": "monitoring"}),
        Call(f"/issues/{HIDDEN_ID}/companies", form={"companies": "Contoso", "status": "new"}),
    ],
    "GET /assignments": [
        *gets("/assignments?on=1-2"),
        *gets("/assignments?on=1-3"),
        *gets(f"/assignments?on=1-{HIDDEN_ID}"),
        *gets(f"/assignments?on={HIDDEN_ID}-{HIDDEN_ID}"),
    ],
    "POST /assignments/review": [
        Call("/assignments/review", form={"on": ["1-2", "2-2"], "status": "resolved", "next": "/"}),
        Call("/assignments/review", form={"on": ["1-2", f"1-{HIDDEN_ID}"], "status": "resolved", "next": "/"}),
    ],
    "GET /issues/{issue_id}/resolve": [*gets("/issues/1/resolve"), *gets(f"/issues/{HIDDEN_ID}/resolve")],
    "POST /assignments/bulk": [
        Call("/assignments/bulk", form={"on": ["1-2-closed"], "status": "resolved", "next": "/"}),
        Call("/assignments/bulk", form={"on": ["1-2", "2-2"], "status": "resolved", "next": "/"}),
        Call("/assignments/bulk", form={"on": [f"1-{HIDDEN_ID}"], "status": "resolved", "next": "/"}),
    ],
    "POST /undo": [
        Call("/undo", form={"request_id": "call", "next": "/"}),
        Call("/undo", form={"request_id": "noise", "next": "/"}),
    ],
    "GET /companies": gets("/companies", "?search=hidden", "?includeArchived=true"),
    "GET /companies/{company_id}": [*gets("/companies/2"), *gets("/companies/3"), *gets(f"/companies/{HIDDEN_ID}")],
    "GET /activity": gets("/activity", "?issueName=Shared", "?companyName=Hidden Ltd", "?type=company.created"),
    "GET /account": gets("/account"),
    "POST /account/name": [Call("/account/name", form={"name": "Another name"})],
    "POST /account/password": [Call("/account/password", form={"current_password": "x", "new_password": "y"})],
    "POST /account/sessions/{id}/end": [Call("/account/sessions/999/end", form={})],
    "POST /account/tokens": [Call("/account/tokens", form={"name": "by page", "scope": "read", "days": "30"})],
    "POST /account/tokens/{id}/revoke": [Call("/account/tokens/999/revoke", form={})],
    "GET /issues/{issue_id}/delete": [*gets("/issues/1/delete"), *gets(f"/issues/{HIDDEN_ID}/delete")],
    "POST /issues/{issue_id}/delete": [
        Call("/issues/1/delete", form={}),
        Call("/issues/2/delete", form={}),
        Call(f"/issues/{HIDDEN_ID}/delete", form={}),
    ],
    "GET /admin/companies": gets("/admin/companies"),
    "POST /admin/companies": [Call("/admin/companies", form={"name": "Hidden Ltd"})],
    "GET /admin/companies/{company_id}": [*gets("/admin/companies/2"), *gets(f"/admin/companies/{HIDDEN_ID}")],
    "POST /admin/companies/{company_id}": [
        Call("/admin/companies/2", form={"name": "Contoso"}),
        Call(f"/admin/companies/{HIDDEN_ID}", form={"name": "x"}),
    ],
    "POST /admin/companies/{company_id}/delete": [
        Call("/admin/companies/2/delete", form={}),
        Call(f"/admin/companies/{HIDDEN_ID}/delete", form={}),
    ],
    "GET /admin/company-groups": gets("/admin/company-groups"),
    "POST /admin/company-groups": [Call("/admin/company-groups", form={"name": "Hidden group", "company_names": ""})],
    "GET /admin/company-groups/{group_id}": [
        *gets("/admin/company-groups/2"),
        *gets(f"/admin/company-groups/{HIDDEN_ID}"),
    ],
    "POST /admin/company-groups/{group_id}": [Call("/admin/company-groups/1", form={"name": "x", "company_names": ""})],
    "POST /admin/company-groups/{group_id}/delete": [Call(f"/admin/company-groups/{HIDDEN_ID}/delete", form={})],
    "GET /admin/users": gets("/admin/users"),
    "POST /admin/users": [
        Call("/admin/users", form={"email": "y@z", "name": "Y", "role": "member", "password": "z" * 9})
    ],
    "GET /admin/users/{user_id}": gets("/admin/users/2"),
    "POST /admin/users/{user_id}": [Call("/admin/users/2", form={"name": "T", "role": "technician", "access": "all"})],
    "POST /admin/users/{user_id}/invitation": [Call("/admin/users/1/invitation", form={})],
    "POST /admin/users/{user_id}/sessions/{id}/end": [Call("/admin/users/2/sessions/999/end", form={})],
    "POST /admin/users/{user_id}/tokens/{id}/revoke": [Call("/admin/users/2/tokens/999/revoke", form={})],
    "GET /admin/webhooks": gets("/admin/webhooks"),
    "POST /admin/webhooks": [Call("/admin/webhooks", form={"url": "https://hooks.helpdesk.example"})],
    "GET /admin/webhooks/{webhook_id}": gets(f"/admin/webhooks/{HIDDEN_ID}"),
    "POST /admin/webhooks/{webhook_id}": [Call(f"/admin/webhooks/{HIDDEN_ID}", form={"url": "https://x.example"})],
    "POST /admin/webhooks/{webhook_id}/rotate-secret": [Call(f"/admin/webhooks/{HIDDEN_ID}/rotate-secret", form={})],
    "POST /admin/webhooks/{webhook_id}/test": [Call(f"/admin/webhooks/{HIDDEN_ID}/test", form={})],
    "POST /admin/webhooks/{webhook_id}/redeliver/{delivery_id}": [
        Call(f"/admin/webhooks/{HIDDEN_ID}/redeliver/{HIDDEN_ID}", form={})
    ],
    "POST /admin/webhooks/{webhook_id}/delete": [Call(f"/admin/webhooks/{HIDDEN_ID}/delete", form={})],
}

LEAVING: dict[str, list[Call]] = {
    "POST /api/auth/password": [
        Call("/api/auth/password", {"current_password": "wrong", "new_password": "another correct horse"})
    ],
    "POST /api/auth/logout": [Call("/api/auth/logout")],
    "POST /logout": [Call("/logout", form={})],
}
"""What comes last, because it ends the session."""

CALLS = API | PAGES | LEAVING
