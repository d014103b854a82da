"""A member of staff makes the own account safe, and signs in with what was set up."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Installation
from tests.e2e.pages import BROWSING, Watched, watched_page
from tests.e2e.steps import FIRST_PAGE
from tests.factories import PASSWORD, unique
from tests.live import manage

pytestmark = BROWSING
ENROL = "/sign-in/second-factor/"


@pytest.fixture
def operator(installation: Installation) -> dict[str, str]:
    """Somebody of the test's own, whose second factor is in nobody's way."""
    name = unique("operator")
    made = manage(
        *("createsuperuser", "--noinput", "--username", name, "--email", f"{name}@example.edu"),
        data_dir=installation.gateway.data_dir,
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
    )
    assert made.returncode == 0, made.stderr
    return {"username": name, "password": PASSWORD}


@pytest.fixture
def local(browser: Browser, installation: Installation) -> Iterator[Watched]:
    """A page at a name, since browsers know no passkeys for addresses."""
    url = installation.gateway.base_url.replace("127.0.0.1", "localhost")
    with watched_page(browser, base_url=url, name="passkey") as watched:
        yield watched


def give_password(page: Page, who: dict[str, str]) -> None:
    page.goto("/sign-in/?next=/admin/")
    page.get_by_label("Username").fill(who["username"])
    page.get_by_label("Password").fill(who["password"])
    page.keyboard.press("Enter")


def sign_out(page: Page) -> None:
    page.goto("/sign-in/out/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Your course’s AI gateway")).to_be_visible()


def is_in_the_admin(page: Page) -> None:
    expect(page.get_by_role("heading", name=FIRST_PAGE).first).to_be_visible()


def is_asked_for_more(page: Page) -> None:
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()


def code_of(secret: str, *, ahead: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + ahead))


def test_an_authenticator_app_and_a_recovery_code(operator: dict[str, str], watched: Watched) -> None:
    page = watched.page
    page.goto("/sign-in/")
    page.get_by_label("Username").fill(operator["username"])
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The username or the password is wrong.")).to_be_visible()
    page.wait_for_load_state()
    watched.fits("wrong", ("light", 1440), ("dark", 1440), ("light", 390))
    give_password(page, operator)
    is_in_the_admin(page)

    page.goto(ENROL)
    watched.fits("factors", ("light", 1440), ("dark", 390))
    page.get_by_role("link", name="Set up an app").click()
    secret = page.get_by_label("Authenticator secret").input_value()
    watched.fits("enrol", ("light", 1440), ("dark", 1440))
    page.get_by_label("Authenticator code").fill("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The code is wrong, or it was used before.")).to_be_visible()
    secret = page.get_by_label("Authenticator secret").input_value() or secret
    page.get_by_label("Authenticator code").fill(code_of(secret))
    page.keyboard.press("Enter")
    codes = re.findall(r"\d{8}", page.get_by_label("Unused codes").input_value())
    assert len(codes) == 10
    watched.fits("recovery-codes", ("light", 1440), ("dark", 390))

    sign_out(page)
    give_password(page, operator)
    is_asked_for_more(page)
    watched.fits("code", ("light", 1440), ("dark", 390))
    page.get_by_label("Code").fill(code_of(secret, ahead=1))
    page.keyboard.press("Enter")
    is_in_the_admin(page)

    sign_out(page)
    give_password(page, operator)
    is_asked_for_more(page)
    page.get_by_label("Code").fill(codes[0])
    page.keyboard.press("Enter")
    is_in_the_admin(page)

    page.goto("/sign-in/sessions/")
    expect(page.get_by_role("table")).to_contain_text("127.0.0.1")
    watched.fits("sessions", ("light", 1440), ("dark", 390))


def test_a_passkey(operator: dict[str, str], local: Watched) -> None:
    page = local.page
    add_authenticator(page)
    give_password(page, operator)
    is_in_the_admin(page)

    page.goto(f"{ENROL}webauthn/add/")
    page.get_by_label("Sign in with it alone").check()
    local.fits("add", ("light", 1440), ("dark", 390))
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_label("Unused codes")).to_be_visible()
    page.goto(f"{ENROL}webauthn/")
    expect(page.get_by_role("table")).to_contain_text("Passkey 1")
    local.fits("passkeys", ("light", 1440), ("dark", 390))

    sign_out(page)
    page.goto("/sign-in/?next=/admin/")
    page.get_by_role("button", name="Use a passkey").click()
    is_in_the_admin(page)

    sign_out(page)
    give_password(page, operator)
    is_asked_for_more(page)
    page.get_by_role("button", name="Use a passkey").click()
    is_in_the_admin(page)


def add_authenticator(page: Page) -> None:
    """A device that is always at hand and knows its owner."""
    options: dict[str, Any] = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
