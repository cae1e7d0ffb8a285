"""The order by `open_count`, the number of listed assignments of an issue that are open."""

from tests.clients import Client
from tests.company_access.limits import limit
from tests.world import World

NAMES = ("Contoso", "Fabrikam", "Acme Manufacturing")


def names(client: Client, query: str) -> list[str]:
    return [issue["name"] for issue in client.call("GET", f"/api/issues?{query}", 200)["items"]]


def test_lists_can_be_sorted_by_the_number_of_open_companies(world: World) -> None:
    first, second, third = NAMES
    world.given_issue("None", {first: "closed"})
    world.given_issue("Nobody")
    world.given_issue("Two", {first: "new", second: "monitoring", third: "resolved"})
    world.given_issue("Three of the network", dict.fromkeys(NAMES, "in_progress"))
    world.given_issue("One", {third: "new", first: "resolved"})
    tess = world.client()

    assert names(tess, "sort=-open_count") == ["Three of the network", "Two", "One", "Nobody", "None"]
    assert names(tess, "sort=open_count") == ["None", "Nobody", "One", "Two", "Three of the network"]
    assert names(tess, "sort=-open_count&open=true") == ["Three of the network", "Two", "One"]
    assert names(tess, "sort=-open_count&open=false") == ["One", "Two", "None"]
    assert names(tess, "sort=-open_count&status=new&status=resolved") == ["One", "Two"]
    assert names(tess, f"sort=-open_count&companyName={third}") == ["One", "Three of the network", "Two"]
    assert names(tess, "sort=-open_count&search=network") == ["Three of the network"]
    assert names(tess, "sort=-open_count&words=network contoso") == ["Three of the network"]
    assert names(tess, "sort=-open_count&search=o") == ["Three of the network", "Two", "One", "Nobody", "None"]
    paged, link = [], "/api/issues?sort=-open_count&limit=2"
    while link:
        response = tess.get(link)
        paged += [issue["name"] for issue in response.json()["items"]]
        link = response.links.get("next", {}).get("url", "")
    assert paged == ["Three of the network", "Two", "One", "Nobody", "None"]
    tess.call("GET", "/api/issues?sort=-open_count&cursor=x", 422)

    limit(world, third)
    assert names(tess, "sort=-open_count") == ["One", "Three of the network", "Two"]
