"""What an operator does about a service: put it behind the door, watch it, steer it, change it, and go back."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.chat.world import wait_until
from tests.e2e.conftest import Installation
from tests.e2e.pages import BROWSING, Watched
from tests.e2e.steps import open_list, save, sign_in
from tests.services.instances import UsersInstance

pytestmark = BROWSING


@pytest.fixture
def users(tmp_path: Path) -> Iterator[UsersInstance]:
    with UsersInstance(tmp_path / "users.sqlite3") as instance:
        yield instance


def ask(installation: Installation) -> int:
    headers = {"authorization": f"Bearer {installation.demo['student_key']}"}
    return httpx.get(f"{installation.gateway.base_url}/svc/users/", headers=headers, timeout=30).status_code


def test_a_service_is_added_watched_steered_changed_and_restored(
    installation: Installation, watched: Watched, users: UsersInstance
) -> None:
    page = watched.page
    sign_in(watched, installation.demo["admin"])

    add(page, users)
    wait_until(lambda: ask(installation) == 200, what="The service")

    open_list(page, "Services at a glance")
    card = page.get_by_label("users", exact=True)
    expect(card.get_by_text("well").first).to_be_visible()
    card.get_by_role("button", name="Force down").click()
    expect(page.get_by_text("forced down", exact=True)).to_be_visible()
    wait_until(lambda: ask(installation) == 503, what="The end of requests")
    page.reload()
    watched.fits("forced-down", ("dark", 390), ("light", 1280))
    page.get_by_role("button", name="Back to automatic").click()
    wait_until(lambda: ask(installation) == 200, what="Their return")

    limit(page, watched)
    wait_until(lambda: ask(installation) == 429, what="The limit")

    go_back(page)
    wait_until(lambda: ask(installation) == 200, what="The end of the limit")

    open_list(page, "Service requests")
    expect(page.get_by_role("row", name=re.compile("200 answered")).first).to_be_visible()
    watched.picture("requests")


def add(page: Page, users: UsersInstance) -> None:
    page.goto("/admin/services/service/add/")
    page.locator("#id_name").fill("users")
    page.locator("#id_allow_private_network").check(force=True)
    page.get_by_label("students", exact=True).check(force=True)
    page.get_by_role("link", name="Add another Instance").click()
    page.locator("#id_instances-0-url").fill(users.url)
    save(page)


def limit(page: Page, watched: Watched) -> None:
    open_list(page, "Services")
    page.get_by_role("table").get_by_role("link", name="users").first.click()
    page.locator("#id_requests_per_minute").fill("1")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_role("heading", name="What changes")).to_be_visible()
    watched.picture("difference")
    page.get_by_role("button", name="Save these changes").click()
    expect(page.get_by_text("successfully")).to_be_visible()
    watched.picture("versions", whole=True)


def go_back(page: Page) -> None:
    page.get_by_role("button", name="Back to this").first.click()
    page.get_by_role("button", name="Back to this").click()
    expect(page.get_by_text("is what it was in version")).to_be_visible()
