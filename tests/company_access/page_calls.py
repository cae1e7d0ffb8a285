"""Example calls of the pages; `calls` contains those of the API, and explains their purpose."""

from issue_tracker.pages.assets import VERSION
from tests.company_access.call import HIDDEN_ID, LOGIN, Call, gets

PAGES: dict[str, list[Call]] = {
    "GET /docs": gets("/docs"),
    "GET /login": gets("/login"),
    "POST /login": [Call("/login", form=LOGIN)],
    "POST /login/passkey": [Call("/login/passkey", form={"challenge": "x", "credential": "{}"})],
    "GET /login/second-factor": gets("/login/second-factor"),
    "POST /login/second-factor": [
        Call("/login/second-factor", form={"challenge": "x", "method": "totp", "code": "123456"})
    ],
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
        "?search=hidden own",
        "?search=ltd&open=true",
        "?companyName=Hidden Ltd",
        "?companyGroup=Theirs",
        "?sort=-updated_at&limit=1",
    ),
    "GET /matrix": gets("/matrix", "?columns=all", "?companyName=Fabrikam"),
    "GET /find": gets("/find", "?q=hidden", "?q=shared", "?q=Hiden ltd", "?q=own"),
    "GET /issues/new": gets(
        "/issues/new",
        "?template=1",
        "?template=2",
        "?template=3",
        f"?template={HIDDEN_ID}",
        "?like=1",
        "?like=4",
        f"?like={HIDDEN_ID}",
    ),
    "POST /issues/new": [
        Call("/issues/new", form={"name": "By page", "status": "new", "companies": "Contoso\nHidden Ltd"}),
        Call("/issues/new", form={"name": "By page", "status": "new", "companies": ""}),
        Call("/issues/new", form={"name": "By page", "status": "new", "companies": "Contoso"}),
        Call("/issues/new", form={"name": "By group", "status": "new", "company_groups": "Hidden group"}),
        Call("/issues/new", form={"name": "By group", "status": "new", "company_groups": "Mixed"}),
        Call("/issues/new", form={"name": "Again", "status": "new", "like": "1", "companies_of": "all"}),
        Call("/issues/new", form={"name": "Again", "status": "new", "like": f"{HIDDEN_ID}", "companies_of": "all"}),
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
        Call("/issues/2/companies", form={"company_groups": "Mixed", "exclude": "Hidden Ltd", "status": "new"}),
        Call(f"/issues/{HIDDEN_ID}/companies", form={"companies": "Contoso", "status": "new"}),
    ],
    "POST /issues/{issue_id}/owner": [
        Call("/issues/1/owner", form={}),
        Call("/issues/2/owner", form={}),
        Call("/issues/2/owner", form={"release": "true"}),
        Call(f"/issues/{HIDDEN_ID}/owner", form={}),
    ],
    "GET /issues/{issue_id}/merge": [
        *gets("/issues/1/merge"),
        *gets("/issues/1/merge?into=Own"),
        *gets("/issues/2/merge?into=Hidden issue"),
        *gets(f"/issues/{HIDDEN_ID}/merge"),
    ],
    "POST /issues/{issue_id}/merge": [
        Call("/issues/1/merge", form={"into": "Own"}),
        Call("/issues/2/merge", form={"into": "Hidden issue"}),
        Call(f"/issues/{HIDDEN_ID}/merge", form={"into": "Own"}),
    ],
    "POST /assignments/own": [
        Call("/assignments/own", form={"on": ["1-2", "2-2"], "next": "/"}),
        Call("/assignments/own", form={"on": [f"1-{HIDDEN_ID}"], "next": "/"}),
        Call("/assignments/own", form={"on": ["1-3"], "next": "/"}),
    ],
    "POST /issues/{issue_id}/updates": [
        Call("/issues/1/updates", form={"body": "By page"}),
        Call("/issues/1/updates", form={"body": "By page", "companies": "Contoso", "status": "new"}),
        Call("/issues/1/updates", form={"body": "By page", "companies": "Hidden Ltd"}),
        Call("/issues/1/updates", form={"body": "By page", "company_groups": "Mixed"}),
        Call("/issues/1/updates", form={"body": "By page", "exclude": "Contoso"}),
        Call(f"/issues/{HIDDEN_ID}/updates", form={"body": "By page"}),
    ],
    "GET /updates/{update_id}": [
        *(call for number in (1, 2, 3, HIDDEN_ID) for call in gets(f"/updates/{number}")),
    ],
    "POST /updates/{update_id}": [
        Call(f"/updates/{number}", form={"body": "By page"}) for number in (1, 2, 3, HIDDEN_ID)
    ],
    "POST /updates/{update_id}/withdraw": [
        Call(f"/updates/{number}/withdraw", form={"_sure": "1"}) for number in (1, 2, 3, HIDDEN_ID)
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
        Call("/assignments/bulk", form={"on": ["1-2", "2-2"], "status": "none", "next": "/"}),
        Call("/assignments/bulk", form={"on": [f"1-{HIDDEN_ID}"], "status": "resolved", "next": "/"}),
    ],
    "POST /assignments/note": [
        Call("/assignments/note", form={"on": ["1-2"], "note": "By phone", "next": "/"}),
        Call("/assignments/note", form={"on": [f"1-{HIDDEN_ID}"], "note": "By phone", "next": "/"}),
    ],
    "POST /undo": [
        Call("/undo", form={"request_id": "call", "next": "/"}),
        Call("/undo", form={"request_id": "noise", "next": "/"}),
    ],
    "GET /companies": gets("/companies", "?search=hidden", "?includeArchived=true"),
    "GET /companies/{company_id}": [*gets("/companies/2"), *gets("/companies/3"), *gets(f"/companies/{HIDDEN_ID}")],
    "GET /alerts": gets("/alerts", "?state=unsorted", "?state=resolved"),
    "GET /admin/alerts": gets("/admin/alerts"),
    "POST /admin/alerts/receivers": [Call("/admin/alerts/receivers", form={"name": "R", "kind": "generic"})],
    "POST /admin/alerts/receivers/{id}/rotate-secret": [Call("/admin/alerts/receivers/1/rotate-secret", form={})],
    "POST /admin/alerts/receivers/{id}/active": [Call("/admin/alerts/receivers/1/active", form={})],
    "GET /admin/alerts/receivers/{id}/delete": gets("/admin/alerts/receivers/1/delete"),
    "POST /admin/alerts/receivers/{id}/delete": [Call("/admin/alerts/receivers/1/delete", form={})],
    "GET /admin/alerts/rules/new": gets("/admin/alerts/rules/new", "?alert=1"),
    "POST /admin/alerts/rules/new": [Call("/admin/alerts/rules/new", form={"name": "R", "try": "true"})],
    "GET /admin/alerts/rules/{id}": gets("/admin/alerts/rules/1"),
    "POST /admin/alerts/rules/{id}": [Call("/admin/alerts/rules/1", form={"name": "R"})],
    "POST /admin/alerts/rules/{id}/delete": [Call("/admin/alerts/rules/1/delete", form={})],
    "GET /activity": gets(
        "/activity",
        "?issueName=Shared",
        "?companyName=Hidden Ltd",
        "?type=company.created",
        "?actor=1",
        "?since=2020-01-01T00:00",
    ),
    "GET /portal": gets("/portal"),
    "GET /portal/issues/{issue_name}": [
        *gets("/portal/issues/Own"),
        *gets("/portal/issues/Shared"),
        *gets("/portal/issues/Hidden issue"),
    ],
    "GET /account": gets("/account"),
    "GET /account/security": gets("/account/security"),
    "POST /account/security/totp": [Call("/account/security/totp", form={"name": "My app"})],
    "POST /account/security/totp/verify": [Call("/account/security/totp/verify", form={"id": "999", "code": "1"})],
    "POST /account/security/passkeys": [
        Call("/account/security/passkeys", form={"challenge": "x", "credential": "{}"})
    ],
    "POST /account/security/recovery-codes": [Call("/account/security/recovery-codes", form={})],
    "POST /account/security/factors/{id}/remove": [Call("/account/security/factors/999/remove", form={})],
    "POST /account/name": [Call("/account/name", form={"name": "Another name"})],
    "POST /account/password": [Call("/account/password", form={"current_password": "x", "new_password": "y"})],
    "POST /account/devices/{id}/forget": [Call("/account/devices/none/forget", form={})],
    "POST /admin/users/{user_id}/devices/{id}/forget": [Call("/admin/users/2/devices/none/forget", form={})],
    "POST /account/sessions/{id}/end": [Call("/account/sessions/999/end", form={})],
    "POST /account/tokens": [Call("/account/tokens", form={"name": "by page", "scope": "read", "days": "30"})],
    "POST /account/tokens/{id}/revoke": [Call("/account/tokens/999/revoke", form={"_sure": "1"})],
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
        Call("/admin/companies/2/delete", form={"_sure": "1"}),
        Call(f"/admin/companies/{HIDDEN_ID}/delete", form={"_sure": "1"}),
    ],
    "GET /admin/company-groups": gets("/admin/company-groups"),
    "POST /admin/company-groups": [Call("/admin/company-groups", form={"name": "Hidden group", "company_names": ""})],
    "POST /admin/company-groups/import": [
        Call("/admin/company-groups/import", form={"csv": "company_name,group\nHidden Ltd,Hidden group"})
    ],
    "GET /admin/company-groups/{group_id}": [
        *gets("/admin/company-groups/2"),
        *gets(f"/admin/company-groups/{HIDDEN_ID}"),
    ],
    "POST /admin/company-groups/{group_id}": [Call("/admin/company-groups/1", form={"name": "x", "company_names": ""})],
    "POST /admin/company-groups/{group_id}/delete": [
        Call(f"/admin/company-groups/{HIDDEN_ID}/delete", form={"_sure": "1"})
    ],
    "GET /admin/users": gets("/admin/users"),
    "POST /admin/users": [
        Call("/admin/users", form={"email": "y@z", "name": "Y", "role": "member", "password": "z" * 9})
    ],
    "GET /admin/users/{user_id}": gets("/admin/users/2"),
    "POST /admin/users/{user_id}": [Call("/admin/users/2", form={"name": "T", "role": "technician", "access": "all"})],
    "POST /admin/users/{user_id}/invitation": [Call("/admin/users/1/invitation", form={})],
    "POST /admin/users/{user_id}/factors/reset": [Call("/admin/users/2/factors/reset", form={"reason": "lost"})],
    "POST /admin/users/{user_id}/sessions/{id}/end": [Call("/admin/users/2/sessions/999/end", form={})],
    "POST /admin/users/{user_id}/tokens/{id}/revoke": [Call("/admin/users/2/tokens/999/revoke", form={"_sure": "1"})],
    "POST /admin/users/{user_id}/tokens": [Call("/admin/users/2/tokens", form={"name": "x", "scope": "read"})],
    "GET /admin/credentials": gets("/admin/credentials"),
    "POST /admin/credentials/revoke": [Call("/admin/credentials/revoke", form={"token": "1"})],
    "GET /admin/webhooks": gets("/admin/webhooks"),
    "POST /admin/webhooks": [Call("/admin/webhooks", form={"url": "https://hooks.helpdesk.example"})],
    "GET /admin/webhooks/{webhook_id}": gets(f"/admin/webhooks/{HIDDEN_ID}"),
    "POST /admin/webhooks/{webhook_id}": [Call(f"/admin/webhooks/{HIDDEN_ID}", form={"url": "https://x.example"})],
    "POST /admin/webhooks/{webhook_id}/rotate-secret": [Call(f"/admin/webhooks/{HIDDEN_ID}/rotate-secret", form={})],
    "POST /admin/webhooks/{webhook_id}/test": [Call(f"/admin/webhooks/{HIDDEN_ID}/test", form={})],
    "POST /admin/webhooks/{webhook_id}/redeliver/{delivery_id}": [
        Call(f"/admin/webhooks/{HIDDEN_ID}/redeliver/{HIDDEN_ID}", form={})
    ],
    "POST /admin/webhooks/{webhook_id}/delete": [Call(f"/admin/webhooks/{HIDDEN_ID}/delete", form={"_sure": "1"})],
}
