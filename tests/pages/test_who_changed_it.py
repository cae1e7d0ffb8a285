"""A conflict and a refused undo name the person who changed the status, and not one who wrote an update."""

from tests.world import World


def test_texts_and_owners_are_no_changes_of_the_status(world: World) -> None:
    ada, omar, tess = (world.client(who) for who in ("ada", "omar", "tess"))
    issue_id = world.given_issue("Slow mail", {"Contoso": "new"})
    contoso = {"issue_name": "Slow mail", "company_name": "Contoso"}
    company_id = world.given_companies("Contoso")["Contoso"]
    form = {"on": f"{issue_id}-{company_id}-new", "status": "in_progress"}
    assert ada.post("/assignments/bulk", data=form, headers={"X-Request-ID": "first"}).status_code == 303
    omar.call("PUT", "/api/issues/status", 200, json={**contoso, "status": "resolved"})
    text = {"issue_name": "Slow mail", "body": "All mails have arrived", "companies": ["Contoso"]}
    tess.call("POST", "/api/updates", 201, json=text)
    owned = {**contoso, "status": "resolved", "owner": "tess@helpdesk.example"}
    tess.call("PUT", "/api/issues/status", 200, json=owned)

    as_json = {"Accept": "application/json"}
    stale = {"on": f"{issue_id}-{company_id}-in_progress", "status": "closed"}
    [moved] = ada.post("/assignments/bulk", data=stale, headers=as_json).json()["moved"]
    assert (moved["by"], moved["status"]) == ("Omar Reyes", "resolved")
    undone = ada.post("/undo", data={"request_id": "first"}, headers=as_json).json()
    assert undone["text"] == "Omar Reyes has changed it since; nothing was undone."
