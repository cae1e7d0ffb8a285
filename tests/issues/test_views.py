"""Saved views: personal and shared ones, and their visibility for users with limited company access."""

from typing import Any

import msgspec

from issue_tracker.actor import CompanyAccess, command_line
from issue_tracker.issues.views.operations import MOST_SHARED
from issue_tracker.issues.views.queries import list_views
from tests.clients import Client
from tests.company_access.limits import limit, set_access
from tests.engines import decided_in_python
from tests.events.statements import statements
from tests.world import World


def save(client: Client, name: str, query: str = "", **more: Any) -> Any:
    return client.call("POST", "/api/views", 201, json={"name": name, "query": query, **more})


def names(client: Client) -> list[str]:
    listed = client.call("GET", "/api/views", 200)
    assert listed["total"] == len(listed["items"])
    return [view["name"] for view in listed["items"]]


def test_views_can_be_personal_or_shared(world: World) -> None:
    tess, omar, ada = (world.client(who) for who in ("tess", "omar", "ada"))
    own = save(tess, "Mine", "?owner=me&open=true&limit=")
    assert own["query"] == "owner=me&open=true" and not own["shared"] and own["owner"]["name"] == "Tess Ngo"
    shared = save(tess, "Worst first", "severity=critical&severity=high", shared=True, start=True)
    assert shared["start"] and names(tess) == ["Mine", "Worst first"] and names(omar) == ["Worst first"]
    path = f"/api/views/{shared['view_id']}"

    # Other users can use it; only its author and super admins can change it.
    [seen] = omar.call("GET", "/api/views", 200)["items"]
    assert (seen["changeable"], seen["start"]) == (False, False)
    assert omar.call("PUT", path, 200, json={"start": True})["start"]
    omar.call("PUT", path, 403, json={"name": "Taken over"})
    omar.call("DELETE", path, 403)
    omar.call("PUT", f"/api/views/{own['view_id']}", 404, json={"start": True})
    assert ada.call("PUT", path, 200, json={"name": "Worst"})["name"] == "Worst"
    assert names(tess) == ["Mine", "Worst"]
    assert omar.get("/start").headers["location"] == "/?severity=critical&severity=high"
    before = len(world.history(audit=True))
    assert tess.call("PUT", path, 200, json={"query": "severity=critical&severity=high"})["start"]
    assert len(world.history(audit=True)) == before
    tess.call("PUT", path, 200, json={"shared": False})
    assert names(omar) == [] and omar.get("/start").headers["location"] == "/?open=true"
    tess.call("DELETE", path, 204)
    assert tess.get("/start").headers["location"] == "/?open=true"
    assert [event.type for event in world.history(audit=True)][-2:] == ["view.updated", "view.deleted"]
    world.client("mia").call("GET", "/api/views", 403)


def test_a_super_admin_ends_the_sharing_of_a_view(world: World) -> None:
    tess, omar, ada = (world.client(who) for who in ("tess", "omar", "ada"))
    view = save(tess, "Ours", "open=true", shared=True)
    path = f"/api/views/{view['view_id']}"
    ada.call("PUT", path, 200, json={"start": True})
    changed = ada.call("PUT", path, 200, json={"name": "Mine", "shared": False})
    assert (changed["name"], changed["shared"], changed["owner"]["name"]) == ("Mine", False, "Tess Ngo")
    assert (names(tess), names(omar), names(ada)) == (["Mine"], [], [])
    assert ada.get("/start").headers["location"] == "/?open=true"
    ada.call("PUT", path, 404, json={"shared": True})

    by_page = f"/views/{save(tess, 'By page', shared=True)['view_id']}"
    form = {"_csrf": ada.headers["X-CSRF-Token"], "name": "By page", "query": ""}
    assert ada.post(by_page, data=form).headers["location"] == "/views"
    assert (names(tess), names(ada)) == (["By page", "Mine"], [])


@decided_in_python
def test_an_invalid_view_changes_nothing(world: World) -> None:
    tess = world.client("tess")
    save(tess, "Mine", "owner=me")
    for body, field in (
        ({"name": "MINE"}, "name"),
        ({"name": " "}, "name"),
        ({"name": "Odd", "query": "status=broken"}, "query"),
        ({"name": "Odd", "query": "colour=red"}, "query"),
        ({"name": "Odd", "query": "cursor=x"}, "query"),
        ({"name": "Odd", "query": "tag=%00"}, "query"),
        ({"name": "Odd", "start": "yes"}, "start"),
        ({"name": "Hid\u202eden"}, "name"),
    ):
        refused = tess.call("POST", "/api/views", 400, json=body)
        assert field in [each["field"] for each in refused.get("errors", [])], (body, refused)
    assert names(tess) == ["Mine"]
    save(world.client("omar"), "Mine", "owner=me")


def test_a_view_reveals_nothing_hidden(world: World) -> None:
    ada, tess = world.client("ada"), world.client("tess")
    world.given_companies("Contoso", "Fabrikam")
    contoso = world.given_companies("Contoso")["Contoso"]
    fabrikam = world.given_companies("Fabrikam")["Fabrikam"]
    ada.call("POST", "/api/company-groups", 201, json={"name": "North", "company_names": ["Contoso"]})
    for name, query in {
        "everybody’s": "open=true&sort=-updated_at",
        "hidden company": "companyName=Contoso",
        "hidden id": f"companyId={contoso}",
        "hidden group": "companyGroup=North",
        "all but hidden": "open=true&exclude=Contoso",
        "a text": "search=secret",
        "a tag": "tag=secret",
        "visible company": f"companyId={fabrikam}&companyName=Fabrikam",
    }.items():
        save(ada, name, query, shared=True, shared_with_limited=True)
    named = save(ada, "Contoso outages", "open=true", shared=True)
    users = {user["name"]: user["user_id"] for user in ada.call("GET", "/api/users", 200)["items"]}
    for who in ("Tess Ngo", "Omar Reyes"):
        access = {"company_access": {"companies": ["Fabrikam"]}}
        ada.call("PUT", f"/api/users/{users[who]}", 200, json=access)
    assert names(tess) == ["everybody’s", "visible company"]
    # Even a name reveals a company, unless the author decides otherwise.
    path = f"/api/views/{named['view_id']}"
    tess.call("PUT", path, 404, json={"start": True})
    for given, stored, seen in (
        ({"shared_with_limited": True}, (True, True), True),
        ({"shared": False}, (False, False), False),
        ({"shared_with_limited": True}, (False, False), False),
        ({"shared": True}, (True, False), False),
    ):
        changed = ada.call("PUT", path, 200, json=given)
        assert (changed["shared"], changed["shared_with_limited"]) == stored
        assert ("Contoso outages" in names(tess)) == ("Contoso outages" in tess.get("/views").text) == seen
    hidden = next(view for view in ada.call("GET", "/api/views", 200)["items"] if view["name"] == "hidden company")
    for method, body in (("PUT", {"start": True}), ("DELETE", None)):
        tess.call(method, f"/api/views/{hidden['view_id']}", 404, json=body)
    # The view of an author who sees no more than the user reveals nothing.
    save(world.client("omar"), "by Omar", "search=shared+words", shared=True)
    assert names(tess) == ["by Omar", "everybody’s", "visible company"]


def test_a_limited_token_sees_no_view_of_its_owner_that_may_name_hidden_companies(world: World) -> None:
    tess, token = world.client("tess"), world.anonymous()
    access = {"companies": ["Fabrikam"]}
    body = {"name": "program", "scopes": ["read", "write"], "company_access": access}
    token.headers["Authorization"] = f"Bearer {tess.call('POST', '/api/auth/tokens', 201, json=body)['token']}"
    hidden = save(tess, "Contoso", "companyName=Contoso", start=True)
    for more in ({"shared": True}, {"shared": True, "shared_with_limited": True}):
        save(tess, f"Of Contoso {len(more)}", "companyName=Contoso", **more)
    save(tess, "Open", "open=true", shared=True, shared_with_limited=True)
    assert names(token) == ["Open"]
    for method, change in (("PUT", {"start": True}), ("DELETE", None)):
        token.call(method, f"/api/views/{hidden['view_id']}", 404, json=change)

    made = save(token, "By program", "owner=me", start=True)
    assert (made["start"], made["owner"]["name"], made["changeable"]) == (True, "Tess Ngo", True)
    assert made in tess.call("GET", "/api/views", 200)["items"] and names(token) == ["Open"]
    # If the owner sees no more than the token, neither do the views.
    limit(world, "Fabrikam")
    everything = ["By program", "Contoso", "Of Contoso 1", "Of Contoso 2", "Open"]
    assert names(token) == names(tess) == everything
    # Without any company, own views remain, which others no longer see.
    limit(world, "Fabrikam", who="omar")
    assert names(world.client("omar")) == ["Of Contoso 1", "Of Contoso 2", "Open"]
    set_access(world, {"companies": []})
    assert (names(tess), names(world.client("omar"))) == (everything, ["Open"])


def test_the_number_of_statements_does_not_grow_with_the_views_of_others(world: World) -> None:
    limit(world, "Fabrikam", "Contoso", who="tess")
    limit(world, "Fabrikam", who="omar")
    omar, tess = world.client("omar"), world.client("tess")
    visible = frozenset(world.given_companies("Contoso", "Fabrikam").values())
    actor = msgspec.structs.replace(command_line("tests"), company_access=CompanyAccess(visible))
    counted = []
    for number in range(4):
        save(omar, f"By Omar {number}", "search=x&companyName=Fabrikam&owner=omar@helpdesk.example", shared=True)
        query = "companyName=Fabrikam&owner=tess@helpdesk.example"
        save(world.client("ada"), f"By Ada {number}", query, shared=True, shared_with_limited=True)
        with world.database.read() as tx, statements(tx) as seen:
            assert len(list_views(tx, actor)) == 2 * (number + 1)
        counted.append(len(seen))
    assert len(set(counted)) == 1
    assert names(tess) == [f"By {who} {number}" for who in ("Ada", "Omar") for number in range(4)]


def test_a_user_shares_a_limited_number_of_views(world: World) -> None:
    tess = world.client("tess")
    private = save(tess, "Private")
    for number in range(MOST_SHARED):
        save(tess, f"View {number:02}", shared=True)
    for method, path, body in (
        ("POST", "/api/views", {"name": "More", "query": "", "shared": True}),
        ("PUT", f"/api/views/{private['view_id']}", {"shared": True}),
    ):
        refused = tess.call(method, path, 400, json=body)
        assert [error["field"] for error in refused["errors"]] == ["shared"]
    assert len(names(world.client("omar"))) == MOST_SHARED and len(names(tess)) == MOST_SHARED + 1
