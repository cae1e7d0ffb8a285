"""An assignment that several alerts keep open is cleared by the last of them (contract, section 14)."""

from itertools import permutations

from tests.alerts.test_alerts import clear, report, send, set_status, statuses
from tests.world import World


def test_the_last_of_several_alerts_clears_an_assignment(world: World) -> None:
    monitor = world.bearer("omar")
    assert [send(monitor, key=key)["action"] for key in ("ping", "http")] == ["opened", "kept"]
    assert (clear(monitor, "ping")["action"], statuses(world)) == ("kept", {"Contoso": "investigating"})
    assert (clear(monitor, "http")["action"], statuses(world)) == ("cleared", {"Contoso": "resolved"})


def test_one_message_says_which_alert_is_over_and_which_fires(world: World) -> None:
    omar = world.bearer("omar")
    send(omar, key="a")
    before = world.history()
    alerts = [{"key": "a", "state": "resolved"}, report(key="b")]
    together = omar.call("POST", "/api/alerts", 200, json={"alerts": alerts})
    assert [one["action"] for one in together["items"]] == ["kept", "kept"]
    assert world.history() == before, "the company was affected without interruption"
    assert clear(omar, "b")["action"] == "cleared"


def test_the_last_alert_clears_a_reopened_assignment(world: World) -> None:
    """A person resolved it while the first alert was firing, and the second one reopened it."""
    monitor = world.bearer("omar")
    for order in permutations(("ping", "http", "dns")):
        send(monitor, key="ping")
        set_status(world, "resolved")
        assert [send(monitor, key=key)["action"] for key in ("http", "dns")] == ["reopened", "kept"]
        assert [clear(monitor, key)["action"] for key in order] == ["kept", "kept", "cleared"], order
        assert statuses(world) == {"Contoso": "resolved"}
    assert world.client().call("GET", "/api/updates?issueName=Line down", 200)["total"] == 0
