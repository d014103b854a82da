"""What an operator sees to: providers and their secrets, calls, and what the database refused."""

from playwright.sync_api import Locator, Page, expect

from tests.chat.world import wait_until
from tests.e2e.conftest import Installation
from tests.e2e.pages import BROWSING, Watched
from tests.e2e.steps import open_list, refusal, save, sign_in
from tests.provider_stub import ProviderStub

pytestmark = BROWSING
HOMEWORK = "homework"  # in the name of the demo's rule, and of the ready one that other tests put before it
SECRET = "sk-a-secret-that-is-shown-to-nobody"


def test_a_secret_is_taken_and_never_shown(installation: Installation, watched: Watched) -> None:
    page = watched.page
    sign_in(watched, installation.demo["admin"])

    open_list(page, "Providers")
    page.get_by_role("table").get_by_role("link", name="echo").click()
    page.get_by_role("link", name="Add another Credential").click()
    page.locator("#id_credentials-0-label").fill("main")
    page.locator("#id_credentials-0-secret").fill(SECRET)
    watched.picture("typed")
    save(page)
    expect(page.get_by_role("row", name="echo").locator(".field-keys")).to_have_text("1")
    watched.picture("listed")

    page.get_by_role("table").get_by_role("link", name="echo").click()
    expect(page.locator("#id_credentials-0-label")).to_have_value("main")
    watched.picture("stored")
    assert SECRET not in page.content()


def test_a_provider_is_added_and_a_wrong_key_found_without_the_log(
    installation: Installation, watched: Watched
) -> None:
    page = watched.page
    sign_in(watched, installation.demo["admin"])
    with ProviderStub() as stub:
        open_list(page, "Providers")
        page.locator('a[href^="/admin/providers/provider/add/"]').first.click()
        watched.fits("kinds", ("dark", 390), ("light", 1440))
        page.get_by_role("link", name="Add Another provider").click()
        page.get_by_label("Name").fill("Campus")
        page.get_by_label("Address").fill(stub.base_url)
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("turn on “Allow private network”")).to_be_visible()
        watched.fits("private", ("dark", 390), ("light", 1440))
        page.get_by_label("Allow private network").check()
        page.get_by_role("button", name="Continue").click()

        stub.lists(status=401, body=None)
        page.get_by_label("Key").fill(SECRET)
        page.get_by_role("button", name="Test").click()
        expect(page.get_by_text("The provider does not accept the key (401).").first).to_be_visible()
        watched.fits("wrong-key", ("dark", 390), ("light", 1440))
        row = page.get_by_role("row", name="campus")
        # A check that began before there was a key has its word for some seconds.
        wait_until(lambda: "does not accept the key (401)" in told(page, row), what="The cause in the list")
        expect(row.locator(".stoa-badge.good")).to_have_count(0)
        watched.picture("wrong-in-the-list")

        stub.lists()
        row.get_by_role("link", name="campus").click()
        page.get_by_role("link", name="Go on: test").click()
        page.get_by_role("button", name="Test again").click()
        expect(page.get_by_text("2 models listed")).to_be_visible()
        watched.fits("works", ("dark", 390), ("light", 1440))
        page.get_by_role("link", name="Choose models").click()
        page.get_by_label("stub-model", exact=True).check()
        page.get_by_label("Name for students of stub-model").fill("campus-tutor")
        watched.fits("models", ("dark", 390), ("light", 1440))
        page.get_by_role("button", name="Add models").click()
        page.get_by_label("Demo course").check()
        watched.fits("courses", ("dark", 390), ("light", 1440))
        page.get_by_role("button", name="Allow").click()
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.get_by_role("region", name="Answer")).to_contain_text("Campus as stub-model")
        watched.fits("answered", ("dark", 390), ("light", 1440))

        page.get_by_role("link", name="Finish").click()
        expect(page.get_by_role("row", name="campus").locator(".stoa-badge.good")).to_be_visible()
        watched.fits("listed", ("dark", 390), ("light", 1440))


def told(page: Page, row: Locator) -> str:
    open_list(page, "Providers")
    expect(row).to_be_visible()
    return row.inner_text()


def test_a_deployment_is_drained_and_put_back(installation: Installation, watched: Watched) -> None:
    page = watched.page
    assert refusal(installation, "What is a functor?") is None
    sign_in(watched, installation.demo["admin"])

    open_list(page, "Deployments")
    expect(page.get_by_role("row", name="echo")).to_contain_text("100 %")
    watched.picture("listed")
    page.get_by_role("table").get_by_role("link", name="echo").first.click()
    page.get_by_role("button", name="Drain", exact=True).click()
    expect(page.locator(".stoa-badge", has_text="draining")).to_be_visible()
    watched.fits("draining", ("dark", 390), ("light", 1280))

    page.get_by_role("button", name="Back to automatic").click()
    expect(page.locator(".stoa-badge", has_text="well")).to_be_visible()


def test_calls_are_narrowed_to_the_refused(installation: Installation, watched: Watched) -> None:
    page = watched.page
    assert refusal(installation, "What is a monad?") is None
    assert refusal(installation, "Solve my homework") is not None
    sign_in(watched, installation.demo["admin"])

    open_list(page, "Calls")
    expect(page.get_by_role("row", name="Answered").first).to_be_visible()
    watched.picture("all")
    narrow(page, "status__exact", "Blocked by a rule")

    expect(page.get_by_role("row", name="Blocked by a rule").first).to_contain_text(HOMEWORK)
    expect(page.get_by_role("row", name="Answered")).to_have_count(0)
    watched.picture("blocked")


def test_the_session_of_the_admin_opens_the_staff_api(installation: Installation, watched: Watched) -> None:
    assert refusal(installation, "Write my essay") is not None
    sign_in(watched, installation.demo["instructor"])

    page = watched.page.request.get("/api/staff/calls", params={"status": "blocked", "page_size": 1}).json()

    (call,) = page["results"]
    assert (call["course"], call["member"], call["charged"]) == ("demo", "ada", 0)
    assert all(HOMEWORK in hit["rule"] for hit in call["rule_hits"])
    assert call["rule_hits"]


def narrow(page: Page, parameter: str, choice: str) -> None:
    """Choose one value of one filter in the bar, which is applied at once."""
    page.locator(f".stoa-filters select[name={parameter}]").select_option(label=choice)
    expect(page.locator(".stoa-chip.on", has_text=choice)).to_be_visible()


def test_nothing_is_dead(installation: Installation, watched: Watched) -> None:
    sign_in(watched, installation.demo["admin"])

    open_list(watched.page, "Dead letters")

    expect(watched.page.get_by_role("heading", name="No dead letters yet")).to_be_visible()


def test_both_documentations_are_drawn(installation: Installation, watched: Watched) -> None:
    for name, address, operation in (
        ("student", "/docs", "/v1/chat/completions"),
        ("staff", "/api/staff/docs", "/api/staff/calls"),
    ):
        watched.page.goto(address)
        expect(watched.page.locator(f'[data-path="{operation}"]').first).to_be_visible()
        watched.picture(name)


def test_who_did_what_is_read(installation: Installation, watched: Watched) -> None:
    page = watched.page
    sign_in(watched, installation.demo["admin"])
    open_list(page, "Courses")
    page.get_by_role("table").get_by_role("link", name="Demo").first.click()
    # The new name still contains "Demo course", by which other tests choose this course.
    page.locator("#id_title").fill("Demo course of this term")
    save(page)

    page.goto("/admin/")
    open_list(page, "Audit log")
    row = page.get_by_role("row").filter(has_text="course: changed").first
    expect(row).to_contain_text("Demo course of this term")
    watched.fits("listed", ("light", 1440), ("dark", 390))
    row.get_by_role("link").first.click()
    expect(page.get_by_role("row", name="title")).to_contain_text("Demo course of this term")
    watched.fits("read", ("dark", 390), ("light", 1280))

    page.get_by_role("link", name="All entries of this object").click()
    expect(page.get_by_role("row").filter(has_text="course: created")).to_be_visible()
