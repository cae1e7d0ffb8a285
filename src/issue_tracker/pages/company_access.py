"""The company access of an account or a group mapping: how a form shows it, how it is read, what determines it."""

from issue_tracker.auth.group_mappings.queries import SCIM
from issue_tracker.company_access.queries import GrantedAccess
from issue_tracker.http.request import Request
from issue_tracker.pages.forms import Form
from issue_tracker.pages.pasted_companies import pasted_names

ACCESSES = {"all": "All companies", "limited": "Only the groups and companies below"}


def access_of(request: Request, form: Form) -> str | dict[str, list[str]] | None:
    """Returns the company access of the form as the API accepts it; None without it. Names alone also limit it."""
    named = {"company_groups": form.lines("company_groups"), "companies": pasted_names(request, form, "companies")}
    chosen = form.get("access") or ("limited" if any(named.values()) else None)
    return named if chosen == "limited" else chosen


def access_fields(granted: GrantedAccess | None) -> dict[str, str]:
    """Returns the fields of a form that shows a company access; None means all companies."""
    return {
        "access": "limited" if granted else "all",
        "company_groups": "\n".join(granted.company_groups) if granted else "",
        "companies": "\n".join(granted.companies) if granted else "",
    }


def access_sources(request: Request) -> dict[str, str]:
    """Returns the names of the sources whose groups may determine role and company access, by id."""
    return {provider.id: provider.name for provider in request.settings.providers} | {SCIM: "SCIM"}
