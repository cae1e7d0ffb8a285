"""Updates through the blocking and the async client."""

from issue_tracker_client import Tracker


def test_updates_are_added_edited_and_withdrawn(tracker: Tracker) -> None:
    tracker.create_issue("VPN", companies=["Acme", "Contoso"])
    said = tracker.add_update("VPN", "On it", companies=["Acme"], status="investigating")
    public = tracker.add_update("vpn", "Carrier is on site", public=True)
    assert (said.company_names, public.company_names, public.public) == (("Acme",), None, True)
    assert [one.status for one in tracker.issue("VPN").assignments] == ["investigating", "new"]
    edited = tracker.edit_update(public.update_id, body="Repaired")
    assert edited.edited_at is not None and edited.actor.name == said.actor.name
    assert list(tracker.updates(page_size=1, issue_name="VPN")) == [edited, said]
    assert list(tracker.updates(company_name="Contoso", public=True)) == [edited]
    tracker.withdraw_update(said.update_id)
    assert list(tracker.updates()) == [edited]


def test_issues_are_merged(tracker: Tracker) -> None:
    tracker.create_issue("VPN", companies={"Acme": "resolved"}, tags=["vpn"])
    tracker.create_issue("No VPN", companies={"Acme": "new"}, external_key="vpn-1", owner=None)
    assert tracker.merge_issues("No VPN", "VPN", dry_run=True).assignments[0].status == "new"
    merged = tracker.merge_issues("No VPN", "VPN")
    assert (merged.tags, merged.external_key) == (("vpn",), "vpn-1") and tracker.issue("no vpn").name == "VPN"
    assert [one.name for one in tracker.issues(tag="vpn", include="details")] == ["VPN"]
