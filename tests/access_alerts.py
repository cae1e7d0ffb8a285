"""The routes with which super admins manage receivers and rules of alerts; `access` contains the others."""

ALERTS = """
        GET /api/alert-receivers
        POST /api/alert-receivers
        PUT /api/alert-receivers/{id}
        DELETE /api/alert-receivers/{id}
        POST /api/alert-receivers/{id}/rotate-secret
        POST /api/alert-receivers/try
        POST /api/alert-receivers/try-feed
        PUT /api/alert-receivers/{id}/mailbox
        DELETE /api/alert-receivers/{id}/mailbox
        POST /api/alert-receivers/{id}/try-mailbox
        POST /api/alert-rules
        POST /api/alert-rules/try
        PUT /api/alert-rules/{id}
        DELETE /api/alert-rules/{id}
        GET /admin/alerts
        POST /admin/alerts/receivers
        POST /admin/alerts/receivers/{id}/rotate-secret
        POST /admin/alerts/receivers/{id}/active
        GET /admin/alerts/receivers/{id}
        POST /admin/alerts/receivers/{id}
        GET /admin/alerts/receivers/{id}/mailbox
        POST /admin/alerts/receivers/{id}/mailbox
        POST /admin/alerts/receivers/{id}/mailbox/remove
        GET /admin/alerts/receivers/{id}/delete
        POST /admin/alerts/receivers/{id}/delete
        GET /admin/alerts/feeds/new
        POST /admin/alerts/feeds/new
        GET /admin/alerts/feeds/{id}
        POST /admin/alerts/feeds/{id}
        GET /admin/alerts/rules/new
        POST /admin/alerts/rules/new
        POST /admin/alerts/rules/suggested
        POST /admin/alerts/rules/{id}/undo
        GET /admin/alerts/rules/{id}
        POST /admin/alerts/rules/{id}
        POST /admin/alerts/rules/{id}/delete
"""
