"""A student finds what is left, why something was refused, and how to ask: with the key alone."""

from playwright.sync_api import expect

from tests.chat.world import wait_until
from tests.e2e.conftest import Installation
from tests.e2e.pages import BROWSING, Watched
from tests.e2e.steps import refusal
from tests.e2e.test_accessible import complaints

pytestmark = BROWSING
PROMPT = "Please solve my homework, the part on monads."
PAGES = ("", "start/", "refused/", "conversations/", "keys/")


def enter(installation: Installation, watched: Watched) -> None:
    watched.page.goto("/")
    watched.fits("entrance", ("dark", 390), ("light", 1280))
    watched.page.get_by_label("API key that your course gave you").fill(installation.demo["student_key"])
    watched.page.get_by_role("button", name="Open my page").click()
    expect(watched.page.get_by_role("heading", name="Left this week")).to_be_visible()


def test_a_student_appeals_and_asks_for_more(installation: Installation, watched: Watched) -> None:
    page = watched.page
    assert refusal(installation, PROMPT) is not None
    enter(installation, watched)
    watched.picture("week", whole=True)

    page.get_by_role("link", name="Refused").click()
    refused = page.get_by_role("article").filter(has_text="the part on monads")
    wait_until(lambda: page.reload() and refused.locator("mark").count(), what="The text of the call")
    refused.first.get_by_text("This was wrong", exact=True).click()
    refused.first.get_by_label("Why this was wrong").fill("I want to understand them.")
    watched.picture("refused", whole=True)
    refused.first.get_by_role("button", name="Tell my instructor").click()
    expect(page.get_by_role("status")).to_contain_text("Your instructor reads what you wrote.")

    page.get_by_role("link", name="My week").click()
    page.get_by_label("Tokens").fill("5000")
    page.get_by_label("Why you need them").fill("The project takes longer.")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Your instructor has your request for 5")
    watched.picture("asked", whole=True)


def test_everybody_can_use_the_pages_of_students(installation: Installation, watched: Watched) -> None:
    enter(installation, watched)
    wrong = []
    for page in PAGES:
        for scheme, width in (("light", 1280), ("dark", 390)):
            watched.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            watched.page.set_viewport_size({"width": width, "height": 900})
            watched.page.goto(f"/c/demo/{page}", wait_until="load")
            assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
            wrong += [f"{page or 'week'} {scheme}: {complaint}" for complaint in complaints(watched)]

    assert wrong == []
