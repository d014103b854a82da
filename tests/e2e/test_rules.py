"""What an instructor decides in the admin, the next call of a student obeys."""

from playwright.sync_api import expect

from tests.chat.world import wait_until
from tests.e2e.conftest import Installation
from tests.e2e.pages import BROWSING, Watched
from tests.e2e.steps import choose, open_list, refusal, save, sign_in

pytestmark = BROWSING
PROMPT = "Please compose a sonnet about recursion."
MESSAGE = "Write the first quatrain yourself, then ask about it."


def test_a_rule_that_is_switched_on_refuses_the_next_call(installation: Installation, watched: Watched) -> None:
    page = watched.page
    sign_in(watched, installation.demo["instructor"])
    watched.picture("overview")

    open_list(page, "Rules")
    page.get_by_title("Add rule").click()
    choose(page, "course", "Demo course")
    page.get_by_label("Name").fill("no-sonnets")
    page.get_by_label("Pattern").fill(r"(?i)compose\s+a\s+sonnet")
    page.get_by_label("Message").fill(MESSAGE)
    watched.picture("draft")
    save(page)
    watched.picture("rules")
    assert refusal(installation, PROMPT) is None

    page.get_by_role("table").get_by_role("link", name="no-sonnets").click()
    page.get_by_label("Stage").select_option("Enforce: acts")
    watched.picture("enforce")
    save(page)

    wait_until(lambda: refusal(installation, PROMPT) is not None)
    assert refusal(installation, PROMPT)["message"] == MESSAGE

    open_list(page, "Calls")
    expect(page.get_by_role("row", name="no-sonnets").first).to_contain_text("Blocked by a rule")
    watched.picture("calls")
