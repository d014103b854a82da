"""Campus sign-in: an operator sets it up, an instructor uses it, and a group that is gone gives nothing."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Installation
from tests.e2e.pages import BROWSING, Watched, watched_page
from tests.e2e.steps import choose, open_list, sign_in
from tests.factories import PASSWORD
from tests.live import manage
from tests.oidc_provider import CLIENT, SECRET, OidcProvider, oidc_provider

pytestmark = BROWSING
COURSES = "courses: [{slug: physics, title: Physics}, {slug: chemistry, title: Chemistry}]"


@pytest.fixture(scope="module")
def campus(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    directory = tmp_path_factory.mktemp("campus")
    (directory / "courses.yaml").write_text(COURSES)
    applied = manage("apply", str(directory / "courses.yaml"), data_dir=installation.gateway.data_dir)
    assert applied.returncode == 0, applied.stderr
    with oidc_provider(directory) as provider:
        provider.register(f"{installation.gateway.base_url}/sign-in/campus/example-university/callback/")
        yield provider


def says(campus: OidcProvider, *groups: str) -> None:
    campus.person(
        "ada",
        password=PASSWORD,
        email="lovelace@example.edu",  # not the Ada of the demo
        email_verified=True,
        given_name="Ada",
        family_name="Lovelace",
        groups=list(groups),
    )


def set_up(page: Page, watched: Watched, campus: OidcProvider) -> None:
    """An operator enters the issuer with a grant, and tests it."""
    open_list(page, "Issuers")
    watched.picture("no-issuer-yet")
    page.goto("/admin/accounts/issuer/add/")
    page.locator("#id_name").fill("example-university")
    page.locator("#id_title").fill("Example University")
    page.locator("#id_issuer").fill(campus.url)
    page.locator("#id_client_id").fill(CLIENT)
    page.locator("#id_secret").fill(SECRET)
    page.locator("#id_allow_private_network").check(force=True)
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("/sign-in/campus/example-university/callback/")).to_be_visible()
    assert SECRET not in page.content()
    page.get_by_role("button", name="Test this issuer").click()
    expect(page.get_by_text("The issuer answers, calls itself as expected and publishes 1 key")).to_be_visible()
    watched.picture("tested", whole=True)
    page.goto("/admin/accounts/groupgrant/add/")
    page.locator("#id_issuer").select_option(label="Example University")
    page.locator("#id_group").fill("physics-staff")
    choose(page, "course", "Physics")
    page.locator("#id_role").select_option("instructor")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("cell", name="instructor of physics")).to_be_visible()
    watched.picture("granted")


def at_the_campus(page: Page) -> None:
    page.get_by_role("link", name="Sign in with Example University").click()
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign In").click()


def test_an_instructor_comes_through_the_campus_and_goes_with_her_group(
    installation: Installation, campus: OidcProvider, browser: Browser, watched: Watched
) -> None:
    sign_in(watched, installation.demo["admin"])
    set_up(watched.page, watched, campus)
    says(campus, "physics-staff")

    with watched_page(browser, base_url=installation.gateway.base_url, name="campus-ada") as ada:
        page = ada.page
        page.goto("/admin/accounts/membership/")
        ada.fits("sign-in", ("light", 390), ("dark", 1280))
        at_the_campus(page)
        expect(page).to_have_url(f"{installation.gateway.base_url}/admin/accounts/membership/")
        page.goto("/admin/accounts/course/")
        expect(page.get_by_role("table").get_by_role("link", name="Physics")).to_be_visible()
        expect(page.get_by_text("1 course", exact=True)).to_be_visible()
        assert "Chemistry" not in page.content()
        ada.picture("her-course")

        says(campus)
        page.goto("/sign-in/out/")
        page.get_by_role("button", name="Sign out").click()
        page.goto("/sign-in/")
        at_the_campus(page)
        expect(
            page.get_by_text("You are no longer instructor of Physics: none of your groups gives it.")
        ).to_be_visible()
        ada.fits("refused", ("light", 1280), ("dark", 390))
        ada.troubles[:] = [trouble for trouble in ada.troubles if "403" not in trouble]  # as it should be
        assert page.request.get("/admin/accounts/course/", max_redirects=0).status == 302
