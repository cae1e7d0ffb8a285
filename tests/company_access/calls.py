"""An example call of every declared route, for users with limited company access.

Some of the calls refer to data that exists in only one of the two databases, as `Hidden …` and by its ids: the response
must be that for data that does not exist. `{etag}` and `{position}` are replaced by those of the previous response.
"""

from tests.company_access.call import BOTH, FRESH, HIDDEN, HIDDEN_ID, LOGIN, ONCE, Call, gets
from tests.company_access.overview_calls import OVERVIEW_API, OVERVIEW_PAGES
from tests.company_access.page_calls import PAGES
from tests.company_access.portal_calls import PORTAL_API
from tests.company_access.reuse_calls import REUSE_API, REUSE_PAGES
from tests.company_access.sign_in_calls import SIGN_IN_API, SIGN_IN_PAGES

API: dict[str, list[Call]] = {
    "GET /api/issues": [
        *gets(
            "/api/issues",
            "?search=hidden",
            "?words=hidden own",
            "?words=ltd",
            "?words=double",
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
            "?companyGroup=Mixed&companyGroup=Theirs",
            "?companyGroup=Mixed&exclude=Hidden Ltd",
            "?exclude=Contoso",
            "?exclude=Fabrikam",
            "?sort=updated_at",
            "?sort=-updated_at&limit=1",
            "?sort=-created_at&limit=2",
            "?limit=1",
            "?format=csv",
            "?format=csv&include=details",
            "?owner=me",
            "?owner=none",
            "?owner=ada@helpdesk.example",
            "?tag=hidden",
            "?reference=H-1",
            "?overdue=true",
            "?sort=attention&include=details",
            "?sort=attention&limit=1",
            "?sort=-open_count&limit=1",
            "?sort=-open_count&open=true",
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
        Call("/api/issues", {"name": "Newest", "company_groups": ["Mixed"], "exclude": ["Hidden Ltd"]}),
        Call("/api/issues", {"name": "Newest", "company_groups": ["Mixed"], "exclude": ["Zürich (Nord)"]}),
        Call("/api/issues", {"name": "Nobody’s"}),
        Call("/api/issues", {"name": "Twice", "companies": BOTH}, headers=ONCE),
        Call("/api/issues", {"name": "Twice", "companies": BOTH}, headers=ONCE),
    ],
    "GET /api/issues/{issue_name}": [
        *gets("/api/issues/Shared"),
        Call("/api/issues/Shared", headers=FRESH),
        *gets("/api/issues/Shared?include=details"),
        *gets("/api/issues/Own"),
        *gets("/api/issues/Hidden issue"),
        *gets("/api/issues/Hidden double"),
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
    "POST /api/issues/merge": [
        Call("/api/issues/merge", {"issue_name": "Shared", "into": "Own"}),
        Call("/api/issues/merge", {"issue_name": "Hidden issue", "into": "Own"}),
        Call("/api/issues/merge", {"issue_name": "Own", "into": "Hidden issue"}),
        Call("/api/issues/merge", {"issue_name": "Elsewhere", "into": "Own", "dry_run": True}),
        Call("/api/issues/merge", {"issue_name": "Hidden double", "into": "Own", "dry_run": True}),
    ],
    "GET /api/updates": gets(
        "/api/updates",
        "?limit=1",
        "?limit=1&cursor=3",
        "?public=true",
        "?issueName=Shared",
        "?issueName=Hidden issue",
        "?companyName=Contoso",
        "?companyName=Hidden Ltd",
        "?companyName=Fabrikam",
    ),
    "POST /api/updates": [
        Call("/api/updates", {"issue_name": "Shared", "body": "for all that are visible"}),
        Call("/api/updates", {"issue_name": "Shared", "body": "x", "companies": ["Contoso"], "status": "resolved"}),
        Call("/api/updates", {"issue_name": "Shared", "body": "x", "companies": ["Hidden Ltd"]}),
        Call("/api/updates", {"issue_name": "Shared", "body": "x", "companies": ["Fabrikam"]}),
        Call("/api/updates", {"issue_name": "Own", "body": "x", "public": True, "status": "monitoring"}),
        Call("/api/updates", {"issue_name": "Hidden issue", "body": "x"}),
    ],
    "PUT /api/updates/{update_id}": [
        *(Call(f"/api/updates/{number}", {"body": "edited"}) for number in (1, 2, 3, 4, 5)),
        Call(f"/api/updates/{HIDDEN_ID}", {"body": "edited"}),
    ],
    "DELETE /api/updates/{update_id}": [
        *(Call(f"/api/updates/{number}") for number in (1, 2, 3, 4, 5)),
        Call(f"/api/updates/{HIDDEN_ID}"),
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
    "POST /api/company-groups/import": [
        Call("/api/company-groups/import", {"csv": "company_name,group\nHidden Ltd,Hidden group", "dry_run": True})
    ],
    "PUT /api/company-groups/{group_id}": [
        Call(f"/api/company-groups/{HIDDEN_ID}", {}),
        Call("/api/company-groups/1", {"name": "Hidden group"}),
    ],
    "DELETE /api/company-groups/{group_id}": [Call(f"/api/company-groups/{HIDDEN_ID}"), Call("/api/company-groups/1")],
    "GET /api/alerts": gets("/api/alerts", "?state=firing", "?state=unsorted", "?limit=1"),
    "POST /api/alerts": [
        Call("/api/alerts", {"key": key, "state": state, "issue": issue, "company": company, "strict": strict})
        for key in ("hidden", "mine")
        for issue, company in (
            ("Shared", "Hidden Ltd"),
            ("Shared", "Contoso"),
            ("Alarm", "Contoso"),
        )
        for strict in (False, True)
        for state in ("firing", "resolved")
    ],
    "POST /api/alerts/in/{receiver}/{secret}": [Call("/api/alerts/in/generic/wrong", {"key": "k"})],
    "GET /api/alert-receivers": gets("/api/alert-receivers"),
    "POST /api/alert-receivers": [Call("/api/alert-receivers", {"name": "R", "kind": "generic"})],
    "PUT /api/alert-receivers/{id}": [Call("/api/alert-receivers/1", {"active": False})],
    "DELETE /api/alert-receivers/{id}": [Call("/api/alert-receivers/1")],
    "POST /api/alert-receivers/{id}/rotate-secret": [Call("/api/alert-receivers/1/rotate-secret")],
    "POST /api/alert-receivers/try": [
        Call("/api/alert-receivers/try", {"message": "Subject: x\n\nCompany: Hidden Ltd"})
    ],
    "GET /api/alert-rules": gets("/api/alert-rules"),
    "POST /api/alert-rules": [Call("/api/alert-rules", {"name": "R", "rule": {}})],
    "POST /api/alert-rules/try": [Call("/api/alert-rules/try", {"labels": {"company": "Hidden Ltd"}})],
    "PUT /api/alert-rules/{id}": [Call("/api/alert-rules/1", {"position": 1})],
    "DELETE /api/alert-rules/{id}": [Call("/api/alert-rules/1")],
    "GET /api/events": gets(
        "/api/events",
        "?limit=1",
        "?after=0&limit=3",
        "?issueName=Shared",
        "?issueName=Hidden issue",
        "?issueName=Hidden double",
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
    "GET /api/users/{user_id}": gets("/api/users/1", "/api/users/2", "/api/users/999"),
    "PUT /api/users/{user_id}": [
        Call("/api/users/2", {"company_access": "all"}),
        Call("/api/users/3", {"company_access": "all"}),
        Call("/api/users/2", {"company_access": {"companies": ["Hidden Ltd"]}}),
        Call("/api/users/1", {"password": "a new correct horse"}),
    ],
    "GET /api/users/{user_id}/sessions": gets("/api/users/2/sessions"),
    "DELETE /api/users/{user_id}/sessions/{id}": [Call("/api/users/2/sessions/999")],
    "GET /api/users/{user_id}/tokens": gets("/api/users/2/tokens"),
    "POST /api/users/{user_id}/tokens": [Call("/api/users/2/tokens", {"name": "theirs", "scopes": ["read"]})],
    "GET /api/credentials": gets("/api/credentials", "?kind=token", "?userId=2"),
    "POST /api/credentials/revoke": [Call("/api/credentials/revoke", {"credentials": [{"kind": "token", "id": 1}]})],
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
    "POST /api/auth/login/second-factor": [
        Call("/api/auth/login/second-factor", {"challenge": "x", "method": "totp", "code": "123456"})
    ],
    "POST /api/auth/login/passkey/options": [Call("/api/auth/login/passkey/options", {"challenge": "x"})],
    "POST /api/auth/login/passkey": [Call("/api/auth/login/passkey", {"challenge": "x", "credential": {}})],
    "POST /api/auth/factors/passkeys/options": [Call("/api/auth/factors/passkeys/options")],
    "POST /api/auth/factors/passkeys": [Call("/api/auth/factors/passkeys", {"challenge": "x", "credential": {}})],
    "GET /api/auth/factors": gets("/api/auth/factors"),
    "POST /api/auth/factors/totp": [Call("/api/auth/factors/totp", {"name": "App"})],
    "POST /api/auth/factors/totp/verify": [Call("/api/auth/factors/totp/verify", {"id": 9, "code": "123456"})],
    "POST /api/auth/factors/recovery-codes": [Call("/api/auth/factors/recovery-codes")],
    "DELETE /api/auth/factors/{id}": [Call("/api/auth/factors/999")],
    "GET /api/users/{user_id}/factors": gets("/api/users/2/factors"),
    "POST /api/users/{user_id}/factors/reset": [Call("/api/users/2/factors/reset", {"reason": "lost"})],
    "POST /api/auth/login": [Call("/api/auth/login", LOGIN)],
    "GET /api/auth/session": gets("/api/auth/session"),
    "GET /api/auth/sessions": gets("/api/auth/sessions"),
    "DELETE /api/auth/sessions/{id}": [Call("/api/auth/sessions/999")],
    "GET /api/auth/tokens": gets("/api/auth/tokens"),
    "POST /api/auth/tokens": [
        Call("/api/auth/tokens", {"name": "ci", "scopes": ["read"]}),
        *(
            Call("/api/auth/tokens", {"name": f"of {name}", "scopes": ["read"], "company_access": {kind: [name]}})
            for kind, name in (
                ("companies", "Hidden Ltd"),
                ("companies", "Contoso"),
                ("company_groups", "Hidden group"),
                ("company_groups", "Mixed"),
            )
        ),
    ],
    "DELETE /api/auth/tokens/{id}": [Call("/api/auth/tokens/999")],
    "POST /api/setup": [Call("/api/setup", {"token": "x", "email": "x@y", "name": "X", "password": "long enough"})],
    "GET /healthz": gets("/healthz"),
    "GET /readyz": gets("/readyz"),
    "GET /metrics": gets("/metrics"),
    "GET /openapi.json": gets("/openapi.json"),
}

LEAVING: dict[str, list[Call]] = {
    "POST /api/auth/password": [Call("/api/auth/password", {"current_password": "wrong", "new_password": "x" * 20})],
    "POST /api/auth/logout": [Call("/api/auth/logout")],
    "POST /logout": [Call("/logout", form={})],
}
"""The last calls, because they end the session."""

API |= SIGN_IN_API | PORTAL_API | REUSE_API | OVERVIEW_API
CALLS = API | PAGES | SIGN_IN_PAGES | REUSE_PAGES | OVERVIEW_PAGES | LEAVING
