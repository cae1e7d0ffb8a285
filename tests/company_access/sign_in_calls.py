"""Calls of the routes about identity providers and group mappings (see calls.py)."""

from tests.company_access.call import HIDDEN_ID, Call, gets

MAPPING = {
    "source": "scim",
    "group": "g",
    "role": "technician",
    "company_access": {"companies": ["Hidden Ltd"], "company_groups": ["Hidden group"]},
}
FORM = {"source": "scim", "group": "g", "role": "technician", "access": "limited", "companies": "Hidden Ltd"}

SIGN_IN_API: dict[str, list[Call]] = {
    "POST /api/auth/confirm/passkey/options": [Call("/api/auth/confirm/passkey/options")],
    "GET /api/auth/devices": gets("/api/auth/devices"),
    "DELETE /api/auth/devices/{id}": [Call("/api/auth/devices/none")],
    "GET /api/users/{user_id}/devices": gets("/api/users/2/devices"),
    "DELETE /api/users/{user_id}/devices/{id}": [Call("/api/users/2/devices/none")],
    "GET /api/users/{user_id}/identities": gets("/api/users/2/identities"),
    "DELETE /api/users/{user_id}/identities/{id}": [Call("/api/users/2/identities/999")],
    "GET /api/group-mappings": gets("/api/group-mappings"),
    "POST /api/group-mappings": [Call("/api/group-mappings", MAPPING)],
    "PUT /api/group-mappings/{id}": [Call("/api/group-mappings/999", MAPPING)],
    "DELETE /api/group-mappings/{id}": [Call(f"/api/group-mappings/{HIDDEN_ID}")],
}

SIGN_IN_PAGES: dict[str, list[Call]] = {
    "POST /login/with/{provider}": [Call("/login/with/nobody", form={"next": "/"})],
    "GET /login/with/{provider}/callback": gets("/login/with/nobody/callback", "?code=x&state=y"),
    "POST /login/with/{provider}/sign-out": [Call("/login/with/nobody/sign-out", form={"logout_token": "x"})],
    "POST /confirm/{provider}": [Call("/confirm/nobody", form={"next": "/"})],
    "POST /account/identities/{provider}": [Call("/account/identities/nobody", form={})],
    "GET /admin/group-mappings": gets("/admin/group-mappings"),
    "POST /admin/group-mappings": [Call("/admin/group-mappings", form=FORM)],
    "GET /admin/group-mappings/{mapping_id}": gets(f"/admin/group-mappings/{HIDDEN_ID}"),
    "POST /admin/group-mappings/{mapping_id}": [Call(f"/admin/group-mappings/{HIDDEN_ID}", form=FORM)],
    "POST /admin/group-mappings/{mapping_id}/delete": [Call(f"/admin/group-mappings/{HIDDEN_ID}/delete", form={})],
    "POST /admin/users/{user_id}/identities/{id}/unlink": [Call("/admin/users/2/identities/999/unlink", form={})],
}
