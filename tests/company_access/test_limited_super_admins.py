"""Super admins who see only some companies: their pages offer nothing that would be refused."""

import re

from tests.access import EXPECTED
from tests.alerts.test_alerts import send
from tests.company_access.limits import limited_super_admin
from tests.world import World

PAGES = (
    "/",
    "/companies",
    "/admin/companies",
    "/alerts",
    "/alerts?state=unsorted",
    "/alerts?state=resolved",
    "/issues/new",
)

REFUSED = [
    re.compile(f"{method} {re.sub(r'{[^}]+}', '[^/]+', path)}")
    for route, access in EXPECTED.items()
    if access == "unlimited super admin"
    for method, path in [route.split(" ")]
]

_links = re.compile(r'<a [^>]*?href="(/[^"?#]*)')
_forms = re.compile(r'<form method="post" action="(/[^"?#]*)')


def offered(html: str) -> set[str]:
    """Returns the methods and paths of all links and forms on a page."""
    return {f"GET {path}" for path in _links.findall(html)} | {f"POST {path}" for path in _forms.findall(html)}


def refused(world: World, who: str) -> set[str]:
    """Returns what pages offer to a user, although only super admins who see all companies may do it."""
    client = world.client(who)
    found = set().union(*(offered(client.get(path).text) for path in PAGES))
    assert "GET /issues/new" in found
    return {one for one in found if any(route.fullmatch(one) for route in REFUSED)}


def test_pages_offer_nothing_that_would_be_refused(world: World) -> None:
    send(world.bearer("omar"), key="u", company="Unknown")
    for companies in ((), ("Contoso",)):
        limited_super_admin(world, "tess", *companies)
        assert refused(world, "tess") == set()
    assert {"POST /admin/companies", "GET /admin/users", "GET /admin/alerts/rules/new"} <= refused(world, "ada")
