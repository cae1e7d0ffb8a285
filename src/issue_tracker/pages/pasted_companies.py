"""Company names that were typed or pasted into a form: which companies they mean, and which have to be checked.

Names that match exactly one company are accepted. The others are shown with choices, as fields of the same form; a
script offers the same choices during typing (static/js/company-names.js).
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from issue_tracker.api.companies import MOST_NAMES
from issue_tracker.companies import queries
from issue_tracker.companies.groups.queries import get_companies_in_groups
from issue_tracker.companies.matching import Match, match_text
from issue_tracker.companies.queries import Company
from issue_tracker.errors import FieldError, Invalid
from issue_tracker.http.request import Request
from issue_tracker.names import UNSTORABLE, key, storable
from issue_tracker.pages.forms import Form

T = TypeVar("T")

GROUPS, EXCEPT = "company_groups", "exclude"
"""The fields with the selected company groups, and with the companies to exclude."""

CHOICE = "choice:"
"""A field `choice:<name as typed>` contains the name of the selected company, or is empty to leave the name out."""


class UnclearNames(Invalid):
    """Some names are not exact names of companies. `unclear` contains the likely and the unknown ones."""

    def __init__(self, field: str, found: int, unclear: Sequence[Match], others: Sequence[FieldError] = ()) -> None:
        text = summary(found, unclear)
        super().__init__(text, fields=[*others, FieldError(field, text)])
        self.found = found
        self.unclear = list(unclear)


def summary(found: int, unclear: Sequence[Match]) -> str:
    """Returns a sentence with the numbers of found, likely and unknown names."""
    likely = sum(1 for match in unclear if match.match == "likely")
    unknown = [f"“{match.input}”" for match in unclear if match.match == "none"]
    parts = [
        *([f"{found} found"] if found else []),
        *([f"{likely} likely (please check)"] if likely else []),
        *([f"{len(unknown)} unknown: {', '.join(unknown)}"] if unknown else []),
    ]
    return ", ".join(parts)


def pasted_companies(request: Request, form: Form, field: str) -> list[Company]:
    """Returns the companies named in a text field, in the order of the text, without duplicates.

    Raises UnclearNames if the user has to choose, and Invalid if there are more names than can be checked together.
    """
    tx, actor = request.tx, request.actor
    text = form.get(field)
    if not text.strip():
        return []
    if not storable(text):
        raise Invalid.field(field, UNSTORABLE)
    choices = {name.removeprefix(CHOICE): value for name, value in form.pairs if name.startswith(CHOICE)}
    matches = match_text(queries.list_companies(tx, actor), text, MOST_NAMES)
    if matches is None:
        raise Invalid.field(field, f"must have at most {MOST_NAMES} names")
    names: list[str] = []
    unclear: list[Match] = []
    # Archived companies are found by their exact names, so that the operation can reject them with a reason.
    known = queries.find_companies(tx, actor, [match.input for match in matches if match.match != "exact"])
    for match in matches:
        if match.match == "exact" and match.company_name is not None:
            names.append(match.company_name)
        elif key(match.input) in known:
            names.append(match.input)
        elif match.input not in choices:
            unclear.append(match)
        elif choices[match.input]:
            names.append(choices[match.input])
    companies = queries.get_companies(tx, actor, names)
    chosen = {companies[key(name)].company_id: companies[key(name)] for name in names}
    if unclear:
        raise UnclearNames(field, len(chosen), unclear)
    return list(chosen.values())


def chosen_companies(request: Request, form: Form, field: str, more: Sequence[Company] = ()) -> list[Company]:
    """Returns the companies of a field, of the selected company groups and `more`, without the excluded companies.

    Archived companies of a group are left out. Raises as `pasted_companies` does, and NotFound for an unknown group.
    """
    named = pasted_companies(request, form, field)
    groups = form.all(GROUPS)
    excluded = {company.company_id for company in pasted_companies(request, form, EXCEPT)}
    grouped = get_companies_in_groups(request.tx, request.actor, groups) if groups else []
    chosen = {company.company_id: company for company in [*named, *more]}
    chosen |= {company.company_id: company for company in grouped if not company.archived}
    return [company for company_id, company in chosen.items() if company_id not in excluded]


def pasted_names(request: Request, form: Form, field: str) -> list[str]:
    """Returns the names of the companies in a text field. Raises as `pasted_companies` does."""
    return [company.name for company in pasted_companies(request, form, field)]


def with_pasted_companies(
    request: Request, form: Form, field: str, read: Callable[[], T], more: Sequence[Company] = ()
) -> tuple[T, list[Company]]:
    """Returns the result of `read` for the rest of a form, and its companies (`chosen_companies`). Raises the errors of
    both together.
    """
    try:
        companies = chosen_companies(request, form, field, more)
    except UnclearNames as names:
        try:
            read()
        except Invalid as others:
            raise UnclearNames(field, names.found, names.unclear, others.fields) from None
        raise
    return read(), companies


class AddedCompanies(msgspec.Struct, frozen=True):
    """The result of adding companies to an issue."""

    added: int
    assigned: int

    @property
    def sentence(self) -> str:
        """Returns a sentence such as “1 added, 3 were already assigned.”"""
        if not self.added and not self.assigned:
            return "No company was added."
        were = "was" if self.assigned == 1 else "were"
        return f"{self.added} added" + (f", {self.assigned} {were} already assigned." if self.assigned else ".")
