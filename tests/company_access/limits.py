"""Limits the access of a user, and reads what the user then sees."""

from typing import Any

from tests.clients import Client
from tests.world import World

USERS = "/api/users"


def user_id(world: World, who: str) -> int:
    users = world.client("ada").call("GET", USERS, 200)["items"]
    return next(int(user["user_id"]) for user in users if user["email"].startswith(who))


def set_access(world: World, access: Any, who: str = "tess", expected: int = 200) -> Any:
    path = f"{USERS}/{user_id(world, who)}"
    return world.client("ada").call("PUT", path, expected, json={"company_access": access})


def limit(world: World, *companies: str, who: str = "tess") -> None:
    set_access(world, {"companies": list(companies)}, who)


def limited_super_admin(world: World, who: str, *companies: str) -> None:
    """Makes a user a super admin who sees only these companies."""
    change = {"role": "super_admin", "company_access": {"companies": list(companies)}}
    world.client("ada").call("PUT", f"{USERS}/{user_id(world, who)}", 200, json=change)


def names(client: Client, path: str = "/api/issues") -> dict[str, list[str]]:
    """Returns the issues of a list with their companies."""
    found = client.call("GET", path, 200)
    assert found["total"] == len(found["items"])
    return {item["name"]: [one["company_name"] for one in item["assignments"]] for item in found["items"]}
