"""Calls of the routes about identity providers, SCIM and group mappings (see calls.py)."""

from tests.company_access.call import HIDDEN_ID, Call, gets

MAPPING = {
    "source": "scim",
    "group": "g",
    "role": "technician",
    "company_access": {"companies": ["Hidden Ltd"], "company_groups": ["Hidden group"]},
}
FORM = {"source": "scim", "group": "g", "role": "technician", "access": "limited", "companies": "Hidden Ltd"}

SCIM: dict[str, list[Call]] = {
    "GET /scim/v2/ServiceProviderConfig": gets("/scim/v2/ServiceProviderConfig"),
    "GET /scim/v2/ResourceTypes": gets("/scim/v2/ResourceTypes"),
    "GET /scim/v2/ResourceTypes/{id}": gets("/scim/v2/ResourceTypes/User"),
    "GET /scim/v2/Schemas": gets("/scim/v2/Schemas"),
    "GET /scim/v2/Schemas/{id}": gets("/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:User"),
    "POST /scim/v2/.search": [Call("/scim/v2/.search", {"filter": "id pr"})],
    **{
        name: [call]
        for kind, id_ in (("Users", 2), ("Groups", HIDDEN_ID))
        for name, call in {
            f"GET /scim/v2/{kind}": Call(f"/scim/v2/{kind}"),
            f"POST /scim/v2/{kind}": Call(f"/scim/v2/{kind}", {"userName": "x@y.example", "displayName": "x"}),
            f"POST /scim/v2/{kind}/.search": Call(f"/scim/v2/{kind}/.search", {"filter": "id pr"}),
            f"GET /scim/v2/{kind}/{{id}}": Call(f"/scim/v2/{kind}/{id_}"),
            f"PUT /scim/v2/{kind}/{{id}}": Call(f"/scim/v2/{kind}/{id_}", {"displayName": "x"}),
            f"PATCH /scim/v2/{kind}/{{id}}": Call(f"/scim/v2/{kind}/{id_}", {"Operations": []}),
            f"DELETE /scim/v2/{kind}/{{id}}": Call(f"/scim/v2/{kind}/{id_}"),
        }.items()
    },
}

SIGN_IN_API: dict[str, list[Call]] = {
    **SCIM,
    "POST /api/auth/confirm/passkey/options": [Call("/api/auth/confirm/passkey/options")],
    "GET /api/scim-tokens": gets("/api/scim-tokens"),
    "POST /api/scim-tokens": [Call("/api/scim-tokens", {"name": "Entra ID"})],
    "DELETE /api/scim-tokens/{id}": [Call("/api/scim-tokens/999")],
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
    "GET /admin/scim": gets("/admin/scim"),
    "POST /admin/scim/tokens": [Call("/admin/scim/tokens", form={"name": "Entra ID", "days": "365"})],
    "POST /admin/scim/tokens/{id}/revoke": [Call("/admin/scim/tokens/999/revoke", form={"_sure": "1"})],
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
