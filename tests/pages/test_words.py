"""The search field finds words of the name, of the description, and of the affected companies."""

import re
from html import unescape

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import Browse
from tests.world import World


def scene(world: World) -> None:
    world.given_companies("Quill & Sons")
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "resolved"}, "Packet loss at the relay")
    world.given_issue("Broken phones", {"Quill & Sons": "investigating"}, "The relay of the exchange")
    world.given_issue("Old relay", {"Contoso": "closed"})


def test_the_api_finds_words(world: World) -> None:
    scene(world)
    client = world.client()

    def found(**query: str) -> list[str]:
        return [issue["name"] for issue in client.call("GET", "/api/issues", 200, params=query)["items"]]

    assert found(words="relay packet") == ["Slow mail"]
    assert found(words="PACKET  slow relay") == ["Slow mail"]
    assert found(words="packet phones") == []
    assert found(words="quill") == ["Broken phones"]
    assert found(words="relay contoso") == ["Old relay", "Slow mail"]
    assert found(words="relay contoso", open="true") == ["Slow mail"]
    assert found(words='"the relay"') == ["Broken phones", "Slow mail"]
    assert found(words="of") == ["Broken phones"]
    assert found(words="re la", sort="-name") == ["Slow mail", "Old relay", "Broken phones"]
    assert found(words="%") == [] and found(words="") == ["Broken phones", "Old relay", "Slow mail"]
    # `search` still finds a literal part of the name or description.
    assert found(search="relay packet") == [] and found(search="contoso") == []
    assert client.call("GET", "/api/issues?words=relay+contoso&limit=1", 200)["total"] == 2
    assert client.get("/api/issues", params={"words": "\0"}).status_code == 422


def test_the_csv_of_a_page_with_both_kinds_of_words_contains_its_issues(world: World) -> None:
    scene(world)
    client = world.client()
    link = re.search('data-csv="(.*?)"', client.get("/?search=relay&words=packet").text)
    assert link is not None
    lines = client.get(unescape(link[1])).text.splitlines()
    assert [line.split(",")[0] for line in lines] == ["name", "Slow mail", "Slow mail"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_page_finds_words(world: World, browse: Browse) -> None:
    scene(world)
    page = browse("tess", "/?open=true")
    field = page.get_by_label("Search issues")
    names = page.locator(".list .what .title a")
    field.fill("relay packet")
    expect(names).to_have_text(["Slow mail"])
    field.fill("quill")
    expect(names).to_have_text(["Broken phones"])

    field.fill("relay")
    expect(names).to_have_text(["Slow mail", "Broken phones"])  # the longest unmoved first
    others = page.get_by_role("region", name="Matches that are not open: 1")
    expect(others.get_by_role("link", name="Old relay")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["name", "Slow mail", "Broken phones"]

    field.fill("old relay")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    expect(page.get_by_role("heading", name="Matches that are not open: 1")).to_be_visible()
    page.get_by_role("link", name="Search all issues").click()
    expect(names).to_have_text(["Old relay"])
    expect(page.get_by_label("Search issues")).to_have_value("old relay")
    page.goto("/matrix?search=relay+quill")
    expect(page.locator(".matrix tbody th a")).to_have_text(["Broken phones"])
