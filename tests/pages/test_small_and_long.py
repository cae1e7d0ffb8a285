"""Small screens, long names, right-to-left names, and rows without checkboxes."""

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.chromium import WIDE, ready
from tests.company_access.limits import limit
from tests.pages.axe import violations
from tests.pages.conftest import NARROW, Browse, without_updates
from tests.world import World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

TINY: ViewportSize = {"width": 320, "height": 640}
LONG = ("The company that someone named after all that it ever did, makes and sells " * 4)[:250].strip()
HEBREW = "בית החולים שערי צדק ירושלים והסביבה"


def test_at_400_percent_nothing_is_wider_than_the_screen(world: World, browse: Browse) -> None:
    company = world.given_companies(LONG)[LONG]
    for number in range(120):
        world.given_issue(f"Issue {number:03}", {"Contoso": "investigating", "Fabrikam": "monitoring"})
    issue = world.given_issue(LONG, {LONG: "investigating", "Contoso": "new"})
    page = browse("tess", "/", viewport=TINY)

    for path in (None, "/matrix", f"/issues/{issue}", f"/companies/{company}"):
        if path is not None:
            page.goto(path)
            ready(page)
        page.locator("tr:visible input[name=on]").first.check()
        expect(page.locator("#bulk")).to_be_visible()

        assert page.evaluate("document.documentElement.scrollWidth") == 320, page.url
        cut = page.evaluate(
            """() => [...document.querySelectorAll(".chip, .attention a, .bulk .button")]
              .filter((each) => each.scrollWidth > each.clientWidth || each.getBoundingClientRect().right > innerWidth)
              .map((each) => each.textContent.trim())"""
        )
        assert cut == [], page.url

    for path in ("/activity", "/handover"):
        page.goto(path)
        ready(page)
        words = page.evaluate(
            """() => [...document.querySelectorAll(".period")].map((label) => {
              const text = document.createRange();
              text.selectNode(label.firstChild);
              const [box, ...others] = text.getClientRects();
              const { left, right } = label.closest("form").getBoundingClientRect();
              const inside = box.left >= left && label.querySelector("input").getBoundingClientRect().right <= right;
              return [label.textContent.trim(), inside && others.length === 0];
            })"""
        )
        assert words and all(whole for _, whole in words), words


@pytest.mark.parametrize("width", [1440, 1100, 1000, 930, 900, 390])
def test_the_name_of_a_user_leaves_room_for_the_rest_of_the_bar(world: World, browse: Browse, width: int) -> None:
    ada = world.client("ada")
    own = ada.call("GET", "/api/auth/session", 200)["user"]["user_id"]
    ada.call("PUT", f"/api/users/{own}", 200, json={"name": LONG[:100].strip()})
    page = browse("ada", "/", viewport={"width": width, "height": 700})
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    world.given_issue("Slow mail", {"Contoso": "new"})
    expect(page.get_by_role("button", name="Show 2 updates")).to_be_visible()

    overlapping = page.evaluate(
        """() => [...document.querySelectorAll(".top :is(a, button)")]
          .filter((each) => each.checkVisibility())
          .map((each) => [each.textContent.trim(), each.getBoundingClientRect()])
          .sort(([, a], [, b]) => a.left - b.left)
          .filter(([, box], index, all) => box.right > innerWidth || box.right - 1 > all[index + 1]?.[1].left)
          .map(([text]) => text)"""
    )
    assert overlapping == [] and page.evaluate("document.documentElement.scrollWidth") == width


def test_a_lost_connection_takes_no_room_in_the_bar_of_a_phone(world: World, browse: Browse) -> None:
    page = browse("tess", "/companies", viewport=NARROW, before=without_updates)
    state = page.locator("#connection span")
    expect(state).to_have_text("no connection")
    for width in (390, 360, 320):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        box, bar = state.bounding_box(), page.locator(".top").bounding_box()
        assert box and bar and box["width"] > 50 and box["y"] + box["height"] <= bar["y"] + bar["height"]
        assert page.locator(".me").evaluate("each => each.offsetWidth") > 20


def test_the_menu_of_a_long_name_fits_a_low_window(world: World, browse: Browse) -> None:
    world.given_companies(LONG)
    world.given_issue(LONG, {LONG: "new"})
    page = browse("tess", "/")

    for path, height in ((None, 560), (None, 240), ("/matrix", 560)):
        page.set_viewport_size({"width": 1000, "height": height})
        if path is not None:
            page.goto(path)
            ready(page)
        page.locator(".list .status, .matrix td").first.click()

        menu = page.locator("#status-menu")
        expect(menu).to_be_visible()
        expect(menu).to_have_accessible_name(f"{LONG}: {LONG}")
        page.keyboard.press("ArrowUp")
        expect(menu.get_by_label("Note")).to_be_focused()
        expect(menu.get_by_label("Note")).to_be_in_viewport(ratio=1)
        if height == 240:
            # The menu follows its status while the page scrolls.
            moved = page.evaluate(
                """async () => {
                  const both = [document.querySelector("[aria-expanded=true]"), document.getElementById("status-menu")];
                  const tops = () => both.map((each) => Math.round(each.getBoundingClientRect().top));
                  const before = tops();
                  scrollBy(0, 30);
                  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
                  return tops().map((top, index) => top - before[index]);
                }"""
            )
            assert moved == [-30, -30]
        page.keyboard.press("Escape")
        expect(menu).to_be_hidden()


HEBREW_ISSUE = "שגיאת רשת במשרדי הצפון"

# In the order of pages, because each is opened once.
NAMES = [
    ("/", HEBREW, ".list .who a"),
    ("/", HEBREW_ISSUE, ".list .what .title a"),
    ("/", HEBREW, ".top .me"),
    ("/matrix", HEBREW, ".matrix thead a"),
    ("/matrix", HEBREW_ISSUE, ".matrix tbody a"),
    ("/issues/{issue}", HEBREW_ISSUE, "h1 bdi"),
    ("/issues/{issue}", HEBREW, ".list .who a"),
    ("/issues/{issue}", HEBREW, ".history .by"),
    ("/issues/{issue}", HEBREW, ".history bdi:not(.by)"),
    ("/activity", HEBREW_ISSUE, ".history bdi:not(.by)"),
    ("/issues/{issue}/resolve", HEBREW, ".review li bdi"),
    ("/companies", HEBREW, ".table a"),
    ("/companies/{company}", HEBREW, "h1 bdi"),
    ("/companies/{company}", HEBREW_ISSUE, ".list .who a"),
    ("/companies/{company}", HEBREW_ISSUE, ".history bdi:not(.by)"),
    ("/account", HEBREW, "h1 bdi"),
    ("/assignments?on={issue}-{company}", HEBREW, "h1 bdi"),
]


def test_right_to_left_names_are_isolated(world: World, browse: Browse) -> None:
    company = world.given_companies(HEBREW)[HEBREW]
    issue = world.given_issue(HEBREW_ISSUE, {HEBREW: "new", "Contoso": "new"})
    page = browse("tess", "/account")
    page.get_by_label("Name shown in the history").fill(HEBREW)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_have_text(HEBREW)
    world.client().call("PUT", f"/api/issues/{HEBREW_ISSUE}", 200, json={"description": "Since noon"})

    for path, name, place in NAMES:
        address = world.server.url + path.format(issue=issue, company=company)
        if page.url != address:
            page.goto(address)
        shown = page.locator(place).filter(has_text=name).first
        expect(shown).to_have_css("direction", "rtl")
        expect(shown).to_have_css("unicode-bidi", "isolate")

    limit(world, HEBREW, "Contoso", who="omar")
    ada, access = world.client("ada"), {"companies": [HEBREW, "Contoso"]}
    mapping = {"source": "scim", "group": "helpdesk", "role": "technician", "company_access": access}
    ada.call("POST", "/api/group-mappings", 201, json=mapping)
    for path in ("/admin/users", "/admin/group-mappings"):
        assert f"<bdi>{HEBREW}</bdi>" in ada.get(path).text, path


def test_a_truncated_name_shows_its_beginning(world: World, browse: Browse) -> None:
    world.given_companies(HEBREW)
    world.given_issue("Slow mail", {HEBREW: "new", "Contoso": "new"})
    page = browse("tess", "/matrix")

    head = page.locator(".matrix thead a").filter(has_text=HEBREW)
    inside = head.evaluate(
        """link => {
          const first = document.createRange(), box = link.getBoundingClientRect();
          first.setStart(link.firstChild, 0);
          first.setEnd(link.firstChild, 1);
          const letter = first.getBoundingClientRect();
          return letter.top >= box.top && letter.bottom <= box.bottom && link.scrollHeight > link.clientHeight;
        }"""
    )
    assert inside


def test_the_menu_and_the_history_follow_the_direction_of_names(world: World, browse: Browse) -> None:
    world.given_companies(HEBREW, HEBREW_ISSUE)
    members = [{"company_name": name, "status": "new"} for name in (HEBREW, HEBREW_ISSUE)]
    issue = world.client().call("POST", "/api/issues", 201, json={"name": "Slow mail", "companies": members})
    page = browse("tess", f"/issues/{issue['issue_id']}")

    page.locator(".list .status").first.click()
    expect(page.locator("#status-menu-name")).to_have_css("direction", "rtl")
    expect(page.locator(".history details bdi")).to_have_count(2)


SEVEN = [f"Company {number}" for number in range(1, 8)]


def test_select_all_says_if_not_all_rows_are_shown(world: World, browse: Browse) -> None:
    world.given_companies(*SEVEN)
    world.given_issue("Slow mail", dict.fromkeys(SEVEN, "new"))
    page = browse("tess", "/")

    page.get_by_label("All shown of Slow mail").check()

    expect(page.locator("#picked")).to_have_text("5 selected")
    expect(page.get_by_label("All of Slow mail")).to_have_count(0)


def test_a_narrow_issue_page_has_a_checkbox_for_all(world: World, browse: Browse) -> None:
    issue = world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "new", "Acme Manufacturing": "closed"})
    page = browse("tess", f"/issues/{issue}", viewport=NARROW)

    for width in (390, 320):
        page.set_viewport_size(NARROW | {"width": width})
        page.get_by_label("All open companies").check()
        expect(page.locator("#picked")).to_have_text("2 selected")
        assert violations(page) == []
        page.get_by_label("All open companies").uncheck()
        expect(page.locator("#bulk")).to_be_hidden()


def test_the_matrix_without_scripts_has_no_selection_bar(world: World, browse: Browse) -> None:
    world.given_issue("Slow mail", {"Contoso": "new"})
    page = browse("tess", "/matrix", java_script_enabled=False)

    for viewport in (WIDE, NARROW):
        page.set_viewport_size(viewport)
        expect(page.locator("#bulk")).to_be_hidden()
    page.goto("/")
    for viewport in (NARROW, WIDE):
        page.set_viewport_size(viewport)
        expect(page.locator("#bulk")).to_be_visible()
