"""The expected access to each route, and the expected refusals: deliberately specified independently of the code.

`python -m tests.access` writes it as docs/security-routes.md; tests/test_every_route.py sends all the requests.
"""

from tests.access_alerts import ALERTS

ACCESS = {
    "public": """
        POST /api/auth/login
        POST /api/auth/login/second-factor
        POST /api/alerts/in/{receiver}/{secret}
        POST /api/auth/login/passkey/options
        POST /api/auth/login/passkey
        POST /api/setup
        GET /healthz
        GET /readyz
        GET /metrics
        GET /openapi.json
        GET /docs
        GET /login
        POST /login
        POST /login/passkey
        GET /login/second-factor
        POST /login/second-factor
        POST /login/with/{provider}
        GET /login/with/{provider}/callback
        POST /login/with/{provider}/sign-out
        GET /setup
        POST /setup
        GET /invitation
        POST /invitation
        GET /static/{version}/{name}
        GET /static/{version}/{folder}/{name}
    """,
    "signed in": """
        GET /api/auth/session
        POST /api/auth/logout
        POST /api/auth/password
        POST /api/auth/confirm
        POST /api/auth/confirm/passkey/options
        GET /api/auth/sessions
        DELETE /api/auth/sessions/{id}
        GET /api/auth/factors
        POST /api/auth/factors/totp
        POST /api/auth/factors/totp/verify
        POST /api/auth/factors/passkeys/options
        POST /api/auth/factors/passkeys
        POST /api/auth/factors/recovery-codes
        DELETE /api/auth/factors/{id}
        GET /api/auth/devices
        DELETE /api/auth/devices/{id}
        GET /api/auth/tokens
        DELETE /api/auth/tokens/{id}
        POST /logout
        GET /password
        POST /password
        GET /account
        GET /account/security
        POST /account/security/totp
        POST /account/security/totp/verify
        POST /account/security/passkeys
        POST /account/security/recovery-codes
        POST /account/security/factors/{id}/remove
        POST /confirm/{provider}
        POST /account/identities/{provider}
        POST /account/name
        POST /account/password
        POST /account/sessions/{id}/end
        POST /account/devices/{id}/forget
    """,
    "customer": """
        GET /api/portal/issues
        GET /api/portal/issues/{issue_name}
        GET /api/portal/updates
        GET /portal
        GET /portal/issues/{issue_name}
    """,
    "helpdesk": """
        GET /api/issues
        POST /api/issues
        GET /api/issues/{issue_name}
        PUT /api/issues/{issue_name}
        POST /api/issues/merge
        GET /api/similar-issues
        PUT /api/issues/status
        DELETE /api/issues/status
        POST /api/issues/status/bulk
        GET /api/updates
        POST /api/updates
        PUT /api/updates/{update_id}
        DELETE /api/updates/{update_id}
        GET /api/companies
        POST /api/companies/match
        GET /api/company-groups
        GET /api/templates
        GET /api/alerts
        GET /api/alert-rules
        POST /api/alerts
        GET /api/events
        GET /api/events/stream
        POST /api/auth/tokens
        GET /
        GET /matrix
        GET /matrix/cell
        GET /find
        GET /issues/new
        POST /issues/new
        GET /issues/{issue_id}
        POST /issues/{issue_id}/edit
        POST /issues/{issue_id}/companies
        POST /issues/{issue_id}/owner
        GET /issues/{issue_id}/merge
        POST /issues/{issue_id}/merge
        POST /assignments/own
        POST /assignments/details
        POST /issues/{issue_id}/updates
        GET /updates/{update_id}
        POST /updates/{update_id}
        POST /updates/{update_id}/withdraw
        GET /assignments
        POST /assignments/review
        GET /issues/{issue_id}/resolve
        POST /assignments/bulk
        POST /assignments/note
        POST /undo
        GET /companies
        GET /companies/{company_id}
        POST /companies/{company_id}/issues
        GET /activity
        GET /alerts
        GET /attention-counts
        GET /start
        GET /handover
        POST /issues/{issue_id}/presence
        GET /api/views
        POST /api/views
        PUT /api/views/{view_id}
        DELETE /api/views/{view_id}
        GET /views
        GET /views/new
        POST /views/new
        GET /views/{view_id}
        POST /views/{view_id}
        POST /views/{view_id}/delete
        POST /account/tokens
        POST /account/tokens/{id}/revoke
    """,
    "SCIM token": """
        GET /scim/v2/ServiceProviderConfig
        GET /scim/v2/ResourceTypes
        GET /scim/v2/ResourceTypes/{id}
        GET /scim/v2/Schemas
        GET /scim/v2/Schemas/{id}
        POST /scim/v2/.search
        GET /scim/v2/Users
        POST /scim/v2/Users
        POST /scim/v2/Users/.search
        GET /scim/v2/Users/{id}
        PUT /scim/v2/Users/{id}
        PATCH /scim/v2/Users/{id}
        DELETE /scim/v2/Users/{id}
        GET /scim/v2/Groups
        POST /scim/v2/Groups
        POST /scim/v2/Groups/.search
        GET /scim/v2/Groups/{id}
        PUT /scim/v2/Groups/{id}
        PATCH /scim/v2/Groups/{id}
        DELETE /scim/v2/Groups/{id}
    """,
    "super admin": """
        DELETE /api/issues/{issue_name}
        PUT /api/companies/{company_id}
        DELETE /api/companies/{company_id}
        GET /issues/{issue_id}/delete
        POST /issues/{issue_id}/delete
        GET /admin/companies
        GET /admin/companies/{company_id}
        POST /admin/companies/{company_id}
        POST /admin/companies/{company_id}/delete
    """,
    "unlimited super admin": ALERTS
    + """
        POST /api/companies
        POST /api/company-groups
        POST /api/company-groups/import
        PUT /api/company-groups/{group_id}
        DELETE /api/company-groups/{group_id}
        POST /api/templates
        PUT /api/templates/{template_id}
        DELETE /api/templates/{template_id}
        GET /api/users
        POST /api/users
        GET /api/users/{user_id}
        PUT /api/users/{user_id}
        POST /api/users/{user_id}/invitation
        GET /api/users/{user_id}/sessions
        DELETE /api/users/{user_id}/sessions/{id}
        GET /api/users/{user_id}/factors
        POST /api/users/{user_id}/factors/reset
        GET /api/users/{user_id}/devices
        DELETE /api/users/{user_id}/devices/{id}
        GET /api/users/{user_id}/tokens
        POST /api/users/{user_id}/tokens
        DELETE /api/users/{user_id}/tokens/{id}
        GET /api/users/{user_id}/identities
        DELETE /api/users/{user_id}/identities/{id}
        GET /api/group-mappings
        POST /api/group-mappings
        PUT /api/group-mappings/{id}
        DELETE /api/group-mappings/{id}
        GET /api/scim-tokens
        POST /api/scim-tokens
        DELETE /api/scim-tokens/{id}
        GET /admin/scim
        POST /admin/scim/tokens
        POST /admin/scim/tokens/{id}/revoke
        GET /api/credentials
        POST /api/credentials/revoke
        GET /api/webhooks
        POST /api/webhooks
        GET /api/webhooks/{id}
        PUT /api/webhooks/{id}
        DELETE /api/webhooks/{id}
        POST /api/webhooks/{id}/rotate-secret
        POST /api/webhooks/{id}/test
        GET /api/webhooks/{id}/deliveries
        POST /api/webhooks/deliveries/{id}/redeliver
        GET /admin/webhooks
        POST /admin/webhooks
        GET /admin/webhooks/{webhook_id}
        POST /admin/webhooks/{webhook_id}
        POST /admin/webhooks/{webhook_id}/rotate-secret
        POST /admin/webhooks/{webhook_id}/test
        POST /admin/webhooks/{webhook_id}/redeliver/{delivery_id}
        POST /admin/webhooks/{webhook_id}/delete
        POST /admin/companies
        GET /admin/company-groups
        GET /admin/company-groups/{group_id}
        POST /admin/company-groups
        POST /admin/company-groups/import
        POST /admin/company-groups/{group_id}
        POST /admin/company-groups/{group_id}/delete
        GET /admin/templates
        GET /admin/templates/{template_id}
        POST /admin/templates
        POST /admin/templates/{template_id}
        POST /admin/templates/{template_id}/delete
        GET /admin/users
        POST /admin/users
        GET /admin/users/{user_id}
        POST /admin/users/{user_id}
        POST /admin/users/{user_id}/invitation
        POST /admin/users/{user_id}/factors/reset
        GET /admin/group-mappings
        POST /admin/group-mappings
        GET /admin/group-mappings/{mapping_id}
        POST /admin/group-mappings/{mapping_id}
        POST /admin/group-mappings/{mapping_id}/delete
        POST /admin/users/{user_id}/sessions/{id}/end
        POST /admin/users/{user_id}/identities/{id}/unlink
        POST /admin/users/{user_id}/tokens
        POST /admin/users/{user_id}/devices/{id}/forget
        POST /admin/users/{user_id}/tokens/{id}/revoke
        GET /admin/credentials
        POST /admin/credentials/revoke
    """,
}
"""The role that each route requires. An unlimited super admin sees all companies. The routes of SCIM accept only SCIM
tokens.
"""

EXPECTED = {line.strip(): access for access, lines in ACCESS.items() for line in lines.split("\n") if line.strip()}


if __name__ == "__main__":
    from tests.access_document import DOCUMENT, document

    DOCUMENT.write_text(document(), encoding="utf-8")
