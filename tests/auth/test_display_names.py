"""The display names of users: the same rule applies in the API and on the pages."""

from tests.cases import cases
from tests.clients import Client
from tests.engines import decided_in_python
from tests.world import CAST, PASSWORD, World

ALLOWED = {"status": "status", "STATUS": "STATUS", ".": ".", "..": "..", "  Zoe\u0308 van Dam ": "Zoë van Dam"}
REFUSED = {
    "": "must not be blank",
    " \t ": "must not be blank",
    "x" * 256: "must be at most 255 characters, but is 256",
    "Ada\tLund": "must not contain control characters",
    "Ada\nLund": "must not contain control characters",
    "Ada\u2028Lund": "must be on one line",
}


def name_of(world: World, who: str) -> str:
    listed = world.client("ada").call("GET", "/api/users", 200)["items"]
    return str(next(user["name"] for user in listed if user["email"] == CAST[who][0]))


def path_of(world: World, who: str) -> str:
    listed = world.client("ada").call("GET", "/api/users", 200)["items"]
    return f"/api/users/{next(user['user_id'] for user in listed if user['email'] == CAST[who][0])}"


def rename_on_page(client: Client, name: str) -> tuple[int, str]:
    """Submits the form for the user's own name, and returns the status and the page."""
    response = client.post("/account/name", data={"name": name})
    return response.status_code, response.text


def test_a_super_admin_can_set_any_display_name(world: World) -> None:
    admin, path = world.client("ada"), path_of(world, "tess")
    for number, (name, stored) in enumerate(ALLOWED.items()):
        assert admin.call("PUT", path, 200, json={"name": name})["name"] == stored
        new = {"email": f"new{number}@helpdesk.example", "name": name, "role": "member", "password": PASSWORD}
        assert admin.call("POST", "/api/users", 201, json=new)["name"] == stored


def test_a_user_can_choose_any_display_name_on_the_account_page(world: World) -> None:
    tess = world.client("tess")
    for name, stored in ALLOWED.items():
        assert rename_on_page(tess, name)[0] == 303, name
        assert (name_of(world, "tess"), name_of(world, "omar")) == (stored, "Omar Reyes")


@decided_in_python
@cases("name", REFUSED)
def test_an_invalid_name_is_rejected_everywhere(world: World, name: str) -> None:
    admin, path = world.client("ada"), path_of(world, "tess")
    new = {"email": "new@helpdesk.example", "name": name, "role": "member"}
    expected = [{"field": "name", "message": REFUSED[name]}]

    assert admin.call("PUT", path, 400, json={"name": name})["errors"] == expected
    assert admin.call("POST", "/api/users", 400, json=new)["errors"] == expected
    code, page = rename_on_page(world.client("tess"), name)

    assert code == 400 and REFUSED[name] in page.casefold()
    assert name_of(world, "tess") == "Tess Ngo"


@decided_in_python
def test_the_set_up_accepts_the_same_names(world: World) -> None:
    body = {"token": "guessed", "email": "x@helpdesk.example", "password": PASSWORD}
    world.anonymous().call("POST", "/api/setup", 403, json=body | {"name": "status"})
    refused = world.anonymous().call("POST", "/api/setup", 400, json=body | {"name": "Ada\u2028Lund"})
    assert refused["errors"] == [{"field": "name", "message": "must be on one line"}]
