"""Reads about more rows than a statement may have parameters: the ids are one parameter."""

import pytest

from issue_tracker.actor import command_line
from issue_tracker.auth import all_credentials
from issue_tracker.auth.group_mappings.queries import find_access_sources
from issue_tracker.auth.scim.groups import groups_of, members_of
from issue_tracker.auth.scim.people import seen_ids
from issue_tracker.auth.sessions import live_sessions
from issue_tracker.auth.token_use import live_tokens
from issue_tracker.clock import now
from issue_tracker.companies.groups.queries import list_companies_of
from issue_tracker.company_access.queries import (
    list_granted,
    list_token_grants,
    load_accesses,
    load_token_accesses,
)
from tests.world import World

IDS = range(1_000_000, 1_070_000)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_statement_has_one_parameter_for_any_number_of_ids(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.client("ada")
    actor, settings, at = command_line("test"), world.server.settings, now()
    with world.database.read() as tx:
        owners = all_credentials._owners(tx, None)
        one = next(iter(owners.values()))
        known = all_credentials.list_credentials(tx, settings, actor, at)
        monkeypatch.setattr(all_credentials, "_owners", lambda *_: owners | dict.fromkeys(IDS, one))
        assert all_credentials.list_credentials(tx, settings, actor, at) == known != []
        assert live_sessions(tx, settings, IDS, at) == live_tokens(tx, settings, IDS, at) == {}
        assert list_granted(tx, actor, IDS) == {}
        assert find_access_sources(tx, actor, IDS) == {}
        assert seen_ids(tx, settings, set(IDS)) == set()
        assert list_companies_of(tx, actor, IDS) == []
        for reads in (groups_of, members_of, load_accesses, load_token_accesses):
            assert reads(tx, IDS).keys() == set(IDS)
        assert list_token_grants(tx, actor, IDS).keys() == set(IDS)
