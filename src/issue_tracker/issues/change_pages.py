"""Changing statuses from pages: one by plain form, many after a review, and taking it back.

Forms name assignments as `on=<issue>-<company>`, any number of them, over any number of issues; those that change
something say what they showed as well: `on=<issue>-<company>-<status>`, or `-none`. Where somebody else was faster,
nothing is changed, and the reader is told who, when and to what. Whatever one form changes is one transaction and one
request id.
"""

import re
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from issue_tracker.clock import iso, now
from issue_tracker.companies.queries import Company, get_companies_by_id
from issue_tracker.errors import AppError, Invalid, NotFound
from issue_tracker.events.history import last_move
from issue_tracker.issues import queries
from issue_tracker.issues.bulk import BulkResult, Outcome, set_statuses
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.overview import stragglers_first
from issue_tracker.issues.undo import undo
from issue_tracker.names import Note
from issue_tracker.status import Status
from issue_tracker.web.answer import Answer
from issue_tracker.web.context import Context
from issue_tracker.web.navigation import local, redirect
from issue_tracker.web.pages import Form, PageRoutes, read, wants_json
from issue_tracker.web.templating import COOKIE_LIMIT, Flash, flash_cookie, fragment, page

routes = PageRoutes()

VERBS = {Status.RESOLVED: "Resolve", Status.CLOSED: "Close"}
CLOSED_STAYS = "closed, and changes of many leave closed ones alone"

NONE = "none"
"""What a form says for a company that it showed as not affected."""

_on = re.compile(r"([1-9]\d{0,17})-([1-9]\d{0,17})(?:-([a-z_]+))?")


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """What a form asks for: a status, perhaps with a note."""

    status: Status
    note: Note | None = None


class Asked(msgspec.Struct, frozen=True):
    """An issue and those of its companies that a form names, with the statuses that it showed."""

    issue: IssueHead
    companies: list[Company]
    seen: dict[int, str] = {}


class ReviewedMember(msgspec.Struct, frozen=True):
    """A company that would change, with the status that it has; or one that would not, and why."""

    on: str
    issue_name: str
    company_name: str
    status: str | None = None
    why: str = ""


class ReviewPart(msgspec.Struct, frozen=True):
    """Who would change in one issue."""

    issue_name: str
    changed: list[ReviewedMember]


class Review(msgspec.Struct, frozen=True):
    """What a change of many would do, to be confirmed."""

    status: str
    note: str
    parts: list[ReviewPart]
    skipped: list[ReviewedMember]
    title: str
    moved: list["MovedPlace"] = []

    @property
    def count(self) -> int:
        return sum(len(part.changed) for part in self.parts)

    @property
    def verb(self) -> str:
        status = Status(self.status)
        return VERBS.get(status, f"Set to {status.label}:")


class ChangedPlace(msgspec.Struct, frozen=True):
    """An assignment as it stands now, for the page that shows it. Without a status it is assigned no more."""

    on: str
    status: str | None
    at: str


class MovedPlace(msgspec.Struct, frozen=True):
    """An assignment that somebody else moved since the form showed it: where it is now, who did it, and when."""

    on: str
    company_name: str
    status: str | None
    by: str
    at: str


class Outcomes(msgspec.Struct, frozen=True):
    """What was done, in one sentence, and where; or what somebody else was faster with, and then nothing was done."""

    text: str
    changed: list[ChangedPlace]
    moved: list[MovedPlace] = []


class Choice(msgspec.Struct, frozen=True):
    """One assignment whose status is to be chosen; without a status it is not affected so far."""

    on: str
    issue_id: int
    issue_name: str
    company_name: str
    status: str | None
    note: str = ""
    moved: MovedPlace | None = None


@routes.get("/assignments")
def choose(request: Context) -> Answer:
    """Choose the status of one assignment: what a press on a status does without script."""
    parameters = dict(request.call.query)
    [asked] = _asked(request.tx, request, [parameters.get("on", "")])
    return _choose(request, asked, local(parameters.get("next", ""), f"/issues/{asked.issue.issue_id}"))


def _choose(request: Context, asked: Asked, back: str, note: str = "", moved: MovedPlace | None = None) -> Answer:
    [company] = asked.companies
    held = queries.list_assignments(request.tx, asked.issue.issue_id, company_id=company.company_id)
    status = held[0].status.value if held else None
    on = f"{asked.issue.issue_id}-{company.company_id}"
    choice = Choice(on, asked.issue.issue_id, asked.issue.name, company.name, status, note, moved)
    code = 200 if moved is None else 409
    return page(request, "issues/change.html", place="issues", status=code, change=choice, next=back)


def _nothing_ticked(request: Context, form: Form, error: AppError) -> Answer:
    """Back to where nothing was ticked, with the note that was typed, if a cookie can hold it.

    Any other refusal is an error page; the browser's way back has the form as it was filled in.
    """
    cookie = flash_cookie(Flash(error.detail, note=form.get("note"), wrong=True))
    if not isinstance(error, _NothingTicked) or len(cookie) > COOKIE_LIMIT:
        raise error
    return redirect(local(form.get("next")), cookie)


@routes.post("/assignments/review", transaction=False, refused=_nothing_ticked)
def review_selection(request: Context, form: Form) -> Answer:
    """Says who would change, and who is skipped and why. Changes nothing."""
    with request.database.read() as tx:
        reading = request.within(tx)
        asked = _asked(tx, reading, form.all("on"))
        return _review(reading, asked, _wanted(form), local(form.get("next")))


@routes.get("/issues/{issue_id}/resolve")
def review_everyone(request: Context, issue_id: int) -> Answer:
    """As `review_selection`, for resolving an issue for every company that it affects."""
    issue = queries.get_issue_head_by_id(request.tx, request.actor, issue_id)
    members = stragglers_first(queries.load_issues(request.tx, request.actor, [issue_id])[0])
    known = get_companies_by_id(request.tx, [member.company_id for member in members])
    everyone = Asked(issue, [known[member.company_id] for member in members])
    return _review(request, [everyone], Wanted(Status.RESOLVED), f"/issues/{issue_id}", everyone=True)


def _review(
    request: Context,
    asked: list[Asked],
    wanted: Wanted,
    back: str,
    *,
    everyone: bool = False,
    moved: Sequence[MovedPlace] = (),
) -> Answer:
    parts: list[ReviewPart] = []
    skipped: list[ReviewedMember] = []
    for each in asked:
        changed: list[ReviewedMember] = []
        for company, result in zip(each.companies, _set(request, each, wanted, dry_run=True), strict=True):
            member = ReviewedMember(
                f"{each.issue.issue_id}-{company.company_id}",
                each.issue.name,
                company.name,
                result.before,
                _why(result),
            )
            (changed if result.outcome is Outcome.CHANGED else skipped).append(member)
        parts.append(ReviewPart(each.issue.name, changed))
    title = "Resolve for everyone?" if everyone else f"Set to {wanted.status.label}?"
    review = Review(wanted.status.value, wanted.note or "", parts, skipped, title, list(moved))
    if "x-fragment" in request.call.headers:
        return fragment(request, "issues/review_form.html", heading="h2", review=review, next=back)
    code = 409 if moved else 200
    return page(request, "issues/review.html", place="issues", status=code, review=review, next=back)


@routes.post("/assignments/bulk")
def change_selection(request: Context, form: Form) -> Answer:
    """Sets the status of all that the form names; `single` lets it leave closed, as it was chosen by name."""
    wanted = _wanted(form)
    changed, skipped = [], 0
    every = _asked(request.tx, request, form.all("on"), lock=True)
    moved = [place for each in every for place in _moved(request, each, wanted.status)]
    if moved:
        if wants_json(request.call):
            return Answer.json(Outcomes("Somebody else was faster; nothing was changed.", [], moved))
        back = local(form.get("next"))
        if form.get("single"):
            return _choose(request, every[0], back, wanted.note or "", moved[0])
        return _review(request, every, wanted, back, moved=moved)
    for each in every:
        results = _set(request, each, wanted, single=bool(form.get("single")))
        for company, result in zip(each.companies, results, strict=True):
            if result.outcome is Outcome.CHANGED:
                changed.append(f"{each.issue.issue_id}-{company.company_id}")
            else:
                skipped += 1
    companies = f"{len(changed)} {'company' if len(changed) == 1 else 'companies'}"
    text = f"{companies} set to {wanted.status.label}." if changed else "Nothing had to be changed."
    text += f" {skipped} skipped." if skipped and changed else ""
    if wants_json(request.call):
        at = iso(now())
        return Answer.json(Outcomes(text, [ChangedPlace(on, wanted.status.value, at) for on in changed]))
    flash = Flash(text, request.call.request_id if changed else None)
    return redirect(local(form.get("next")), flash_cookie(flash))


@routes.post("/undo")
def take_back(request: Context, form: Form) -> Answer:
    """Takes back what one's own request changed, where nobody moved it since."""
    undone = undo(request.tx, request.actor, form.get("request_id"))
    text = f"{len(undone)} taken back." if undone else "Someone changed it since; nothing was taken back."
    if wants_json(request.call):
        at = iso(now())
        places = [ChangedPlace(f"{each.issue_id}-{each.company_id}", each.status, at) for each in undone]
        return Answer.json(Outcomes(text, places))
    return redirect(local(form.get("next")), flash_cookie(Flash(text)))


def _moved(request: Context, asked: Asked, wanted: Status) -> list[MovedPlace]:
    """Those that are no more as the form showed them, nor as it wants them."""
    members = queries.list_members(request.tx, asked.issue.issue_id)
    held = {member.company.company_id: member.status for member in members}
    moved = []
    for company in asked.companies:
        status = held.get(company.company_id)
        stands = NONE if status is None else status.value
        if status is wanted or asked.seen.get(company.company_id, stands) == stands:
            continue
        entry = last_move(request.tx, request.actor, asked.issue.issue_id, company.company_id)
        on = f"{asked.issue.issue_id}-{company.company_id}"
        moved.append(MovedPlace(on, company.name, status, entry.actor, entry.at))
    return moved


def _wanted(form: Form) -> Wanted:
    return read({"status": form.get("status"), "note": form.get("note")}, Wanted)


def _set(
    request: Context, asked: Asked, wanted: Wanted, *, dry_run: bool = False, single: bool = False
) -> list[BulkResult]:
    [first, *others] = asked.companies
    chosen_by_name = single and not others
    held = queries.list_assignments(request.tx, asked.issue.issue_id, company_id=first.company_id)
    return set_statuses(
        request.tx,
        request.actor,
        asked.issue,
        wanted.status,
        names=[company.name for company in asked.companies],
        only_from=tuple(Status) if chosen_by_name and held else (),
        note=wanted.note or None,
        dry_run=dry_run,
    )


def _asked(tx: Connection, request: Context, places: Sequence[str], *, lock: bool = False) -> list[Asked]:
    """What the form names, by issue. Locked in the order of ids, so that two such forms never wait for each other."""
    chosen: dict[int, dict[int, str | None]] = {}
    for place in dict.fromkeys(places):
        found = _on.fullmatch(place)
        if found is None:
            raise Invalid("The form names something that cannot be.") if place else _NothingTicked()
        chosen.setdefault(int(found[1]), {})[int(found[2])] = found[3]
    if not chosen:
        raise _NothingTicked
    known = get_companies_by_id(tx, {company_id for ids in chosen.values() for company_id in ids})
    asked = []
    for issue_id in sorted(chosen):
        issue = queries.get_issue_head_by_id(tx, request.actor, issue_id, lock=lock)
        missing = [company_id for company_id in chosen[issue_id] if company_id not in known]
        if missing:
            raise NotFound("A company that you ticked does not exist any more.")
        seen = {company_id: status for company_id, status in chosen[issue_id].items() if status is not None}
        asked.append(Asked(issue, [known[company_id] for company_id in chosen[issue_id]], seen))
    return asked


class _NothingTicked(Invalid):
    def __init__(self) -> None:
        super().__init__("Tick at least one company.")


def _why(result: BulkResult) -> str:
    if result.outcome is Outcome.UNCHANGED and result.before is not None:
        return f"already {result.before.label}"
    return CLOSED_STAYS if result.outcome is Outcome.SKIPPED else ""
