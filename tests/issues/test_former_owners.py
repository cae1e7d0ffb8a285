"""Owners who are no active technicians any more: they can remain owners, but nobody can make them owners."""

from pathlib import Path
from typing import Any

import pytest

from tests.clients import Client
from tests.company_access.limits import limit, user_id
from tests.engines import decided_in_python
from tests.issues.test_csv_fields import exported, load
from tests.world import World

OMAR = {"owner": "omar@helpdesk.example"}
CONTOSO: dict[str, Any] = {"issue_name": "Fault", "company_name": "Contoso", "status": "new"}


@pytest.fixture
def tess(world: World) -> Client:
    world.given_issue("Fault", {"Contoso": "new", "Fabrikam": "new"})
    tess = world.client("tess")
    tess.call("PUT", "/api/issues/Fault", 200, json=OMAR)
    tess.call("PUT", "/api/issues/status", 200, json=CONTOSO | OMAR)
    return tess


def change(world: World, **values: Any) -> None:
    world.client("ada").call("PUT", f"/api/users/{user_id(world, 'omar')}", 200, json=values)


def state(tess: Client) -> tuple[Any, Any]:
    issue = tess.get("/api/issues/Fault?include=details")
    return issue.headers["ETag"], issue.json()


@decided_in_python
@pytest.mark.parametrize("values", [{"active": False}, {"role": "customer"}])
def test_the_present_owner_can_be_set_again_and_no_other_former_technician(
    world: World, tess: Client, tmp_path: Path, values: dict[str, Any]
) -> None:
    change(world, **values)
    text = exported(world)[0]
    before = state(tess)
    for again in (OMAR, {"owner": "OMAR@helpdesk.example"}):
        tess.call("PUT", "/api/issues/Fault", 200, json=again)
        tess.call("PUT", "/api/issues/status", 200, json=CONTOSO | again)
    path = tmp_path / "issues.csv"
    path.write_text(text, newline="")
    result, bad = load(world, path)
    assert (result.rows, bad) == (2, [])
    page = f"/issues/{before[1]['issue_id']}/edit"
    # The owner was set while the form was shown.
    form = {"name": "Fault", "seen_name": "Fault", "description": "", "seen_description": "", "seen_fields": "{}"}
    assert tess.post(page, data=form | OMAR).status_code == 303
    details = {"on": f"{before[1]['issue_id']}-{before[1]['assignments'][0]['company_id']}", **OMAR}
    assert tess.post("/assignments/details", data=details).status_code == 303
    assert state(tess) == before

    for method, target, body in (
        ("POST", "/api/issues", {"name": "New"}),
        ("PUT", "/api/issues/status", CONTOSO | {"company_name": "Fabrikam"}),
    ):
        refused = tess.call(method, target, 400, json=body | OMAR)
        assert refused["errors"] == [
            {"field": "owner", "message": "there is no technician with the email address “omar@helpdesk.example”"}
        ]
    tess.call("PUT", "/api/issues/Fault", 200, json={"owner": None})
    tess.call("PUT", "/api/issues/Fault", 400, json=OMAR)


@decided_in_python
def test_a_limited_user_cannot_find_out_the_address_of_an_owner(world: World, tess: Client) -> None:
    limit(world, "Contoso", "Fabrikam")
    world.given_companies("Elsewhere")
    limit(world, "Elsewhere", who="omar")
    change(world, active=False)
    for address in ("omar@helpdesk.example", "nobody@helpdesk.example"):
        for target, body in (("/api/issues/Fault", {}), ("/api/issues/status", CONTOSO)):
            refused = tess.call("PUT", target, 400, json=body | {"owner": address})
            assert address in refused["errors"][0]["message"]
