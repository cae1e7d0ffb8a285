"""Finds the companies that a rule means by a text from a label."""

import re
from functools import cached_property

from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.alerts.rules import CompanyBy
from issue_tracker.companies.groups.queries import find_group_companies
from issue_tracker.companies.matching import Directory
from issue_tracker.companies.queries import list_companies

_lists = re.compile(r"[,;]")


class CompanySearch:
    """Finds companies in one transaction. Each text is looked up once, however many alerts contain it."""

    def __init__(self, tx: Connection, actor: Actor) -> None:
        self._tx = tx
        self._actor = actor
        self._found: dict[tuple[CompanyBy, str], list[str]] = {}

    def names(self, by: CompanyBy, text: str) -> list[str]:
        """Returns the names of the companies: at most one, except for a group and for tags.

        By NAME, the text itself is returned, whether or not a company has that name.
        """
        if (by, text) not in self._found:
            self._found[by, text] = self._names(by, text)
        return self._found[by, text]

    def _names(self, by: CompanyBy, text: str) -> list[str]:
        if by is CompanyBy.NAME or not text:
            return [text] if text else []
        if by is CompanyBy.GROUP:
            found = find_group_companies(self._tx, self._actor, text)
            return [company.name for company in found if not company.archived]
        if by is CompanyBy.LIKENESS:
            candidates = self._directory.match(text).candidates
            return candidates if len(candidates) == 1 else []
        tags = _lists.split(text) if _lists.search(text) else text.split()
        matches = (self._directory.match(tag.strip()) for tag in tags)
        return sorted({match.company_name for match in matches if match.match == "exact" and match.company_name})

    @cached_property
    def _directory(self) -> Directory:
        return Directory(list_companies(self._tx, self._actor))
