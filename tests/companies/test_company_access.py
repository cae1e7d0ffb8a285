"""Reads of companies with limited access: a hidden company is not listed, and is treated like an unknown one."""

from collections.abc import Callable

import msgspec
import pytest
from sqlalchemy import Connection

from issue_tracker.actor import Actor, CompanyAccess, command_line
from issue_tracker.companies import operations, queries
from issue_tracker.errors import NotFound
from issue_tracker.names import key, parse_name
from tests.cases import cases
from tests.world import COMPANIES, World

VISIBLE, HIDDEN, UNKNOWN = "Contoso", "Fabrikam", "Initech"


@pytest.fixture
def ids(world: World) -> dict[str, int]:
    """Returns the ids of a visible, a hidden and an unknown company."""
    return world.given_companies(VISIBLE, HIDDEN) | {UNKNOWN: 999_999}


def limited(*company_ids: int) -> Actor:
    """Returns a super admin who sees only these companies."""
    return msgspec.structs.replace(command_line("tests"), company_access=CompanyAccess(frozenset(company_ids)))


def test_lists_omit_a_hidden_company(world: World, ids: dict[str, int]) -> None:
    with world.database.read() as tx:
        actor = limited(ids[VISIBLE])
        assert [company.name for company in queries.list_companies(tx, actor)] == [VISIBLE]
        assert [company.name for company in queries.list_companies(tx, actor, search="toso")] == [VISIBLE]
        assert queries.list_companies(tx, actor, search="fabri", include_archived=True) == []
        assert queries.list_companies(tx, limited()) == []
        assert len(queries.list_companies(tx, command_line("tests"))) == len(COMPANIES)


def test_searches_omit_a_hidden_company(world: World, ids: dict[str, int]) -> None:
    with world.database.read() as tx:
        actor = limited(ids[VISIBLE])
        assert queries.get_company(tx, actor, ids[VISIBLE]).name == VISIBLE
        assert queries.get_company_by_name(tx, actor, VISIBLE.upper()).company_id == ids[VISIBLE]
        assert list(queries.find_companies(tx, actor, ids)) == [key(VISIBLE)]
        assert list(queries.get_companies(tx, actor, [VISIBLE])) == [key(VISIBLE)]
        assert list(queries.get_companies_by_id(tx, actor, ids.values())) == [ids[VISIBLE]]


REFUSALS: dict[str, Callable[[Connection, Actor, str, int], object]] = {
    "by id": lambda tx, actor, _name, id_: queries.get_company(tx, actor, id_),
    "locked": lambda tx, actor, _name, id_: queries.lock_company(tx, actor, id_),
    "by name": lambda tx, actor, name, _id: queries.get_company_by_name(tx, actor, name),
    "by names": lambda tx, actor, name, _id: queries.get_companies(tx, actor, [VISIBLE, name]),
    "updated": lambda tx, actor, _name, id_: operations.update_company(tx, actor, id_, name=parse_name("New")),
    "deleted": lambda tx, actor, _name, id_: operations.delete_company(tx, actor, id_),
}


@cases("how", REFUSALS)
def test_a_hidden_company_is_treated_like_an_unknown_one(world: World, ids: dict[str, int], how: str) -> None:
    refusals = []
    for name in (HIDDEN, UNKNOWN):
        with pytest.raises(NotFound) as refused, world.database.write() as tx:
            REFUSALS[how](tx, limited(ids[VISIBLE]), name, ids[name])
        refusals.append(refused.value.detail.replace(name, "…").replace(str(ids[name]), "…"))
    assert refusals[0] == refusals[1] and "There is no company" in refusals[0]


@pytest.mark.parametrize("read", [queries.has_references, queries.lock_issues_of])
def test_references_to_a_hidden_company_are_not_revealed(
    world: World, ids: dict[str, int], read: Callable[[Connection, Actor, int], object]
) -> None:
    issue = world.given_issue("Fault", {VISIBLE: "new", HIDDEN: "new"})
    with world.database.write() as tx:
        assert read(tx, limited(ids[VISIBLE]), ids[VISIBLE]) in (True, [issue])
        with pytest.raises(NotFound, match="There is no company"):
            read(tx, limited(ids[VISIBLE]), ids[HIDDEN])
