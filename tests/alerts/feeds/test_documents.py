"""What is read from the documents of suppliers: which incidents are open, and their texts."""

import json
from datetime import UTC, datetime

from issue_tracker.alerts.feeds.documents import LONGEST_TITLE, MOST_OPEN, Incident, read_feed
from tests.alerts.feeds.supplier import incident, statuspage

AT = datetime(2026, 1, 10, 12, tzinfo=UTC)


def _open(document: str) -> list[Incident]:
    opened, over = read_feed(document.encode(), AT)
    assert over == []
    return opened


def _atom(*entries: str) -> str:
    written = "".join(f"<entry>{entry}</entry>" for entry in entries)
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>Status</title>{written}</feed>'


def test_statuspage() -> None:
    written = incident(status=" Identified ") | {"components": [{"name": "Lines"}, {"name": "Portal"}]}
    document = statuspage(written, incident(title="Older"), incident("2", " "), incident("", "No id"))
    expected = Incident(
        id="1",
        title="No connections",
        status="identified",
        impact="major",
        components="Lines, Portal",
        text="It is  Identified .",
        url="https://stspg.example/1",
    )
    assert _open(document) == _open(f"\ufeff \n{document}") == [expected], "the first entry of an incident counts"
    least = {"id": "1", "name": "x" * (LONGEST_TITLE + 1), "status": "investigating", "incident_updates": []}
    [shortened] = _open(json.dumps({"incidents": [least]}))
    assert shortened == Incident(id="1", title="x" * (LONGEST_TITLE - 1) + "…", status="investigating")
    assert len(_open(statuspage(*(incident(str(number)) for number in range(MOST_OPEN))))) == MOST_OPEN


def test_atom() -> None:
    newest = (
        "<id>tag:1</id><title>No\n connections</title><link href='https://status.example/1'/>"
        "<updated>99999-01-01T00:00:00Z</updated><content>Monitoring - It is so.</content>"
    )
    older = "<id>tag:1</id><title>Older</title><updated>2026-01-09T00:00:00Z</updated><summary>Resolved</summary>"
    linked = "<title>Slow</title><link href='https://status.example/2'/><updated>2026-01-04T00:00:00Z</updated>"
    text = "Monitoring - It is so."
    assert _open(_atom(newest, older, linked, "<title>Named</title>")) == [
        Incident(id="tag:1", title="No connections", status="monitoring", text=text, url="https://status.example/1"),
        Incident(id="https://status.example/2", title="Slow", url="https://status.example/2"),
        Incident(id="Named", title="Named"),
    ]
