"""Ten typical tasks of a technician. Each function performs one on the pages of a real server, and counts the
effort.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from playwright.sync_api import Locator, Page, expect

from tests.jobs.hands import Count, Hands
from tests.world import World

Open = Callable[..., Page]
"""Opens a browser for a user of the test data at a path; options are those of a browser context."""

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
CUSTOMERS = tuple(f"{town} {trade}" for town in (
    "Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Hazel", "Juniper", "Larch", "Maple"
) for trade in ("Dental", "Freight", "Foods", "Legal", "Press"))  # fmt: skip
FAILED = CUSTOMERS[:14]
MISSPELT = {
    "Alder Dental": "Alder Dentl",
    "Alder Press": "Alde Press",
    "Birch Foods": "Birch Fods",
    "Cedar Legal": "Ceder Legal",
}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A task: its name, its effort before, the function that performs it, and its maximum effort."""

    title: str
    before: str
    do: Callable[[World, Open], Hands]
    limits: Count


def row(page: Page, company: str) -> Locator:
    return page.locator("tr[data-on]", has_text=company)


def create_from_pasted_names(world: World, open_page: Open) -> Hands:
    world.given_companies(*CUSTOMERS)
    names = [MISSPELT.get(name, name) for name in FAILED]
    page = open_page("tess", "/?open=true")
    with Hands(page) as hands:
        hands.press("n")
        expect(page.get_by_label("Name", exact=True)).to_be_focused()
        hands.type("Northern fibre is cut")
        hands.click(page.get_by_label("Companies", exact=True))
        hands.paste("\n".join(names))
        expect(page.locator(".checked")).to_contain_text("10 found, 4 likely")
        for left in (3, 2, 1, 0):
            hands.click(page.locator(".checked .likely button").first)
            expect(page.locator(".checked .likely")).to_have_count(left)
        hands.press("Control+Enter")
        expect(page.get_by_text("14 of 14 open")).to_be_visible()
    return hands


def resolve_nine_with_a_note(world: World, open_page: Open) -> Hands:
    world.given_companies(*CUSTOMERS)
    issue = world.given_issue("Northern fibre is cut", dict.fromkeys(FAILED, "investigating"))
    page = open_page("tess", f"/issues/{issue}")
    with Hands(page) as hands:
        hands.press("j", "x", *["j"] * 8, "Shift+X", "5")
        expect(page.get_by_role("dialog").get_by_role("button", name="Resolve 9")).to_be_focused()
        hands.press("Shift+Tab")
        hands.type("Spliced at 14:10")
        hands.press("Enter")
        expect(page.locator("#toasts")).to_contain_text("9 companies set to Resolved.")
    return hands


def say_how_a_customer_is(world: World, open_page: Open) -> Hands:
    world.given_companies(*CUSTOMERS)
    world.given_issue("Northern fibre is cut", dict.fromkeys(FAILED, "investigating"))
    page = open_page("tess", "/activity")
    with Hands(page) as hands:
        hands.press("Control+k")
        hands.type("el")
        hands.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Elm Dental")
    return hands


def acknowledge_on_the_phone(world: World, open_page: Open) -> Hands:
    world.given_companies(*CUSTOMERS)
    world.given_issue("Northern fibre is cut", dict.fromkeys(FAILED[:3], "new"))
    page = open_page("tess", "/?open=true", **PHONE)
    with Hands(page) as hands:
        hands.tap(row(page, FAILED[0]).locator(".status"))
        hands.tap(page.locator("#status-menu").get_by_role("button", name="Investigating"))
        expect(page.locator("#toasts")).to_contain_text(f"{FAILED[0]}: Investigating")
    return hands


def take_an_issue(world: World, open_page: Open) -> Hands:
    world.given_companies(*CUSTOMERS)
    world.given_issue("Northern fibre is cut", dict.fromkeys(FAILED[:3], "new"))
    page = open_page("tess", "/?open=true")
    with Hands(page) as hands:
        hands.click(page.get_by_role("link", name="Northern fibre is cut"))
        hands.click(page.get_by_role("button", name="Assign to me"))
        expect(page.get_by_role("button", name="Unassign me")).to_be_visible()
    return hands


def remove_a_company_that_was_added_by_mistake(world: World, open_page: Open) -> Hands:
    world.given_companies(*CUSTOMERS)
    issue = world.given_issue("Northern fibre is cut", dict.fromkeys(FAILED, "investigating"))
    page = open_page("tess", f"/issues/{issue}")
    with Hands(page) as hands:
        hands.click(row(page, FAILED[5]).locator(".status"))
        hands.click(page.locator("#status-menu").get_by_role("button", name="Remove"))
        hands.click(page.get_by_role("dialog").get_by_role("button", name="Remove 1"))
        expect(page.locator("#toasts")).to_contain_text("1 company removed.")
    return hands


def tell_the_customers(world: World, open_page: Open) -> Hands:
    world.given_companies(*CUSTOMERS)
    issue = world.given_issue("Northern fibre is cut", dict.fromkeys(FAILED, "investigating"))
    page = open_page("tess", f"/issues/{issue}")
    with Hands(page) as hands:
        hands.click(page.get_by_text("Add update", exact=True))
        expect(page.get_by_label("Text", exact=True)).to_be_focused()
        hands.type("The carrier has found the cut. Repair until 15:00.")
        hands.click(page.get_by_label("Public: customers may read it"))
        hands.press("Control+Enter")
        expect(page.locator("#history .update.public")).to_contain_text("Repair until 15:00.")
    return hands


def reuse_an_old_issue(world: World, open_page: Open) -> Hands:
    world.given_companies(*CUSTOMERS)
    world.given_issue("Certificate of the mail gateway has expired", dict.fromkeys(FAILED[:4], "closed"))
    world.given_issue("Mail is slow", dict.fromkeys(FAILED[:2], "new"))
    page = open_page("tess", "/?open=true")
    with Hands(page) as hands:
        hands.click(page.get_by_label("Search issues"))
        hands.type("gateway certificate")
        hands.click(page.locator(".others").get_by_role("link", name="Certificate of the mail gateway"))
        hands.click(page.get_by_role("link", name="New from this one"))
        hands.click(page.get_by_role("button", name="Create issue"))
        expect(page.locator("#flash")).to_contain_text("Created.")
    return hands


def list_what_is_open_with_a_provider(world: World, open_page: Open) -> Hands:
    world.given_companies(*CUSTOMERS)
    world.client("ada").call(
        "POST", "/api/company-groups", 201, json={"name": "Contoso Fibre", "company_names": list(FAILED[:9])}
    )
    world.given_issue("Northern fibre is cut", dict.fromkeys(FAILED, "investigating"))
    world.given_issue("Mail is slow", dict.fromkeys(FAILED[10:], "new"))
    page = open_page("tess", "/?open=true")
    with Hands(page) as hands:
        page.get_by_label("Company group", exact=True).select_option("Contoso Fibre")
        hands.count.clicks += 2  # the list of groups, and one of them
        expect(page.get_by_role("link", name="Mail is slow")).to_have_count(0)
        expect(page.get_by_role("link", name="Northern fibre is cut")).to_be_visible()
    return hands


def hand_over(world: World, open_page: Open) -> Hands:
    world.given_companies(*CUSTOMERS)
    world.given_issue("Northern fibre is cut", dict.fromkeys(FAILED, "investigating"))
    page = open_page("tess", "/?open=true")
    with Hands(page) as hands:
        hands.click(page.get_by_role("navigation", name="Main").get_by_role("link", name="Handover"))
        expect(page.get_by_role("heading", level=1)).to_contain_text("Handover")
        expect(page.get_by_role("main")).to_contain_text("Northern fibre is cut")
    return hands


JOBS = [
    Job(
        title="Create an issue from 14 pasted names, of which 4 are misspelt",
        before="One exact name on each line: each misspelt one had to be looked up in the list of companies",
        do=create_from_pasted_names,
        limits=Count(keys=3, letters=40, texts=1, clicks=5),
    ),
    Job(
        title="Resolve nine of 14 companies with a note, by keyboard",
        before="The key of a status changed only the focused row: nine rows one after the other, or the mouse",
        do=resolve_nine_with_a_note,
        limits=Count(keys=14, letters=40, texts=1),
    ),
    Job(
        title="Check the state of a customer from any page",
        before="Companies, then the search of that page, then its link",
        do=say_how_a_customer_is,
        limits=Count(keys=2, letters=2, texts=1, seconds=1.0),
    ),
    Job(
        title="Acknowledge on the phone",
        before="The same, on targets of 28 pixels",
        do=acknowledge_on_the_phone,
        limits=Count(taps=3),
    ),
    Job(
        title="Take an issue",
        before="Not possible: issues had no owner",
        do=take_an_issue,
        limits=Count(clicks=2),
    ),
    Job(
        title="Remove a company that was added by mistake",
        before="Not possible on a page",
        do=remove_a_company_that_was_added_by_mistake,
        limits=Count(clicks=3),
    ),
    Job(
        title="Inform the customers of an issue about the progress",
        before="Not possible: there were no updates",
        do=tell_the_customers,
        limits=Count(keys=1, letters=60, texts=1, clicks=2),
    ),
    Job(
        title="Find a closed issue by two words, and create one like it",
        before="Two words found nothing, and closed issues were not shown; the new issue had to be typed again",
        do=reuse_an_old_issue,
        limits=Count(letters=30, texts=1, clicks=4),
    ),
    Job(
        title="List the open issues of the customers of one provider",
        before="Not possible: there were no groups of companies",
        do=list_what_is_open_with_a_provider,
        limits=Count(clicks=2),
    ),
    Job(
        title="Hand over at the end of a shift",
        before="Not possible: the activity, read and summarized by hand",
        do=hand_over,
        limits=Count(clicks=1),
    ),
]
