"""scim2-tester checks the requirements for SCIM servers (RFC 7643, RFC 7644)."""

import uuid
from typing import Any

import httpx
import pytest
from scim2_client import BaseSyncSCIMClient
from scim2_models import Path
from scim2_tester import Status, check_server, filling

from tests.scim.directory import Directory
from tests.world import World

STAY = {"displayName", "active", "emails"}
"""An account always has a name, an address and a state: if one of these is removed, it is derived from the others."""


class Checked(BaseSyncSCIMClient):
    """The client of the validator, based on the HTTP client of the tests."""

    def __init__(self, client: httpx.Client) -> None:
        super().__init__()
        self.client = client

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        return self.client.request(method, f"/scim/v2/{url.lstrip('/')}", **options)

    def _parse_json(self, response: Any) -> Any:
        return response.json()

    def _stays_under_base_url(self, endpoint: str) -> bool:
        return True


def test_the_validator_finds_no_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    example = filling.get_random_example_value

    def possible(path: Path[Any]) -> Any:
        # The validator invents names, which are not addresses; and an account has only one address.
        own = {"userName": f"{uuid.uuid4()}@helpdesk.example", "primary": True}
        return own.get(str(path)) or example(path)

    monkeypatch.setattr(filling, "get_random_example_value", possible)
    results = check_server(Checked(Directory(world).client))
    failed = [result for result in results if result.status is not Status.SUCCESS]
    wrong = [
        f"{result.resource_type} {result.title}: {result.status} {result.reason}"
        for result in failed
        if result.title != "check_remove_attribute" or not any(f"'{name}'" in (result.reason or "") for name in STAY)
    ]
    assert len(results) > 60
    assert not wrong, "\n".join(wrong)
