"""Example calls for templates, similar issues and status feeds; `calls` contains the others, and explains their
purpose.
"""

from tests.company_access.call import HIDDEN_ID, Call, gets

MAILBOX = {"host": "127.0.0.1", "username": "u", "password": "p"}

REUSE_API: dict[str, list[Call]] = {
    "GET /api/similar-issues": gets(
        "/api/similar-issues",
        "?name=hidden issue",
        "?name=own",
        "?name=hidden double",
        "?name=shaerd&limit=1",
        "?name=elsewhere",
    ),
    "GET /api/templates": gets("/api/templates"),
    "POST /api/templates": [Call("/api/templates", {"name": "New", "company_names": ["Hidden Ltd"]})],
    "PUT /api/templates/{template_id}": [
        Call("/api/templates/1", {"name": "Newer"}),
        Call(f"/api/templates/{HIDDEN_ID}", {"name": "Newer"}),
    ],
    "DELETE /api/templates/{template_id}": [Call(f"/api/templates/{HIDDEN_ID}"), Call("/api/templates/1")],
    "POST /api/alert-receivers/try-feed": [
        Call("/api/alert-receivers/try-feed", {"feed": {"url": "http://127.0.0.1:9/", "company_group": "Hidden"}})
    ],
    "PUT /api/alert-receivers/{id}/mailbox": [Call("/api/alert-receivers/1/mailbox", MAILBOX)],
    "DELETE /api/alert-receivers/{id}/mailbox": [Call("/api/alert-receivers/1/mailbox")],
    "POST /api/alert-receivers/{id}/try-mailbox": [Call("/api/alert-receivers/1/try-mailbox", MAILBOX)],
}

REUSE_PAGES: dict[str, list[Call]] = {
    "POST /companies/{company_id}/issues": [
        Call("/companies/2/issues", form={"issue_name": "Own", "status": "new"}),
        Call("/companies/2/issues", form={"issue_name": "Hidden issue", "status": "new"}),
        Call("/companies/2/issues", form={"issue_name": "hiden isue", "status": "new"}),
        Call("/companies/3/issues", form={"issue_name": "Own", "status": "new"}),
        Call(f"/companies/{HIDDEN_ID}/issues", form={"issue_name": "Own", "status": "new"}),
    ],
    "GET /admin/alerts/receivers/{id}/mailbox": gets("/admin/alerts/receivers/1/mailbox"),
    "POST /admin/alerts/receivers/{id}/mailbox": [Call("/admin/alerts/receivers/1/mailbox", form=MAILBOX)],
    "POST /admin/alerts/receivers/{id}/mailbox/remove": [Call("/admin/alerts/receivers/1/mailbox/remove", form={})],
    "GET /admin/alerts/feeds/new": gets("/admin/alerts/feeds/new"),
    "POST /admin/alerts/feeds/new": [Call("/admin/alerts/feeds/new", form={"name": "F", "company_group": "Hidden"})],
    "GET /admin/alerts/feeds/{id}": gets("/admin/alerts/feeds/1"),
    "POST /admin/alerts/feeds/{id}": [Call("/admin/alerts/feeds/1", form={"company_group": "Hidden"})],
    "GET /admin/templates": gets("/admin/templates"),
    "POST /admin/templates": [Call("/admin/templates", form={"name": "By page"})],
    "GET /admin/templates/{template_id}": gets("/admin/templates/1"),
    "POST /admin/templates/{template_id}": [Call("/admin/templates/1", form={"name": "By page"})],
    "POST /admin/templates/{template_id}/delete": [Call("/admin/templates/1/delete", form={"_sure": "1"})],
}
