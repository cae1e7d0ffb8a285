"""The handover as a text for a chat or a ticket. Times are in UTC; the page can replace them by local times."""

import re
from collections.abc import Iterator

import msgspec

from issue_tracker.clock import iso, to_the_minute
from issue_tracker.issues.handover import Became, Handover, Story
from issue_tracker.issues.updates.queries import PlacedUpdate
from issue_tracker.pages.moments import duration
from issue_tracker.status import LABELS, Status

TITLES = {Became.STARTED: "Started", Became.CHANGED: "Changed", Became.ENDED: "Ended"}

MOST_NAMES = 5
"""Maximum number of companies to name; the others are counted."""


class Style(msgspec.Struct, frozen=True):
    """The style of a text: the prefixes of headings and items, and whether it is Markdown."""

    heading: str
    item: str
    markdown: bool

    def name(self, text: str) -> str:
        """Returns a name, escaped for Markdown if necessary, because names may contain any characters."""
        return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", text) if self.markdown else text

    def linked(self, text: str, url: str) -> str:
        """Returns the name of an issue, in Markdown as a link."""
        return f"[{self.name(text)}]({url})" if self.markdown else text


TEXT = Style("", "- ", markdown=False)
MARKDOWN = Style("## ", "- ", markdown=True)


def handover_text(handover: Handover, style: Style, url: str) -> str:
    """Returns the handover as a text. `url` is the public URL of this site."""
    return "\n".join(_lines(handover, style, url)) + "\n"


def _lines(handover: Handover, style: Style, url: str) -> Iterator[str]:
    since, until = to_the_minute(iso(handover.since)), to_the_minute(iso(handover.at))
    yield f"{'# ' if style.markdown else ''}Handover, {since} to {until}"
    if handover.people:
        yield ""
        yield "Changes by " + ", ".join(f"{style.name(name)} ({number})" for name, number in handover.people)
    if handover.overdue:
        yield from _heading(style, "Update overdue", len(handover.overdue))
        for due in handover.overdue:
            name = style.linked(due.name, f"{url}/issues/{due.issue_id}")
            yield f"{style.item}{name}: due {to_the_minute(due.since)}" + (
                f", {style.name(due.owner)}" if due.owner else ", no owner"
            )
    for became, title in TITLES.items():
        stories = handover.became(became)
        if stories:
            yield from _heading(style, title, len(stories))
        for story in stories:
            yield from _story(story, style, url)
    if handover.large:
        yield from _heading(style, "Large changes", len(handover.large))
        for entry in handover.large:
            yield f"{style.item}{to_the_minute(entry.at)} {style.name(' '.join((entry.by, *entry.words)))}"
    if handover.longest:
        yield from _heading(style, "Down for the longest", len(handover.longest))
        for outage in handover.longest:
            name = style.linked(outage.issue_name, f"{url}/issues/{outage.issue_id}")
            names = [style.name(company) for company in outage.company_names[:MOST_NAMES]]
            more = len(outage.company_names) - len(names)
            listed = ", ".join(names) + (f" and {more} more" if more else "")
            yield f"{style.item}{name}: {duration(handover.at - outage.since)}, {listed}"
    if not (handover.stories or handover.large):
        yield ""
        yield "Nothing has changed."
    if handover.more:
        yield ""
        yield "There were more changes than are listed here."


def _heading(style: Style, title: str, number: int) -> Iterator[str]:
    yield ""
    yield f"{style.heading}{title} ({number})"
    if style.markdown:
        yield ""


def _story(story: Story, style: Style, url: str) -> Iterator[str]:
    name = style.name(story.name)
    if story.issue_id is not None:
        name = style.linked(story.name, f"{url}/issues/{story.issue_id}")
    yield f"{style.item}{name}{_state(story, style)}"
    for entry in story.entries:
        note = f": {style.name(' '.join(entry.note.split()))}" if entry.note else ""
        yield f"  {style.item}{to_the_minute(entry.at)} {style.name(' '.join((entry.by, *entry.words)))}{note}"
    for placed in story.updates:
        yield f"  {style.item}{_said(placed, style)}"


def _state(story: Story, style: Style) -> str:
    if story.facts is None:
        return " (merged)" if story.merged else " (deleted)"
    counts = ", ".join(f"{number} {LABELS[Status(status)].lower()}" for status, number in story.status_counts)
    facts = [counts or "no company"]
    if story.facts.severity:
        facts.append(f"severity {story.facts.severity.label.lower()}")
    facts.append(style.name(story.facts.owner.name) if story.facts.owner else "no owner")
    return f" ({'; '.join(facts)})"


def _said(placed: PlacedUpdate, style: Style) -> str:
    """Returns an update on one line. Its text is already Markdown."""
    update = placed.update
    body = " ".join(update.body.split())
    audience = "public" if update.public else "internal"
    return f"{to_the_minute(update.at)} {style.name(update.actor.name)} ({audience}): {body}"
