"""Finds the companies that a rule means by a text from a label."""

import re
from functools import cached_property

from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.alerts.rules import CompanyBy
from issue_tracker.companies.groups.queries import find_group_companies, list_group_names
from issue_tracker.companies.matching import Directory
from issue_tracker.companies.queries import Company, list_companies
from issue_tracker.names import key

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

    def known(self, by: CompanyBy, text: str) -> list[str]:
        """Returns the names of the companies, like `names`, but only of companies that exist and are not archived.

        Meant for many texts that mean no company: all companies and groups are read once, instead of one for each text.
        """
        if by is CompanyBy.NAME:
            name = self._companies.get(key(text))
            return [] if name is None else [name]
        if by is CompanyBy.GROUP and key(text) not in self._groups:
            return []
        return self.names(by, text)

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
        return sorted({name for tag in tags if (name := self._directory.exact(tag)) is not None})

    @cached_property
    def _directory(self) -> Directory:
        return Directory(self._unarchived)

    @cached_property
    def _unarchived(self) -> list[Company]:
        return list_companies(self._tx, self._actor)

    @cached_property
    def _companies(self) -> dict[str, str]:
        """The names of the companies that are not archived, by look-up key."""
        return {key(company.name): company.name for company in self._unarchived}

    @cached_property
    def _groups(self) -> frozenset[str]:
        """The look-up keys of the names of all groups."""
        return frozenset(key(name) for name in list_group_names(self._tx, self._actor))
