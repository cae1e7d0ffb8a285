"""Updates through the blocking and the async client."""

from issue_tracker_client import Tracker


def test_updates(tracker: Tracker) -> None:
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
