"""Two applications in one process share nothing that a client could notice."""

from pathlib import Path

from issue_tracker.settings import Settings
from tests.clients import Client
from tests.server import serving
from tests.world import World


def names(client: Client) -> list[str]:
    return [issue["name"] for issue in client.call("GET", "/api/issues", 200)["items"]]


def test_two_applications_have_their_own_sessions_caches_and_stored_responses(world: World, tmp_path: Path) -> None:
    retried = {"Idempotency-Key": "the same"}
    with serving(Settings(database_url=f"sqlite:///{tmp_path}/other.db")) as server:
        other = World(server, world.clock)
        here, there = world.client(), other.client()
        stranger = other.anonymous()
        stranger.cookies.set("issue_tracker_session", world.session_token("tess"))
        stranger.call("GET", "/api/issues", 401)
        assert names(here) == names(there) == []

        here.call("POST", "/api/issues", 201, json={"name": "Here"}, headers=retried)
        assert (names(here), names(there)) == (["Here"], [])
        there.call("POST", "/api/issues", 201, json={"name": "There"}, headers=retried)

        for _ in range(2):  # the second response comes from a cache
            assert (names(here), names(there)) == (["Here"], ["There"])
        validator = here.get("/api/issues").headers["ETag"]
        assert here.get("/api/issues", headers={"If-None-Match": validator}).status_code == 304
        assert there.get("/api/issues", headers={"If-None-Match": validator}).status_code == 200
        other.close()
    here.call("PUT", "/api/issues/Here", 200, json={"description": "Still served"})
    assert here.call("GET", "/api/issues/Here", 200)["description"] == "Still served"
