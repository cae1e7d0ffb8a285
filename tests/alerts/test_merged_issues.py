"""Alerts of merged issues clear what alerts opened, and do not overwrite changes by people."""

from tests.alerts.test_alerts import clear, send, set_status, statuses
from tests.world import World


def merge(world: World, source: str, into: str) -> None:
    world.client("tess").call("POST", "/api/issues/merge", 200, json={"issue_name": source, "into": into})


def test_alerts_of_merged_issues_are_cleared(world: World) -> None:
    monitor, both = world.bearer("omar"), {"Contoso": "resolved", "Acme Manufacturing": "resolved"}
    world.given_issue("Outage", both)
    send(monitor)
    send(monitor, key="f", company="Fabrikam")
    send(monitor, key="a", company="Acme Manufacturing")
    send(monitor, key="other", issue="Outage", company="Acme Manufacturing")
    merge(world, "Line down", "Outage")
    open_everywhere = {"Acme Manufacturing": "investigating", "Contoso": "investigating", "Fabrikam": "investigating"}
    assert statuses(world, "Outage") == open_everywhere
    assert [clear(monitor, key)["action"] for key in ("probe/contoso", "f")] == ["cleared", "cleared"]
    assert [clear(monitor, key)["action"] for key in ("a", "other")] == ["kept", "cleared"]
    assert set(statuses(world, "Outage").values()) == {"resolved"}


def test_a_merge_keeps_the_changes_of_people(world: World) -> None:
    """An assignment that a person opened or changed in one of the issues remains open."""
    monitor = world.bearer("omar")
    world.given_issue("Outage", {"Contoso": "monitoring"})
    for key, company in (("probe/contoso", "Contoso"), ("f", "Fabrikam"), ("a", "Acme Manufacturing")):
        send(monitor, key=key, company=company)
    send(monitor, key="other", issue="Outage", company="Acme Manufacturing")
    set_status(world, "in_progress", company="Fabrikam")
    set_status(world, "in_progress", company="Acme Manufacturing")
    merge(world, "Line down", "Outage")
    assert [clear(monitor, key)["action"] for key in ("probe/contoso", "f", "a", "other")] == ["kept"] * 4
    assert statuses(world, "Outage") == {
        "Acme Manufacturing": "investigating",
        "Contoso": "investigating",
        "Fabrikam": "in_progress",
    }
