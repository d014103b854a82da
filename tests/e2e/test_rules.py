"""What an instructor decides in the admin, the next call of a student obeys."""

import re

import httpx
from playwright.sync_api import expect

from apps.rules.ready_rules import LIBRARY
from tests.chat.world import wait_until
from tests.e2e.conftest import Installation
from tests.e2e.pages import BROWSING, Watched
from tests.e2e.steps import choose, open_list, refusal, save, sign_in

pytestmark = BROWSING
DEMO = re.compile(r"(?i)(solve|do|write)\s+my\s+(homework|assignment|essay)")  # what the demo's own rule refuses
READY, DUMPED = next(
    (ready, text)
    for ready in LIBRARY
    if ready.action == "block" and ready.direction != "answer"
    for text in ready.matches
    if not DEMO.search(text)
)
GRAMMAR = "How would I say: to write my essay, in Latin?"  # no other rule of these tests finds it
PROMPT = "Please compose a sonnet about recursion."
MESSAGE = "Write the first quatrain yourself, then ask about it."


def test_a_rule_that_is_switched_on_refuses_the_next_call(installation: Installation, watched: Watched) -> None:
    page = watched.page
    sign_in(watched, installation.demo["instructor"])
    watched.picture("overview")

    open_list(page, "Rules")
    page.get_by_role("link", name="New rule").click()
    choose(page, "course", "Demo course")
    page.locator("#id_title").fill("No sonnets")
    page.get_by_label("Words or phrases").fill("compose a sonnet")
    page.get_by_label("Message").fill(MESSAGE)
    watched.picture("draft")
    save(page)
    watched.picture("rules")
    assert refusal(installation, PROMPT) is None

    page.get_by_role("table").get_by_role("link", name="No sonnets").click()
    for button, stage in (("Start observing", "Observe"), ("Start warning", "Warn")):
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.locator("[aria-current=step]")).to_have_text(stage)
    enforce(watched)

    wait_until(lambda: refusal(installation, PROMPT) is not None)
    assert refusal(installation, PROMPT)["message"] == MESSAGE

    page.goto("/admin/conversations/call/")
    expect(page.get_by_role("row", name="no-sonnets").first).to_contain_text("Blocked by a rule")
    watched.picture("calls")


def test_an_instructor_who_writes_no_pattern_finds_tries_watches_and_enforces_a_rule(
    installation: Installation, watched: Watched
) -> None:
    page = watched.page
    sign_in(watched, installation.demo["instructor"])

    # Find it, in plain words.
    open_list(page, "Rules")
    page.get_by_role("link", name="Ready rules").click()
    watched.picture("library", whole=True)
    page.locator(f"#{READY.slug}").get_by_role("button").click()
    expect(page.get_by_text("students notice nothing yet")).to_be_visible()
    expect(page.locator("[aria-current=step]")).to_have_text("Observe")
    watched.picture("added", whole=True)

    # Try it on a text of one's own.
    page.get_by_role("link", name="Try it").click()
    page.get_by_label("Text to look through").fill(f"Hello!\n{DUMPED}\nThank you.")
    page.get_by_role("button", name="Try").click()
    expect(page.locator("mark").first).to_be_visible()
    expect(page.locator("#trial")).to_contain_text(READY.message)
    watched.picture("tried")
    page.get_by_role("link", name="Back to the rule").click()

    # Watch it.
    wait_until(lambda: refusal(installation, DUMPED) is None and is_counted(watched), what="The first hit")
    watched.picture("watched")

    # Enforce it: the next call is refused with the sentence.
    enforce(watched)
    wait_until(lambda: refusal(installation, DUMPED) is not None)
    assert refusal(installation, DUMPED)["message"] == READY.message


def enforce(watched: Watched) -> None:
    """By way of the sheet that shows what the rule would have done."""
    page = watched.page
    page.get_by_role("button", name="Enforce", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("^Enforce .*[?]$"))).to_be_visible()
    watched.picture("sheet", whole=True)
    page.get_by_role("button", name="Enforce", exact=True).click()
    expect(page.locator("[aria-current=step]")).to_have_text("Enforce")
    expect(page.get_by_text(re.compile("now refuses[.]"))).to_be_visible()
    watched.picture("enforced")


def is_counted(watched: Watched) -> bool:
    watched.page.reload()
    expect(watched.page.locator("#evidence")).to_be_visible()
    return "over all stages: 0 calls" not in watched.page.locator("#evidence").inner_text()


def is_recorded(watched: Watched) -> bool:
    """The text of a call follows its row within a second or so."""
    watched.page.reload()
    return watched.page.locator("mark").count() > 0


def test_an_appeal_is_heard(installation: Installation, watched: Watched) -> None:
    page = watched.page
    refused = refusal(installation, GRAMMAR)
    headers = {"authorization": f"Bearer {installation.demo['student_key']}"}
    appeal = {"request_id": refused["request_id"], "reason": "I ask about grammar, not for a solution."}
    address = f"{installation.gateway.base_url}/v1/rules/appeals"
    assert httpx.post(address, json=appeal, headers=headers).status_code == 201
    sign_in(watched, installation.demo["instructor"])

    page.get_by_role("link", name=re.compile(r"^\d+ appeals?$")).first.click()
    expect(page.get_by_role("row", name=appeal["reason"])).to_contain_text("no-homework")
    watched.picture("queue")
    page.get_by_role("table").get_by_role("link", name=appeal["reason"]).click()
    wait_until(lambda: is_recorded(watched), what="The text of the call")
    expect(page.locator("mark").first).to_have_text("write my essay")
    expect(page.get_by_label("Words that are fine for everyone")).to_have_value("write my essay")
    expect(page.locator("#effect")).to_contain_text("These words pass for")
    watched.picture("appeal", whole=True)
    page.get_by_label("What the student reads").fill("Quite right: a question of grammar.")
    page.get_by_role("button", name="Fine for everyone").click()
    expect(page.get_by_text("no-homework now lets “write my essay” pass")).to_be_visible()
    watched.picture("accepted")

    own = httpx.get(address, headers=headers).json()["data"]
    (told,) = (one for one in own if one["request_id"] == refused["request_id"])
    assert (told["state"], told["answer"]) == ("accepted", "Quite right: a question of grammar.")
    wait_until(lambda: refusal(installation, GRAMMAR) is None)
    assert refusal(installation, "Please do my homework") is not None


def test_the_workbench_fits_narrow_windows_and_dark_rooms(installation: Installation, watched: Watched) -> None:
    page = watched.page
    sign_in(watched, installation.demo["instructor"])

    for name, address in (
        ("list", "/admin/rules/rule/"),
        ("library", "/admin/rules/rule/library/"),
        ("rule", "/admin/rules/rule/1/change/"),
        ("try", "/admin/rules/rule/1/try/"),
        ("appeals", "/admin/conversations/appeal/"),
    ):
        page.goto(address)
        watched.fits(name, ("light", 420), ("dark", 1440), ("dark", 420))
