"""Finds the company that an entered or pasted name means: exactly, probably, or none (contract, section 13)."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Literal

import msgspec

from issue_tracker.companies.pasted import split_names
from issue_tracker.companies.queries import Company
from issue_tracker.names import key

CANDIDATES = 5
"""Maximum number of candidates for one name."""

LIKELY = 82.0
"""Minimum similarity, of 100, of two simplified names for one to be a candidate for the other. One wrong letter in a
word of six letters gives 83."""

SHORTEST = 3
"""Minimum length of a simplified name that is compared by similarity, because every name resembles a single letter."""

_APOSTROPHES = re.compile(r"['’‘`´ʼ]")
_NO_WORD = re.compile(r"[^0-9a-z]+")


class Match(msgspec.Struct, frozen=True):
    """The meaning of one name. `candidates` are names of companies, the most likely first.

    - `exact`: it is the name of one company, ignoring case, accents, punctuation and the legal form.
    - `likely`: it is similar to a company's name, or is exactly that of several companies; a person has to choose.
    - `none`: no company has a similar name; `company_name` is null.
    """

    input: str
    match: Literal["exact", "likely", "none"]
    company_name: str | None
    candidates: list[str]


def match_text(companies: Sequence[Company], text: str, most: int) -> list[Match] | None:
    """Returns the matches of the names in a pasted text among these companies; see `pasted.split_names`.

    Returns None if the text contains more than `most` names.
    """
    directory = Directory(companies)
    names = list(islice(split_names(text, directory.has, directory.is_name), most + 1))
    return None if len(names) > most else [directory.match(name) for name in names]


def match_names(companies: Sequence[Company], names: Sequence[str]) -> list[Match]:
    """Returns the match of each of these names among these companies."""
    directory = Directory(companies)
    return [directory.match(name) for name in names]


class Directory:
    """Companies by their names, in full and simplified."""

    def __init__(self, companies: Sequence[Company]) -> None:
        self._by_key = {key(company.name): company.name for company in companies}
        self._by_form: dict[str, list[str]] = {}
        for company in companies:
            self._by_form.setdefault(simplified(company.name), []).append(company.name)
        self._forms = list(self._by_form)

    def has(self, name: str) -> bool:
        """Returns whether a company has this name, simplified or not."""
        return bool(self._same(name))

    def is_name(self, name: str) -> bool:
        """Returns whether this is the name of a company, and not only similar to one."""
        return key(name) in self._by_key

    def exact(self, name: str) -> str | None:
        """Returns the company that a name means exactly, or None. Much faster than `match` if there is none."""
        same = self._same(name)
        return same[0] if len(same) == 1 else None

    def match(self, name: str) -> Match:
        """Returns the match of a name."""
        same = self._same(name)
        if len(same) == 1:
            return Match(name, "exact", same[0], same)
        candidates = (same or self._alike(simplified(name)))[:CANDIDATES]
        if candidates:
            return Match(name, "likely", candidates[0], candidates)
        return Match(name, "none", None, [])

    def _same(self, name: str) -> list[str]:
        """Returns the company with this name, or otherwise those whose simplified names are equal to it."""
        exact = self._by_key.get(key(name.strip()))
        if exact is not None:
            return [exact]
        form = simplified(name)
        return self._by_form.get(form, []) if form else []

    def _alike(self, form: str) -> list[str]:
        """Returns similar names: by their letters, or because one name contains all words of the other."""
        from rapidfuzz import fuzz, process  # noqa: PLC0415 - most servers never need this megabyte

        if len(form) < SHORTEST:
            return []
        scores: dict[str, float] = {}
        for scorer in (fuzz.ratio, fuzz.token_sort_ratio, fuzz.token_set_ratio):
            for found, score, _ in process.extract(
                form, self._forms, scorer=scorer, processor=None, score_cutoff=LIKELY, limit=CANDIDATES
            ):
                # Words in common are weaker evidence than similar letters.
                weighed = score * (0.95 if scorer is fuzz.token_set_ratio else 1)
                scores[found] = max(scores.get(found, 0.0), weighed)
        ordered = sorted(scores, key=lambda found: (-scores[found], found))
        return [name for found in ordered for name in self._by_form[found]]


@lru_cache(maxsize=20_000)
def simplified(name: str) -> str:
    """Returns a name in lower-case ASCII, without accents, punctuation and legal form; single spaces separate words."""
    from anyascii import anyascii  # noqa: PLC0415 - most servers never need it
    from cleanco import basename  # type: ignore[import-untyped]  # noqa: PLC0415 - like anyascii

    text = _APOSTROPHES.sub("", anyascii(name))
    return _words(basename(text)) or _words(text)


def _words(text: str) -> str:
    return _NO_WORD.sub(" ", text.lower()).strip()
