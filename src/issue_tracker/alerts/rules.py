"""Rules: which issue and company an alert of a receiver is about, and after which delay it changes them.

The first rule whose conditions all hold applies. If there is none, `DEFAULT` applies; an alert without a usable issue
or company is unsorted.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from issue_tracker.issues.models import Severity
from issue_tracker.looks import illegible
from issue_tracker.names import IssueName, parse_issue_name

Text = Annotated[str, Meta(max_length=255)]
MOST_CHANGES = 50
"""Maximum number of changes of state that are stored for an alert."""

Minutes = Annotated[int, Meta(ge=0, le=1440)]

_placeholder = re.compile(r"\{([^{}]*)\}")


class Operator(StrEnum):
    """How a condition compares a label. In a `like` pattern, `*` matches any text; comparisons ignore case."""

    IS = "is"
    IS_NOT = "is_not"
    LIKE = "like"
    NOT_LIKE = "not_like"


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A condition on a label. A label that the alert does not have counts as empty."""

    label: Annotated[str, Meta(min_length=1, max_length=100)]
    operator: Operator = Operator.IS
    value: Text = ""

    def holds(self, labels: Mapping[str, str]) -> bool:
        actual, value = labels.get(self.label, "").strip().casefold(), self.value.strip().casefold()
        pattern = value.replace("[", "[[]").replace("?", "[?]")
        same = actual == value if self.operator in (Operator.IS, Operator.IS_NOT) else fnmatchcase(actual, pattern)
        return same is (self.operator in (Operator.IS, Operator.LIKE))


class CompanyBy(StrEnum):
    """How the company is found.

    - `name`: the company has this name.
    - `likeness`: the company is the only one whose name is similar to the text.
    - `tag`: the text is a list of tags, separated by commas, semicolons or, without these, spaces. It means every
      company whose name equals a tag, apart from accents, punctuation and the legal form.
    - `group`: the text is the name of a group, and means all its companies.
    """

    NAME = "name"
    LIKENESS = "likeness"
    TAG = "tag"
    GROUP = "group"

    @property
    def several(self) -> bool:
        """Whether one alert can be about several companies."""
        return self in (CompanyBy.TAG, CompanyBy.GROUP)


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How alerts are handled for which all conditions hold.

    `issue` and `company` are templates: `{name}` is replaced by the value of the label `name`, `{a|b}` by that of the
    first label that has one. `severity` is the severity of an issue that the alert opens; null means the label
    `severity`. A firing alert opens nothing for `hold_minutes`; a resolved one clears nothing until it has been
    resolved for `steady_minutes`. A cleared assignment gets the status `cleared_status`.

    An alert that has changed its state more than `flap_changes` times within `flap_minutes` is flapping: it clears
    nothing until it has been resolved for `flap_minutes`. With 0 changes, no alert is flapping.
    """

    receiver: Text | None = None
    conditions: Annotated[list[Condition], Meta(max_length=20)] = []
    ignore: bool = False
    issue: Text = "{issue|alertname|name|check}"
    company: Text = "{company|customer|client|tenant}"
    company_by: CompanyBy = CompanyBy.NAME
    severity: Severity | None = None
    hold_minutes: Minutes = 0
    steady_minutes: Minutes = 0
    flap_changes: Annotated[int, Meta(ge=0, le=MOST_CHANGES)] = 10
    flap_minutes: Annotated[int, Meta(ge=1, le=1440)] = 60
    cleared_status: Literal["resolved", "monitoring"] = "resolved"

    def matches(self, receiver: str, labels: Mapping[str, str]) -> bool:
        """Returns whether the rule applies to this receiver and all conditions hold."""
        return self.receiver in (None, receiver) and all(condition.holds(labels) for condition in self.conditions)


DEFAULT = Rule()
"""The rule for alerts that match no stored rule."""

SEVERITIES = {
    **dict.fromkeys(("critical", "disaster", "fatal", "emergency", "page"), Severity.CRITICAL),
    **dict.fromkeys(("high", "error", "major"), Severity.HIGH),
    **dict.fromkeys(("medium", "average", "warning", "minor"), Severity.MEDIUM),
    **dict.fromkeys(("low", "information", "info", "notice"), Severity.LOW),
}
"""The names that senders use for severities, in lower case."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the rules for one alert. `issue` is None if the template yields no valid name of an issue.

    `company_by` is that of the rule, except for an alert whose companies are those of the feed's group.
    """

    rule: Rule
    issue: IssueName | None
    company: str
    company_by: CompanyBy
    severity: Severity | None


def decide(rules: Iterable[Rule], receiver: str, labels: Mapping[str, str], *, group: str | None = None) -> Decision:
    """Applies the first rule that matches, or else the default.

    `group` is the company group whose companies an alert is about for which the rule finds no company.
    """
    rule = next((rule for rule in rules if rule.matches(receiver, labels)), DEFAULT)
    severity = rule.severity or SEVERITIES.get(labels.get("severity", "").strip().casefold())
    issue = _issue_name(filled(rule.issue, labels))
    company, company_by = filled(rule.company, labels)[:255], rule.company_by
    if group and not company:
        company, company_by = group, CompanyBy.GROUP
    return Decision(rule=rule, issue=issue, company=company, company_by=company_by, severity=severity)


def filled(template: str, labels: Mapping[str, str]) -> str:
    """Returns the template with the values of the labels inserted; an absent label is empty."""

    def value(found: re.Match[str]) -> str:
        names = (name.strip() for name in found[1].split("|"))
        return next((labels[name] for name in names if labels.get(name)), "")

    return _placeholder.sub(value, template).strip()


def _issue_name(text: str) -> IssueName | None:
    """Returns the text as the name of a new issue; None if it is not a valid name."""
    try:
        # A joiner at the end has nothing to join.
        name = parse_issue_name(text if len(text) <= 255 else text[:255].rstrip("\u200c\u200d"))
    except ValueError:
        return None
    return None if illegible(name) else name
