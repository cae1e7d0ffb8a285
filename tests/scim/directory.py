"""An identity provider that provisions with SCIM: requests like those of Entra ID and Okta."""

from typing import Any

import msgspec

from tests.clients import Client
from tests.world import World

SCIM = "application/scim+json"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


class Directory:
    """A provider with a token. Every response must have the media type of SCIM."""

    def __init__(self, world: World, name: str = "Entra ID") -> None:
        made = world.client("ada").call("POST", "/api/scim-tokens", 201, json={"name": name})
        self.token_id: int = made["id"]
        self.token: str = made["token"]
        self.client: Client = world.anonymous()
        self.client.headers["Authorization"] = f"Bearer {self.token}"

    def call(self, method: str, path: str, expected: int, body: Any = None, **options: Any) -> Any:
        """Sends a request to a path below /scim/v2, checks the status, and returns the body."""
        if body is not None:
            options |= {"content": msgspec.json.encode(body), "headers": {"Content-Type": f"{SCIM}; charset=utf-8"}}
        response = self.client.request(method, f"/scim/v2{path}", **options)
        assert response.status_code == expected, f"{method} {path}: {response.status_code} {response.text[:800]}"
        if not response.content:
            return None
        assert response.headers["content-type"] == SCIM
        return response.json()

    def create(self, email: str, **more: Any) -> dict[str, Any]:
        """Creates a user as Entra ID does."""
        body = {
            "schemas": [USER, ENTERPRISE],
            "externalId": email.partition("@")[0],
            "userName": email,
            "active": True,
            "displayName": email.partition("@")[0].capitalize(),
            "emails": [{"primary": True, "type": "work", "value": email}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
            "roles": [],
            f"{ENTERPRISE}": {"department": "Service"},
        }
        return dict(self.call("POST", "/Users", 201, body | more))

    def group(self, name: str, *members: str, **more: Any) -> dict[str, Any]:
        """Creates a group with the ids of its members."""
        listed = [{"value": member} for member in members]
        return dict(
            self.call("POST", "/Groups", 201, {"schemas": [GROUP], "displayName": name, "members": listed} | more)
        )

    def patch(self, path: str, *operations: Any, expected: int | None = None) -> Any:
        """Sends a PATCH with these operations. Returns the changed resource, or the expected error."""
        of_group = path.startswith("/Groups")
        status = expected or (204 if of_group else 200)
        found = self.call("PATCH", path, status, {"schemas": [PATCH], "Operations": list(operations)})
        return self.call("GET", path, 200) if of_group and expected is None else found

    def find(self, kind: str, filter_: str) -> list[dict[str, Any]]:
        """Returns the resources that a filter finds."""
        found = self.call("GET", f"/{kind}", 200, params={"filter": filter_})
        assert found["totalResults"] == found["itemsPerPage"] == len(found["Resources"])
        return list(found["Resources"])
