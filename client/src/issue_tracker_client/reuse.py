"""The basis of a new issue: issues with similar names, and templates.

Every function raises Refused (its subclass by status) when the server refuses, and Unreachable when there is no
response.
"""

from issue_tracker_client.models import Listing, Model, decoder
from issue_tracker_client.session import Session
from issue_tracker_client.spelling import query_pairs
from issue_tracker_client.steps import Plan, Request


class SimilarIssue(Model, frozen=True, kw_only=True):
    """An issue with a similar name. `former_name` is its earlier name, if only that one is similar. `open` and `total`
    count its companies.
    """

    issue_id: int
    name: str
    former_name: str | None = None
    open: int = 0
    total: int = 0


class Template(Model, frozen=True, kw_only=True):
    """The initial content of a new issue. In `name_pattern`, `{date}`, `{month}` and `{time}` stand for the values in
    UTC.
    """

    template_id: int
    name: str
    name_pattern: str | None = None
    description: str | None = None
    severity: str | None = None
    tags: tuple[str, ...] = ()
    company_groups: tuple[str, ...] = ()
    company_names: tuple[str, ...] = ()
    first_update: str | None = None
    first_update_public: bool = False


read_similar = decoder(Listing[SimilarIssue])
read_templates = decoder(Listing[Template])


def similar_issues(session: Session, name: str, *, limit: int | None = None) -> Plan[Listing[SimilarIssue]]:
    """Returns the issues that have, or had, a name like this one, the most similar first; at most `limit` (1 to 50, by
    default 6).
    """
    query = query_pairs({"name": name, "limit": limit})
    return read_similar((yield from session.perform(Request("GET", "/api/similar-issues", query))))


def templates(session: Session) -> Plan[Listing[Template]]:
    """Returns the templates of issues by name.

    `description`, `severity`, `tags` and `company_groups` have the form of the arguments of `create_issue`, and so have
    the `company_names` as its `companies`; `first_update` is a body for `add_update`.
    """
    return read_templates((yield from session.perform(Request("GET", "/api/templates"))))
