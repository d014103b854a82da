"""What people do in the admin, step by step."""

import re
from typing import Any

from openai import BadRequestError
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.chat.world import wait_until
from tests.e2e.conftest import Installation
from tests.e2e.pages import Watched
from tests.live import PATIENCE

# Of several courses, of one, and of one that nobody has called yet.
FIRST_PAGE = re.compile("this week|before the first call", re.IGNORECASE)
LIST_MILLISECONDS = 2_000  # for a list to show what was typed, before the test looks whether it is still open


def sign_in(watched: Watched, who: dict[str, str]) -> None:
    page = watched.page
    page.goto("/admin/")
    page.get_by_label("Username").fill(who["username"])
    page.get_by_label("Password").fill(who["password"])
    watched.picture("sign-in")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name=FIRST_PAGE).first).to_be_visible()


def open_list(page: Page, title: str) -> None:
    """From the sidebar."""
    page.get_by_role("navigation").get_by_role("link", name=title, exact=True).click()


def choose(page: Page, field: str, text: str) -> None:
    """Pick a row in a field that completes what is typed.

    While the page still loads, its scripts may replace the field and close its list. Then it is opened once more.
    """
    chosen = page.locator(f".field-{field} .select2-selection")
    wait_until(lambda: _is_picked(page, chosen, text), seconds=PATIENCE, what=f"The choice of {text}", every=0)
    expect(chosen).to_contain_text(text)


def _is_picked(page: Page, chosen: Locator, text: str) -> bool:
    if chosen.get_attribute("aria-expanded") != "true":
        chosen.click()
    try:
        page.locator(".select2-search__field").fill(text, timeout=LIST_MILLISECONDS)
        page.locator(".select2-results__option", has_text=text).click(timeout=LIST_MILLISECONDS)
    except PlaywrightTimeout:
        return False
    return True


def save(page: Page) -> None:
    """Press the button, and wait until the list says so."""
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("successfully")).to_be_visible()


def refusal(installation: Installation, prompt: str) -> Any:
    """What a student with the official client reads instead of an answer; None if there is an answer."""
    messages = [{"role": "user", "content": prompt}]
    with installation.student() as student:
        try:
            student.chat.completions.create(model=installation.demo["model"], messages=messages)  # type: ignore[arg-type]
        except BadRequestError as error:
            return error.body
    return None
