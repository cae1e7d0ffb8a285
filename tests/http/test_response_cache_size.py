"""The response cache is bounded: responses evict each other, and none becomes wrong."""

from typing import Any

import pytest
from starlette.types import Scope

from issue_tracker.http import response_cache
from issue_tracker.http.response_cache import ResponseCache
from tests.engines import decided_in_python
from tests.world import World


# On PostgreSQL, no response is cached by request.
@decided_in_python
def test_the_cache_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that differ in an irrelevant header, such as a trace id, evict each other; no response is wrong."""
    held: list[int] = []
    store = response_cache.ResponseCache.store

    def counted(responses: response_cache.ResponseCache, *given: Any) -> None:
        store(responses, *given)
        held.append(len(responses._responses[False]))

    monkeypatch.setattr(response_cache.ResponseCache, "store", counted)
    monkeypatch.setattr(response_cache, "LIMIT", 40 * response_cache.ENTRY)
    world.given_issue("VPN", {"Contoso": "new"})
    tess, long = world.client("tess"), "x" * response_cache.ENTRY
    etag = tess.get("/api/issues/VPN").headers["etag"]
    for turn in range(120):
        headers = {"If-None-Match": etag, "Traceparent": f"00-{turn:032x}-{turn:016x}-01", "X-Long": long}
        assert tess.get("/api/issues/VPN", headers=headers).status_code == 304
    assert len(held) > 100 and 0 < max(held) <= 20


@decided_in_python
def test_the_responses_found_by_validator_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    store = ResponseCache.store_by_validator

    def counted(responses: ResponseCache, *given: Any) -> None:
        store(responses, *given)
        held.append(len(responses._by_validator))

    monkeypatch.setattr(ResponseCache, "store_by_validator", counted)
    monkeypatch.setattr(response_cache, "LIMIT", 10 * response_cache.ENTRY)
    tess = world.client("tess")
    for limit in range(1, 21):
        tess.call("GET", f"/api/issues?limit={limit}", 200)
    assert len(held) == 20 and 5 < max(held) <= 10


# On PostgreSQL, no response is cached by request.
@decided_in_python
def test_large_responses_evict_each_other_and_no_small_ones(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[bool] = []
    find = ResponseCache.find

    def noted(responses: ResponseCache, scope: Scope) -> object:
        cached = find(responses, scope)
        found.append(cached is not None)
        return cached

    world.given_issue("VPN", {"Contoso": "new"}, "x" * 3000)
    tess = world.client("tess")
    whole, one = tess.get("/api/issues"), tess.get("/api/issues/VPN")
    small = {"If-None-Match": one.headers["etag"]}
    assert tess.get("/api/issues/VPN", headers=small).status_code == 304
    monkeypatch.setattr(response_cache, "SMALL", response_cache.ENTRY + 1000)
    monkeypatch.setattr(response_cache, "LIMIT", 3 * (response_cache.ENTRY + len(whole.content) + 1000))
    monkeypatch.setattr(ResponseCache, "find", noted)
    for turn in range(12):
        headers = {"Traceparent": f"00-{turn:032x}-{turn:016x}-01"}
        assert {tess.get("/api/issues", headers=headers).content for _ in range(2)} == {whole.content}
        assert tess.get("/api/issues/VPN", headers=small).status_code == 304
    assert found == [False, True, True] * 12
