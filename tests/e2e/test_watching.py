"""The watch itself: what goes wrong in a page is noticed, or an empty list of troubles would prove nothing."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.chat.world import wait_until
from tests.e2e.pages import BROWSING, Watched

pytestmark = BROWSING

INLINE = "document.head.append(Object.assign(document.createElement('script'), {textContent: 'document.title = 1'}))"


@pytest.mark.parametrize(
    ("what", "script", "sign"),
    [
        ("a message", "console.error('oh dear')", "oh dear"),
        ("an exception", "setTimeout(() => { throw new Error('oh no') })", "oh no"),
        ("a missing file", "fetch('/static/nothing.js')", "gave 404"),
        ("a policy that was violated", INLINE, "Content Security Policy"),
    ],
)
def test_trouble_is_noticed(what: str, script: str, sign: str, watched: Watched) -> None:
    watched.page.goto("/")
    expect(watched.page.locator("body")).to_be_visible()

    watched.page.evaluate(f"() => {{ {script} }}")

    wait_until(lambda: noticed(watched, sign), what=what)
    watched.troubles.clear()


def noticed(watched: Watched, sign: str) -> Any:
    """Events arrive while the page is asked something."""
    watched.page.evaluate("() => new Promise(requestAnimationFrame)")
    return [trouble for trouble in watched.troubles if sign in trouble]
