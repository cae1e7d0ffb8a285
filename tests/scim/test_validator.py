"""scim2-tester checks the requirements for SCIM servers (RFC 7643, RFC 7644)."""

import uuid
from typing import Any

import pytest

from tests.scim.directory import Directory
from tests.world import World

# The validator checks the form of requests and responses. The same operations run on both databases in the other tests
# of this folder.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

STAY = {"displayName", "active", "emails"}
"""An account always has a name, an address and a state: if one of these is removed, it is derived from the others."""


def test_the_validator_finds_no_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from scim2_tester import Status, check_server, filling  # noqa: PLC0415 - every test process would take a second for it

    from tests.scim.validator import Checked  # noqa: PLC0415 - imports it too

    example = filling.get_random_example_value

    def possible(path: Any) -> Any:
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
