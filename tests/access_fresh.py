"""The routes that need fresh proof; tests/access.py says who may use them."""

import re

FRESH = {
    "DELETE /api/users/{user_id}/identities/{id}",
    "POST /api/scim-tokens",
    "POST /admin/scim/tokens",
    "POST /api/group-mappings",
    "PUT /api/group-mappings/{id}",
    "DELETE /api/group-mappings/{id}",
    "POST /admin/users/{user_id}/identities/{id}/unlink",
    "POST /admin/group-mappings",
    "POST /admin/group-mappings/{mapping_id}",
    "POST /admin/group-mappings/{mapping_id}/delete",
    "POST /api/users",
    "POST /api/users/{user_id}/invitation",
    "POST /api/users/{user_id}/factors/reset",
    "POST /api/auth/factors/totp",
    "POST /api/auth/factors/totp/verify",
    "POST /api/auth/factors/passkeys",
    "POST /api/auth/factors/recovery-codes",
    "DELETE /api/auth/factors/{id}",
    "POST /api/auth/tokens",
    "POST /api/alert-receivers",
    "PUT /api/alert-receivers/{id}",
    "POST /api/alert-receivers/{id}/rotate-secret",
    "POST /api/alert-receivers/try-feed",
    "PUT /api/alert-receivers/{id}/mailbox",
    "DELETE /api/alert-receivers/{id}/mailbox",
    "POST /api/alert-receivers/{id}/try-mailbox",
    "POST /api/users/{user_id}/tokens",
    "POST /api/webhooks",
    "POST /api/webhooks/{id}/rotate-secret",
    "POST /admin/users",
    "POST /admin/users/{user_id}/invitation",
    "POST /admin/users/{user_id}/factors/reset",
    "POST /account/security/totp",
    "POST /account/security/totp/verify",
    "POST /account/security/passkeys",
    "POST /account/security/recovery-codes",
    "POST /account/security/factors/{id}/remove",
    "POST /account/tokens",
    "POST /admin/alerts/receivers",
    "POST /admin/alerts/receivers/{id}/rotate-secret",
    "POST /admin/alerts/receivers/{id}/active",
    "POST /admin/alerts/receivers/{id}",
    "POST /admin/alerts/receivers/{id}/mailbox",
    "POST /admin/alerts/receivers/{id}/mailbox/remove",
    "POST /admin/alerts/feeds/new",
    "POST /admin/alerts/feeds/{id}",
    "POST /admin/users/{user_id}/tokens",
    "POST /admin/webhooks",
    "POST /admin/webhooks/{webhook_id}/rotate-secret",
}
"""Routes that always need fresh proof (contract, section 11). Routes that need it only for some fields are in
tests/auth/test_confirmation.py.
"""

CREDENTIALS = re.compile(
    r"users|devices|sessions?\b|tokens|credentials|password|webhooks|alert-receivers|alerts/receivers|channels|factors"
    r"|company-access|setup|confirm|invitation|logout|second-factor|security|identities|group-mappings"
)
"""Parts of the paths of routes that are about credentials or permissions (contract, section 11)."""

LINKS = {"GET /setup", "GET /invitation", "POST /invitation"}
"""Pages that only a link with a token leads to."""

FIRST = {
    "GET /api/auth/session",
    "POST /api/auth/logout",
    "POST /api/auth/password",
    "POST /logout",
    "GET /password",
    "POST /password",
}
"""Routes that remain available to a user who has to choose a password first."""
