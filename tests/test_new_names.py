"""New names: no invisible characters, no imitation of other users, a warning about look-alikes (decision 0023)."""

from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from sqlalchemy import insert, update

from issue_tracker import clock
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import companies, issues, look_alikes, users
from issue_tracker.looks import illegible
from issue_tracker.names import key
from issue_tracker.settings import Settings
from tests.clients import Client
from tests.processes import run
from tests.world import CAST, PASSWORD, World

INVISIBLE = {
    "right-to-left override": "safe\u202egpj.exe",
    "left-to-right mark": "Prod\u200e",
    "isolate": "\u2066Prod\u2069",
    "zero-width space": "Pro\u200bd",
    "word joiner": "Pro\u2060d",
    "byte order mark": "Pro\ufeffd",
    "soft hyphen": "Pro\u00add",
    "Hangul filler": "Prod \u3164",
    "joiner between letters that do not join": "Pro\u200dd",
    "non-joiner between letters that do not join": "Pro\u200cd",
    "joiner after an emoji, before nothing": "🔥\u200d",
    "tag letters without a flag": "Prod\U000e0041",
    "two variation selectors": "❤\ufe0f\ufe0f",
    "variation selector after a letter without variants": "Prod\ufe0f",
    "variation selector after a Cyrillic letter": "Прод\ufe00",
}
VISIBLE = (
    "ℹ️",
    "❤️\u200d🔥",
    "🙂\u200d↔️",
    "1️⃣",
    "葛\U000e0100",
    "خانه\u200cای",
    "श्री\u0915\u094d\u200d",
    "﷽",
    "ab\u0301",
    f"x{chr(0x335) * 8}",
)


def path_of(who: str, world: World) -> str:
    listed = world.client("ada").call("GET", "/api/users", 200)["items"]
    return f"/api/users/{next(user['user_id'] for user in listed if user['email'] == CAST[who][0])}"


def rename_on_page(client: Client, name: str) -> int:
    return client.post("/account/name", data={"name": name}).status_code


# The input is refused by code that knows no database; the tests below change these names on both.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_invisible_character_in_a_new_name_is_rejected(world: World, subtests: pytest.Subtests) -> None:
    world.given_issue("Fault")
    company, admin = world.given_companies("Initech")["Initech"], world.client("ada")
    group = admin.call("POST", "/api/company-groups", 201, json={"name": "All", "company_names": []})["group_id"]
    for kind in (*INVISIBLE, "stacked marks"):
        with subtests.test(kind=kind):
            assert_refused(world, kind, company, group)


def assert_refused(world: World, kind: str, company: int, group: int) -> None:
    name, admin = INVISIBLE.get(kind, f"Pro{chr(0x335) * 9}d"), world.client("ada")
    reason = "invisible character U+" if kind in INVISIBLE else "more than 8 combining marks in a row"
    user = {"email": "new@helpdesk.example", "name": name, "role": "member", "password": PASSWORD}
    hook = {"url": "https://hooks.example.com/x", "description": name}
    for method, path, body, field in (
        ("POST", "/api/issues", {"name": name}, "name"),
        ("PUT", "/api/issues/Fault", {"new_name": name}, "new_name"),
        ("POST", "/api/companies", {"name": name}, "name"),
        ("PUT", f"/api/companies/{company}", {"name": name}, "name"),
        ("POST", "/api/company-groups", {"name": name, "company_names": []}, "name"),
        ("PUT", f"/api/company-groups/{group}", {"name": name}, "name"),
        ("POST", "/api/users", user, "name"),
        ("POST", "/api/users", user | {"name": "New", "email": f"{name.replace(' ', '')}@helpdesk.example"}, "email"),
        ("PUT", path_of("tess", world), {"name": name}, "name"),
        ("POST", "/api/auth/tokens", {"name": name, "scopes": ["read"]}, "name"),
        ("POST", "/api/webhooks", hook, "description"),
    ):
        refused = admin.call(method, path, 400, json=body)
        assert [error["field"] for error in refused["errors"]] == [field], path
        assert reason in refused["detail"]
    assert rename_on_page(world.client("tess"), name) == 400
    assert admin.call("GET", "/api/issues", 200)["items"][0]["name"] == "Fault"
    assert admin.call("GET", f"/api/companies?search={quote(name)}", 200)["total"] == 0


def test_visible_joiners_and_variation_selectors_are_allowed(world: World) -> None:
    for name in VISIBLE:
        assert illegible(name) is None
        world.client("tess").call("POST", "/api/issues", 201, json={"name": name})
        assert world.client("tess").call("GET", f"/api/issues/{quote(name, safe='')}", 200)["name"] == name


def test_a_name_from_an_earlier_version_remains_usable(world: World) -> None:
    name, client = "Old\u202e name", world.client("ada")
    issue_id, company_id = world.given_issue("Fault"), world.given_companies("Initech")["Initech"]
    with world.database.write() as tx:
        tx.execute(update(issues).where(issues.c.issue_id == issue_id).values(name=name, name_key=key(name)))
        tx.execute(update(companies).where(companies.c.company_id == company_id).values(name=name, name_key=key(name)))
    path = f"/api/issues/{quote(name)}"
    body = {"issue_name": name, "company_name": name, "status": "resolved"}
    assert client.call("PUT", "/api/issues/status", 200, json=body)["company_name"] == name
    assert client.call("PUT", path, 200, json={"description": "new", "new_name": name})["description"] == "new"
    form = {"name": name, "description": "newer", "seen_name": name, "seen_description": "new"}
    assert client.post(f"/issues/{issue_id}/edit", data=form).status_code == 303
    assert client.call("GET", path, 200)["description"] == "newer"
    changed = client.call("PUT", f"/api/companies/{company_id}", 200, json={"name": name, "archived": True})
    assert changed["archived"] and changed["name"] == name
    assert client.call("PUT", path, 200, json={"new_name": "Plain"})["name"] == "Plain"


def test_a_user_cannot_take_a_name_that_looks_like_another_users(world: World) -> None:
    tess, admin = world.client("tess"), world.client("ada")
    for imitation in ("Аdа Lund", "АDА LUND", "Ada  Lund", "Ada\u00a0Lund", "Αda Lund", "Ada Lunď".replace("ď", "ԁ")):
        assert rename_on_page(tess, imitation) == 400, imitation
        refused = admin.call("PUT", path_of("tess", world), 400, json={"name": imitation})
        assert refused["errors"] == [{"field": "name", "message": "looks like the name of another user"}]
        new = {"email": "new@helpdesk.example", "name": imitation, "role": "member", "password": PASSWORD}
        admin.call("POST", "/api/users", 400, json=new)
    assert rename_on_page(tess, "Ada Lund") == 400, "nor the very same name"
    assert rename_on_page(tess, "Tess Ngo-Lund") == 303
    assert rename_on_page(tess, "TESS NGO") == 303, "one's own former name"


def test_the_history_shows_the_accounts_of_two_people_with_one_name(world: World) -> None:
    tess, omar, admin = world.client("tess"), world.client("omar"), world.client("ada")
    tess.call("POST", "/api/issues", 201, json={"name": "By Tess"})
    omar.call("POST", "/api/issues", 201, json={"name": "By Omar"})
    page = admin.get("/activity").text
    assert 'title="tess@helpdesk.example"><bdi class="by">Tess Ngo</bdi>' in page
    assert "(tess@helpdesk.example)" not in page

    # A super admin may assign the same name to two people, who may really share it.
    admin.call("PUT", path_of("omar", world), 200, json={"name": "Tess Ngo"})
    omar.call("POST", "/api/issues", 201, json={"name": "By the other"})
    page = admin.get("/activity").text
    assert 'Tess Ngo</bdi></a> <span class="quiet">(omar@helpdesk.example)</span>' in page
    assert 'Tess Ngo</bdi></a> <span class="quiet">(tess@helpdesk.example)</span>' in page
    # Omar's first event has his former name, which no user has now.
    assert 'Omar Reyes</bdi></a> <span class="quiet">(omar@helpdesk.example)</span>' in page


def test_a_look_alike_of_an_issue_is_created_with_a_warning(world: World) -> None:
    tess = world.client("tess")
    first = tess.post("/api/issues", json={"name": "Port 10/1"})
    assert first.status_code == 201 and "x-looks-like" not in first.headers
    second = tess.post("/api/issues", json={"name": "Роrt 1O/l"})
    assert second.status_code == 201 and unquote(second.headers["x-looks-like"]) == "Port 10/1"
    assert "x-looks-like" not in tess.put("/api/issues/Port%2010%2F1", json={"description": "x"}).headers
    renamed = tess.put("/api/issues/Port%2010%2F1", json={"new_name": "PORT 10/1"})
    assert unquote(renamed.headers["x-looks-like"]) == "Роrt 1O/l"
    assert "x-looks-like" not in tess.put("/api/issues/PORT%2010%2F1", json={"new_name": "PORT 10/1"}).headers
    world.client("ada").call("DELETE", f"/api/issues/{quote('Роrt 1O/l', safe='')}", 204)
    assert "x-looks-like" not in tess.put("/api/issues/PORT%2010%2F1", json={"new_name": "Port 10/1"}).headers


def test_a_look_alike_of_a_company_is_created_with_a_warning(world: World) -> None:
    admin = world.client("ada")
    made = admin.post("/api/companies", json={"name": "Соntoso"})
    assert made.status_code == 201 and unquote(made.headers["x-looks-like"]) == "Contoso"
    path = f"/api/companies/{made.json()['company_id']}"
    assert "x-looks-like" not in admin.put(path, json={"name": "Initech"}).headers
    assert unquote(admin.put(path, json={"name": "Fаbrikam"}).headers["x-looks-like"]) == "Fabrikam"
    assert "x-looks-like" not in admin.put(path, json={"name": "Fаbrikam", "archived": True}).headers
    admin.call("DELETE", path, 204)
    assert unquote(admin.post("/api/companies", json={"name": "Fаbrikаm"}).headers["x-looks-like"]) == "Fabrikam"


def test_hidden_look_alikes_do_not_displace_visible_ones(world: World) -> None:
    """A user with limited access sees only look-alikes among the visible names, however many others there are."""
    letters = "Роrt", "Pоrt", "Por\u03c4", "Pοrt", "Рοrt", "Pοr\u03c4"
    for name in dict.fromkeys(letters):
        world.given_issue(name, {"Fabrikam": "new"})
    world.given_issue("PORT".title(), {"Contoso": "new"})
    access = {"company_access": {"companies": ["Contoso"]}}
    tess = world.client("tess")
    user_id = tess.call("GET", "/api/auth/session", 200)["user"]["user_id"]
    world.client("ada").call("PUT", f"/api/users/{user_id}", 200, json=access)
    body = {"name": "Рort", "companies": [{"company_name": "Contoso"}]}
    made = tess.post("/api/issues", json=body)
    assert made.status_code == 201 and unquote(made.headers["x-looks-like"]) == "Port"


def test_a_look_alike_of_a_company_group_is_saved_with_a_warning(world: World) -> None:
    admin = world.client("ada")
    first = admin.post("/api/company-groups", json={"name": "North", "company_names": []})
    assert first.status_code == 201 and "x-looks-like" not in first.headers
    second = admin.post("/api/company-groups", json={"name": "Nоrth", "company_names": []})
    assert unquote(second.headers["x-looks-like"]) == "North"
    path = f"/api/company-groups/{second.json()['group_id']}"
    assert "x-looks-like" not in admin.put(path, json={"name": "South"}).headers
    assert unquote(admin.put(path, json={"name": "Nоrth"}).headers["x-looks-like"]) == "North"
    assert "x-looks-like" not in admin.put(path, json={"name": "Nоrth", "company_names": ["Contoso"]}).headers
    page = admin.post("/admin/company-groups", data={"name": "N\u03bfrth", "company_names": ""}, follow_redirects=True)
    assert "looks like that of “North” and 1 more" in page.text


def test_an_import_warns_of_look_alikes(world: World, tmp_path: Path) -> None:
    world.given_issue("Printer")
    file = tmp_path / "issues.csv"
    file.write_text("name\nVPN\nРrinter\n", encoding="utf-8")
    imported = run("issue", "import", str(file), database_url=world.server.settings.database_url)
    assert imported.returncode == 0 and imported.stderr == f"{file}, line 3: “Рrinter” looks like “Printer”.\n"


def test_pages_warn_of_look_alikes(world: World) -> None:
    admin = world.client("ada")
    world.given_issue("Printer")
    assert (
        "looks like that of “Printer”"
        in admin.post("/issues/new", data={"name": "Рrinter"}, follow_redirects=True).text
    )
    assert (
        "looks like that of “Contoso”"
        in admin.post("/admin/companies", data={"name": "Соntoso"}, follow_redirects=True).text
    )
    assert "looks like" not in admin.post("/admin/companies", data={"name": "Initech"}, follow_redirects=True).text


def test_a_page_warns_only_of_a_new_name_of_a_company(world: World) -> None:
    admin = world.client("ada")
    made = admin.call("POST", "/api/companies", 201, json={"name": "Соntoso"})
    page, name = f"/admin/companies/{made['company_id']}", made["name"]
    archived = admin.post(page, data={"name": name, "archived": "true"}, follow_redirects=True).text
    assert "Saved." in archived and "looks like" not in archived
    renamed = admin.post(page, data={"name": "Fаbrikam", "archived": "true"}, follow_redirects=True).text
    assert "looks like that of “Fabrikam”" in renamed


def test_the_migration_records_existing_names(fresh_database_url: str) -> None:
    database = Database(Settings(database_url=fresh_database_url))
    migrate.upgrade(database, to="0007")
    at = clock.now()
    with database.write() as tx:
        values = {"name": "Аda", "created_at": at, "updated_at": at}
        tx.execute(insert(companies).values(**values, name_key="аda", archived=False))
        tx.execute(insert(issues).values(**values, name_key="аda", description_key="", revision=1, statuses=0))
        account = {"email": "a@b", "email_key": "a@b", "role": "member", "active": True, "password_hash": "x"}
        tx.execute(insert(users).values(**values, **account))

    migrate.upgrade(database)

    with database.read() as tx:
        found = {(row.kind, row.look_alike_key) for row in tx.execute(look_alikes.select())}
    database.close()
    assert found == {("company", "ada"), ("issue", "ada"), ("user", "ada")}
