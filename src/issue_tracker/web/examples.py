"""The examples of the OpenAPI document, by handler: request and answers, one believable fault throughout."""

from typing import Any

import msgspec

_AT = "2025-01-09T08:45:00+00:00"
_CREATED = "2025-01-04T10:15:00+00:00"

_ASSIGNMENT = {
    "assignment_id": 12,
    "issue_id": 7,
    "company_id": 3,
    "company_name": "Acme Manufacturing",
    "status": "investigating",
    "status_label": "Investigating",
    "updated_at": _AT,
    "updated_at_iso": _AT,
}
_ISSUE = {
    "issue_id": 7,
    "name": "Network degradation",
    "description": "Packet loss on primary WAN links",
    "created_at": _CREATED,
    "created_at_iso": _CREATED,
    "updated_at": _AT,
    "updated_at_iso": _AT,
    "assignments": [_ASSIGNMENT],
}
_USER = {
    "user_id": 2,
    "email": "tess@helpdesk.example",
    "name": "Tess Ngo",
    "role": "technician",
    "active": True,
    "created_at": _CREATED,
    "updated_at": _CREATED,
}
_SESSION = {
    "user": {"user_id": 2, "email": "tess@helpdesk.example", "name": "Tess Ngo", "role": "technician"},
    "csrf_token": "0f9a…",
    "expires_at": "2025-02-03T10:15:00+00:00",
}
_COMPANY = {"company_id": 3, "name": "Acme Manufacturing", "archived": False, "open_issues": 1}
_TOKEN = {
    "id": 4,
    "name": "monitoring",
    "scopes": ["read", "write"],
    "created_at": _CREATED,
    "expires_at": None,
    "last_used_at": None,
}

_EVENT = {
    "event_id": 311,
    "type": "assignment.status_changed",
    "at": _AT,
    "actor": {"id": 2, "name": "Tess Ngo", "channel": "session"},
    "request_id": "5c1f0b6e9a7d4c7f8d8b3c6f0e2a9d41",
    "issue_id": 7,
    "issue_name": "Network degradation",
    "company_id": 3,
    "company_name": "Acme Manufacturing",
    "from": "investigating",
    "to": "resolved",
    "note": "Carrier confirms the repair",
}

_WEBHOOK = {
    "id": 5,
    "url": "https://hooks.example.com/issues",
    "event_types": ["assignment.status_changed", "assignment.bulk_status_changed"],
    "company_ids": [],
    "active": True,
    "description": "Status page",
    "disabled_reason": None,
    "created_at": _CREATED,
    "updated_at": _CREATED,
}
_SECRET = "whsec_" + "…"
_DELIVERY = {
    "id": 41,
    "webhook_id": 5,
    "message_id": "msg_2b7c1e0f4a6d4a0c8b5e9f3d7a1c6e20",
    "type": "assignment.status_changed",
    "state": "delivered",
    "created_at": _AT,
    "next_attempt_at": None,
    "attempts": [{"at": _AT, "code": 204, "duration_ms": 48, "error": None, "answer": ""}],
}
_PENDING = _DELIVERY | {"state": "pending", "next_attempt_at": _AT, "attempts": []}

ERROR_EXAMPLES: dict[int, dict[str, Any]] = {
    400: {
        "detail": "companies[1].status: must be one of new, investigating, in_progress, monitoring, resolved, closed.",
        "errors": [
            {
                "field": "companies[1].status",
                "message": "must be one of new, investigating, in_progress, monitoring, resolved, closed",
            }
        ],
    },
    401: {"detail": "Sign in to use the issue tracker."},
    403: {"detail": "The CSRF token is missing or wrong; send the session's token in X-CSRF-Token."},
    404: {"detail": "There is no company called “Acme Manufacturin”."},
    409: {"detail": "A request with the same Idempotency-Key is still running."},
    412: {"detail": "The issue has changed since you read it; read it again."},
    413: {"detail": "The body is over 1,048,576 bytes."},
    415: {"detail": "The body must be JSON, with Content-Type: application/json."},
    422: {
        "detail": "limit: must be a whole number from 1 to 500.",
        "errors": [{"field": "limit", "message": "must be a whole number from 1 to 500"}],
    },
    429: {"detail": "Too many attempts. Try again in 60 seconds."},
    503: {"detail": "The database is out of reach or too busy. Try again shortly."},
}

PARAMETERS: dict[str, Any] = {"issue_name": "Network degradation", "company_id": 3, "user_id": 2, "id": 4}
"""An example for each segment of a path."""

BODIES: dict[str, dict[str, Any]] = {
    "healthz": {"200": {"status": "ok"}},
    "readyz": {"200": {"status": "ok"}},
    "metrics": {"text/plain": 'issue_tracker_requests_total{method="GET",route="/api/issues",status="200"} 12.0\n'},
    "docs": {"text/html": "<!doctype html>…"},
    "openapi_json": {"application/json": {"openapi": "3.1.0", "info": {"title": "Issue Tracker", "version": "0.1.0"}}},
    "list_issues": {
        "200": {"items": [_ISSUE], "total": 1},
        "text/csv": "name,description,company_name,status,created_at,updated_at\r\n"
        f"Network degradation,Packet loss on primary WAN links,Acme Manufacturing,investigating,{_CREATED},{_AT}\r\n",
    },
    "create_issue": {
        "request": {
            "name": "Printer firmware failure",
            "description": "Firmware 4.3.2 fails to initialise on multi-function devices.",
            "companies": [
                {"company_name": "Contoso", "status": "new"},
                {"company_name": "Fabrikam", "status": "investigating"},
            ],
        },
        "201": _ISSUE,
    },
    "get_issue": {"200": _ISSUE},
    "update_issue": {
        "request": {
            "description": "Packet loss on all WAN links",
            "new_name": "WAN degradation",
            "add_companies": [{"company_name": "Contoso", "status": "new"}],
        },
        "200": _ISSUE,
    },
    "set_status": {
        "request": {
            "issue_name": "Network degradation",
            "company_name": "Acme Manufacturing",
            "status": "resolved",
        },
        "200": _ASSIGNMENT | {"status": "resolved", "status_label": "Resolved", "issue_name": "Network degradation"},
    },
    "set_statuses_in_bulk": {
        "request": {
            "issue_name": "Network degradation",
            "status": "resolved",
            "exclude": ["Contoso"],
            "note": "Carrier confirms the repair",
        },
        "200": {
            "issue_name": "Network degradation",
            "status": "resolved",
            "changed": 1,
            "results": [
                {
                    "company_name": "Acme Manufacturing",
                    "outcome": "changed",
                    "from": "investigating",
                    "to": "resolved",
                },
                {"company_name": "Contoso", "outcome": "skipped", "from": "new", "to": "new"},
            ],
        },
    },
    "login": {
        "request": {"email": "tess@helpdesk.example", "password": "correct horse battery staple"},
        "200": _SESSION,
    },
    "session": {"200": _SESSION},
    "change_password": {
        "request": {"current_password": "correct horse battery staple", "new_password": "staple battery horse"},
    },
    "list_sessions": {
        "200": {
            "items": [
                {
                    "id": 9,
                    "address": "192.0.2.7",
                    "user_agent": "Mozilla/5.0",
                    "created_at": _CREATED,
                    "used_at": _AT,
                    "expires_at": "2025-02-03T10:15:00+00:00",
                    "current": True,
                }
            ],
            "total": 1,
        }
    },
    "create_token": {
        "request": {"name": "monitoring", "scopes": ["read", "write"]},
        "201": _TOKEN | {"token": "itk_0123456789abcdef_…"},
    },
    "list_tokens": {"200": {"items": [_TOKEN], "total": 1}},
    "set_up": {
        "request": {
            "token": "the token of the printed link",
            "email": "tess@helpdesk.example",
            "name": "Tess Ngo",
            "password": "correct horse battery staple",
        },
        "201": _USER | {"role": "super_admin"},
    },
    "stream_events": {
        "text/event-stream": "id: 311\nevent: assignment.status_changed\n"
        f"data: {msgspec.json.encode(_EVENT).decode()}\n\n"
    },
    "list_events": {"200": {"items": [_EVENT], "total": 1, "total_exact": True}},
    "list_webhooks": {"200": {"items": [_WEBHOOK], "total": 1}},
    "create_webhook": {
        "request": {"url": "https://hooks.example.com/issues", "event_types": ["assignment.status_changed"]},
        "201": _WEBHOOK | {"secret": _SECRET},
    },
    "get_webhook": {"200": _WEBHOOK},
    "update_webhook": {"request": {"active": False}, "200": _WEBHOOK | {"active": False}},
    "rotate_secret": {"200": _WEBHOOK | {"secret": _SECRET}},
    "send_test_message": {"202": _PENDING | {"type": "webhook.test"}},
    "list_deliveries": {"200": {"items": [_DELIVERY], "total": 1}},
    "redeliver": {"202": _PENDING},
    "list_users": {"200": {"items": [_USER], "total": 1}},
    "create_user": {
        "request": {"email": "tess@helpdesk.example", "name": "Tess Ngo", "role": "technician"},
        "201": _USER | {"password": "kX3…"},
    },
    "update_user": {"request": {"role": "technician", "active": False}, "200": _USER | {"active": False}},
    "list_companies": {"200": {"items": [_COMPANY], "total": 1}},
    "create_company": {"request": {"name": "Acme Manufacturing"}, "201": _COMPANY | {"open_issues": 0}},
    "update_company": {"request": {"name": "Acme", "archived": False}, "200": _COMPANY | {"name": "Acme"}},
}
