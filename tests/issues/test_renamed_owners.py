"""Owners with a new name: their issues show it, and get new revisions."""

from collections.abc import Callable

import pytest

from issue_tracker.actor import command_line
from issue_tracker.issues.queries.issue import get_issue_head
from tests.company_access.limits import user_id
from tests.locks import during
from tests.world import World


def by_an_administrator(world: World) -> int:
    path = f"/api/users/{user_id(world, 'omar')}"
    return world.client("ada").put(path, json={"name": "Omar Reyes-Ortiz"}).status_code


def by_themselves(world: World) -> int:
    return world.client("omar").post("/account/name", data={"name": "Omar Reyes-Ortiz"}).status_code


@pytest.mark.parametrize(("rename", "done"), [(by_an_administrator, 200), (by_themselves, 303)])
@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_new_name_and_a_change_of_several_issues_do_not_block_each_other(
    world: World, rename: Callable[[World], int], done: int
) -> None:
    """Changes of several issues lock them by id. The first issue was changed last, and is the last one in its table."""
    names, tess, actor = ["First", "Second"], world.client("tess"), command_line("tests")
    for name in names:
        world.given_issue(name)
    for name in reversed(names):
        tess.call("PUT", f"/api/issues/{name}", 200, json={"owner": "omar@helpdesk.example"})
    status = during(
        world,
        lambda tx: get_issue_head(tx, actor, "First", lock=True),
        lambda: rename(world),
        lambda tx: get_issue_head(tx, actor, "Second", lock=True),
    )
    assert status == done
    for name in names:
        assert tess.call("GET", f"/api/issues/{name}", 200)["owner"]["name"] == "Omar Reyes-Ortiz"
