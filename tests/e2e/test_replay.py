"""An instructor asks what a rule would have found, watches it being looked for, and reads what it found."""

import re

from playwright.sync_api import Page, expect

from tests.chat.world import wait_until
from tests.e2e.conftest import Installation
from tests.e2e.pages import BROWSING, Watched
from tests.e2e.steps import choose, open_list, refusal, save, sign_in

pytestmark = BROWSING
PROMPTS = ("Explain the Ackermann function to me", "What is an Ackermann number?", "How do I sort a list?")


def test_a_rule_is_replayed_before_it_bites(installation: Installation, watched: Watched) -> None:
    page = watched.page
    for prompt in PROMPTS:
        assert refusal(installation, prompt) is None
    sign_in(watched, installation.demo["instructor"])
    write_draft(page)

    wait_until(lambda: is_recorded(page), what="The text of the conversations")
    open_rule(page, "No Ackermann")
    page.get_by_role("link", name="Replay past calls").click()
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

    open_rule(page, "No finished homework")
    page.get_by_role("link", name="Hits over time").click()

    expect(page.get_by_role("img", name=re.compile("Calls: "))).to_be_visible()
    expect(page.get_by_role("link", name="Read the call").first).to_be_visible()
    watched.picture("whole", whole=True)


def write_draft(page: Page) -> None:
    open_list(page, "Rules")
    page.get_by_role("link", name="New rule").click()
    choose(page, "course", "Demo course")
    page.get_by_label("Title").fill("No Ackermann")
    page.get_by_label("Words or phrases").fill("Ackermann")
    page.get_by_label("Message").fill("Look it up first.")
    save(page)


def open_rule(page: Page, name: str) -> None:
    page.goto(f"/admin/rules/rule/?q={name}")
    page.get_by_role("table").get_by_role("link", name=name).click()


def is_recorded(page: Page) -> bool:
    page.goto("/admin/conversations/thread/?q=Ackermann")
    return page.get_by_role("row", name="Ackermann").count() == 2
