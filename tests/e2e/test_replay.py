"""An instructor asks what a rule would have found, watches it being looked for, and reads what it found."""

import re

from playwright.sync_api import Page, expect

from tests.chat.world import wait_until
from tests.e2e.conftest import Installation
from tests.e2e.pages import BROWSING, Watched
from tests.e2e.steps import open_list, refusal, sign_in

pytestmark = BROWSING
PROMPTS = ("Explain the Ackermann function to me", "What is an Ackermann number?", "How do I sort a list?")


def test_a_rule_is_replayed_before_it_bites(installation: Installation, watched: Watched) -> None:
    page = watched.page
    for prompt in PROMPTS:
        assert refusal(installation, prompt) is None
    sign_in(watched, installation.demo["instructor"])
    address = draft(page)

    wait_until(lambda: is_recorded(page), what="The text of the conversations")
    page.goto(address)
    watched.picture("before")
    page.get_by_role("button", name="Replay the last 7 days").click()
    watched.picture("asked")
    expect(page.get_by_role("heading", name="It would have found this")).to_be_visible()
    watched.picture("found")

    expect(page.locator("mark.stoa-hit")).to_have_text(["Ackermann", "Ackermann"])
    page.get_by_text("The numbers as a table").click()
    watched.picture("whole", whole=True)
    page.get_by_role("link", name="Read the call").first.click()
    expect(page.get_by_text("Ackermann").first).to_be_visible()


def test_what_a_rule_found_is_drawn(installation: Installation, watched: Watched) -> None:
    page = watched.page
    assert refusal(installation, "Please solve my homework") is not None
    sign_in(watched, installation.demo["instructor"])

    page.goto(address_of(page, "no-homework", "rules/{}/"))

    expect(page.get_by_role("img", name=re.compile("Calls: "))).to_be_visible()
    expect(page.get_by_role("link", name="Read the call").first).to_be_visible()
    watched.picture("whole", whole=True)


def draft(page: Page) -> str:
    """A draft of the demo course; the address at which it is replayed."""
    open_list(page, "Rules")
    page.get_by_title("Add rule").click()
    page.locator(".field-course .select2-selection").click()
    page.locator(".select2-results__option", has_text="Demo course").click()
    page.get_by_label("Name").fill("no-ackermann")
    page.get_by_label("Pattern").fill("Ackermann")
    page.get_by_label("Message").fill("Look it up first.")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("successfully")).to_be_visible()
    return address_of(page, "no-ackermann", "rules/{}/replay/")


def address_of(page: Page, name: str, place: str) -> str:
    page.goto(f"/admin/rules/rule/?q={name}")
    link = page.get_by_role("table").get_by_role("link", name=name).get_attribute("href")
    found = re.search(r"/rule/(\d+)/", link or "")
    assert found
    return "/admin/conversations/call/" + place.format(found[1])


def is_recorded(page: Page) -> bool:
    page.goto("/admin/conversations/thread/?q=Ackermann")
    return page.get_by_role("row", name="Ackermann").count() == 2
