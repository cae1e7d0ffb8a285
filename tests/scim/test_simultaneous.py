"""An identity provider that changes several groups at the same time, while a super admin changes their members."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import msgspec
import pytest

from issue_tracker.auth.users import lock_user
from tests.clients import Client
from tests.company_access.limits import USERS, user_id
from tests.locks import during
from tests.scim.directory import GROUP, SCIM, Directory
from tests.world import World

ROUNDS = 6


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # on SQLite, writers take turns
def test_simultaneous_changes_to_users_and_groups_do_not_block_each_other(world: World) -> None:
    """A super admin who was added last has a higher id than the members of the groups."""
    ada, directory = world.client("ada"), Directory(world)
    members = [user_id(world, who) for who in ("tess", "omar", "mia")]
    later = {"email": "sue@helpdesk.example", "name": "Sue Admin", "role": "super_admin"}
    ada.call("POST", USERS, 201, json=later)
    mapping = {"source": "scim", "group": "Staff", "role": "technician", "company_access": "all"}
    ada.call("POST", "/api/group-mappings", 201, json=mapping)
    groups = [directory.group(name)["id"] for name in ("Staff", "Everybody")]
    start = Barrier(3)

    def fill(client: Client, group: str, number: int) -> list[int]:
        listed = [{"value": str(member)} for member in (members if number % 2 == 0 else ())]
        content = msgspec.json.encode({"schemas": [GROUP], "displayName": f"Staff {group}", "members": listed})
        path, headers = f"/scim/v2/Groups/{group}", {"Content-Type": SCIM}
        return [client.request("PUT", path, content=content, headers=headers).status_code]

    def rename(number: int) -> list[int]:
        bodies: list[tuple[int, Any]] = [(member, {"name": f"Person {member} {number}"}) for member in members[::-1]]
        return [ada.request("PUT", f"{USERS}/{member}", json=body).status_code for member, body in bodies]

    def act(which: int) -> set[int]:
        client, codes = world.anonymous(headers={"Authorization": f"Bearer {directory.token}"}), set[int]()
        for number in range(ROUNDS):
            start.wait(30)
            codes.update(rename(number) if which == 2 else fill(client, groups[which], number))
        return codes

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(act, range(3))) == [{200}] * 3


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # on SQLite, writers take turns
def test_a_user_is_enabled_again_while_others_change(world: World) -> None:
    """The other transaction holds the super admins, and then needs the user as well."""
    directory = Directory(world)
    bob = directory.create("bob@helpdesk.example")
    directory.call("DELETE", f"/Users/{bob['id']}", 204)
    created = during(
        world,
        lambda tx: lock_user(tx, user_id(world, "ada")),
        lambda: directory.create("bob@helpdesk.example"),
        lambda tx: lock_user(tx, int(bob["id"])),
    )
    assert created["id"] == bob["id"]
