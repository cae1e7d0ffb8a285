"""Parses status feeds: Statuspage JSON, RSS and Atom. All of it is untrusted text, and is bounded here.

A Statuspage document states whether an incident is open. RSS and Atom do not: an entry is over if its title or the
first status in its text says so, or if it has not been updated for MOST_AGE.
"""

import calendar
import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.parsers import expat

import msgspec

from issue_tracker.alerts.mail.plain_text import text_of_html
from issue_tracker.alerts.models import AlertState
from issue_tracker.alerts.senders import Received, bounded
from issue_tracker.errors import Invalid
from issue_tracker.looks import unstacked

MOST_BYTES = 1024 * 1024
"""Maximum length of a feed."""

MOST_OPEN = 100
"""Maximum number of open incidents in a feed."""

MOST_ENTRIES = 1000
MOST_ELEMENTS = 50_000
MOST_DEPTH = 50

MOST_ATTRIBUTES = 100
"""Maximum number of attributes of an element; feedparser takes minutes for 50,000."""

MOST_AGE = timedelta(days=7)
"""Age of the last update from which an entry of RSS or Atom is over, whatever it says."""

LONGEST_TITLE = 150
LONGEST_TEXT = 2000

OVER = frozenset(("resolved", "completed", "postmortem", "scheduled", "operating normally"))
"""States of incidents that are over, and of maintenance that has not begun."""

_title_over = re.compile(r"\b(resolved|completed|scheduled|operating normally)\b", re.IGNORECASE)
_status_line = re.compile(
    r"^\W*(investigating|identified|monitoring|update|verifying|in progress|scheduled|resolved|completed|postmortem)\b",
    re.IGNORECASE | re.MULTILINE,
)


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """An incident in a feed. `status` and `impact` are the supplier's words, and may be empty."""

    id: str
    title: str
    status: str = ""
    impact: str = ""
    components: str = ""
    text: str = ""
    url: str | None = None

    @property
    def over(self) -> bool:
        """Whether the incident has ended, or is maintenance that has not begun."""
        return self.status in OVER


def read_feed(content: bytes, at: datetime) -> tuple[list[Incident], list[Incident]]:
    """Returns the open incidents in a feed that was read at an instant (UTC), and those that are over.

    Raises Invalid, with a sentence that quotes nothing from the feed.
    """
    json = content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"["))
    found: dict[str, Incident] = {}
    for incident in _statuspage(content) if json else _entries(content, at):
        if incident.id and incident.title:
            found.setdefault(incident.id, incident)
    opened = [incident for incident in found.values() if not incident.over]
    if len(opened) > MOST_OPEN:
        raise Invalid(f"The feed contains more than {MOST_OPEN} open incidents.")
    return opened, [incident for incident in found.values() if incident.over]


def alert_of(incident: Incident, receiver: str, group: str) -> Received:
    """Returns an open incident as an alert of a receiver, about the companies of a group. Raises Invalid."""
    labels = {
        "name": f"{receiver}: {incident.title}",
        "supplier": receiver,
        "title": incident.title,
        "incident": incident.id,
        "company_group": group,
        "status": incident.status,
        "severity": incident.impact,
        "components": incident.components,
    }
    summary = incident.text or incident.title
    return bounded(Received(key=incident.id, state=AlertState.FIRING, labels=labels, summary=summary, url=incident.url))


class _Update(msgspec.Struct):
    body: str | None = None


class _Component(msgspec.Struct):
    name: str = ""


class _Reported(msgspec.Struct):
    id: str
    name: str
    status: str
    impact: str | None = None
    shortlink: str | None = None
    incident_updates: list[_Update] | None = None
    components: list[_Component] | None = None


class _Statuspage(msgspec.Struct):
    incidents: list[_Reported]


def _statuspage(content: bytes) -> Iterator[Incident]:
    """Reads `/api/v2/incidents.json` or `/api/v2/incidents/unresolved.json` (Atlassian Statuspage, API version 2)."""
    try:
        found = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=_Statuspage)
    except msgspec.ValidationError as refused:
        # The message names our types and paths, and nothing from the supplier.
        raise Invalid(f"The feed does not have the format of Statuspage: {str(refused).replace('`', '')}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("The feed is not valid JSON.") from None
    for one in found.incidents[:MOST_ENTRIES]:
        updates = one.incident_updates or []
        yield _incident(
            one.id,
            one.name,
            one.status,
            updates[0].body or "" if updates else "",
            one.shortlink,
            impact=one.impact or "",
            components=", ".join(component.name for component in (one.components or [])[:50]),
        )


def _entries(content: bytes, at: datetime) -> Iterator[Incident]:
    """Reads RSS or Atom. feedparser gets only the content, so it opens neither files nor connections."""
    import feedparser  # noqa: PLC0415 - most servers poll no feed

    _require_simple_xml(content)
    parsed: Any = feedparser.parse(io.BytesIO(content), sanitize_html=False, resolve_relative_uris=False)
    if not parsed.version:
        raise Invalid("The feed is neither Statuspage JSON nor RSS nor Atom.")
    for entry in parsed.entries[:MOST_ENTRIES]:
        bodies = [part.get("value") or "" for part in entry.get("content") or []]
        text = text_of_html(entry.get("summary") or next(iter(bodies), ""))
        title = text_of_html(entry.get("title") or "")
        said = _title_over.search(title) or _status_line.search(text)
        status = " ".join(said[1].lower().split()) if said else ""
        changed = next((entry[name] for name in ("updated_parsed", "published_parsed") if name in entry), None)
        if changed is not None and at - _instant(changed, at) > MOST_AGE:
            status = "resolved"
        link = entry.get("link") or None
        yield _incident(entry.get("id") or link or title, title, status, text, link)


def _incident(
    identity: str, title: str, status: str, text: str, url: str | None, *, impact: str = "", components: str = ""
) -> Incident:
    title = " ".join(title.split())
    return Incident(
        id=_storable(identity).strip()[:500],
        title=_storable(title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…"),
        status=_storable(status).strip().lower()[:50],
        impact=_storable(impact).strip().lower()[:50],
        components=_storable(components)[:500],
        text=_storable(text).strip()[:LONGEST_TEXT],
        url=_storable(url)[:2000] if url else None,
    )


def _storable(text: str) -> str:
    return unstacked(text.encode("utf-8", "replace").decode().replace("\0", ""))


def _instant(parsed: Sequence[int], at: datetime) -> datetime:
    """Returns a time of feedparser, which is in UTC; `at` if there is no such time."""
    try:
        return datetime.fromtimestamp(calendar.timegm(tuple(parsed)), UTC)
    except (ValueError, OverflowError, OSError):
        return at


def _require_simple_xml(content: bytes) -> None:
    """Raises Invalid unless the content is well-formed XML without entities of its own, and of limited size and depth.

    feedparser would read other content with a tolerant parser, which takes long for hostile content.
    """
    depth = elements = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if len(attributes) > MOST_ATTRIBUTES:
            raise Invalid("The feed has an element with too many attributes.")
        if depth > MOST_DEPTH or elements > MOST_ELEMENTS:
            raise Invalid("The feed has too many elements, or its elements are nested too deeply.")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: object) -> None:
        raise Invalid("The feed declares entities of its own, which no status feed needs.")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.EntityDeclHandler = start, end, refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError):
        raise Invalid("The feed is neither JSON nor well-formed XML.") from None
