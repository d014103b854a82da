"""An instructor looks after the weeks of a course: who has little left, who asks for more, and who got what and why."""

import csv
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.chat.world import wait_until
from tests.e2e.conftest import Installation
from tests.e2e.pages import BROWSING, Watched
from tests.e2e.steps import sign_in
from tests.factories import unique
from tests.live import manage

pytestmark = BROWSING
ALLOWANCE = "20\N{NARROW NO-BREAK SPACE}000"
REASON = "The lab was down on Monday."
JOURNEYS = 6  # tests here that need a course
COURSE = """
  - slug: {slug}
    title: {title}
    timezone: Europe/Helsinki
    student_weekly_tokens: 20000
    models: [echo]
    members:
      - {{external_id: tess, email: tess@example.edu, role: instructor}}
      - {{external_id: ada, email: ada@example.edu}}
      - {{external_id: ben, email: ben@example.edu}}
      - {{external_id: mia, email: mia@example.edu, name: Mia}}
"""


@dataclass(frozen=True)
class Students:
    """The students of a course of the test's own, which knows nothing of what other tests used."""

    installation: Installation
    slug: str
    title: str

    def key(self, who: str) -> str:
        """A new API key."""
        told = manage("issue_key", "--course", self.slug, "--member", who, data_dir=self.installation.gateway.data_dir)
        found = re.search(r"stoa_sk_\w+", told.stdout)
        assert found, told.stdout + told.stderr
        return found.group()

    def post(self, key: str, path: str, body: dict[str, Any]) -> httpx.Response:
        url = f"{self.installation.gateway.base_url}/v1{path}"
        return httpx.post(url, json=body, headers={"authorization": f"Bearer {key}"}, timeout=60)

    def ask(self, key: str) -> None:
        """Use some tokens, as soon as the gateway knows the course."""
        body = {"model": "echo", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
        wait_until(lambda: self.post(key, "/chat/completions", body).status_code == 200, what="An answer")

    def lock_out(self, key: str) -> None:
        """Ask for more than the week has."""
        long = {"model": "echo", "messages": [{"role": "user", "content": "Why? " * 30_000}]}
        refused = self.post(key, "/chat/completions", long)
        assert refused.status_code == 429, refused.text

    def ask_for_more(self, key: str, tokens: int, reason: str) -> None:
        asked = self.post(key, "/usage/requests", {"tokens": tokens, "reason": reason})
        assert asked.status_code == 201, asked.text

    def usage(self, key: str) -> Any:
        url = f"{self.installation.gateway.base_url}/v1/usage"
        return httpx.get(url, headers={"authorization": f"Bearer {key}"}, timeout=60).json()


@pytest.fixture(scope="module")
def unvisited(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> list[Students]:
    """One course for each test, all of them made at once: the command takes longer to start than to make them."""
    slugs = [unique("journey") for _ in range(JOURNEYS)]
    made = [Students(installation, slug, title=f"Course of {slug}") for slug in slugs]
    file = tmp_path_factory.mktemp("courses") / "courses.yaml"
    file.write_text("courses:" + "".join(COURSE.format(slug=one.slug, title=one.title) for one in made))
    applied = manage("apply", str(file), data_dir=installation.gateway.data_dir)
    assert applied.returncode == 0, applied.stderr
    return made


@pytest.fixture
def students(unvisited: list[Students]) -> Students:
    return unvisited.pop()


def open_students(page: Page, students: Students) -> None:
    page.goto(f"{students.installation.gateway.base_url}/admin/c/{students.slug}/students/")
    expect(page.get_by_role("heading", name="Students").first).to_be_visible()


def number(text: str) -> int:
    """A number as people read it; a dash is nothing."""
    digits = text.replace("\N{NARROW NO-BREAK SPACE}", "").replace("\N{MINUS SIGN}", "-").strip()
    return 0 if digits == "–" else int(digits)


def ledger_column(page: Page, title: str) -> list[int]:
    """The newest line first."""
    table = page.get_by_role("table")
    column = table.get_by_role("columnheader").all_inner_texts().index(title)
    return [number(row.locator("td").nth(column).inner_text()) for row in table.locator("tbody tr").all()]


def test_who_has_least_left_comes_first_and_the_ledger_adds_up(students: Students, watched: Watched) -> None:
    page = watched.page
    students.ask(students.key("ada"))
    sign_in(watched, students.installation.demo["instructor"])

    open_students(page, students)
    watched.picture("students", whole=True)
    first = page.get_by_role("table").locator("tbody tr").first
    expect(first).to_contain_text("ada")
    expect(first.get_by_role("img", name=re.compile(r"^\d+ percent used$"))).to_be_visible()
    expect(page.get_by_text("Europe/Helsinki")).to_be_visible()
    first.get_by_role("link", name="Ada", exact=True).click()

    expect(page.get_by_role("heading", name="Ada").first).to_be_visible()
    watched.picture("student", whole=True)
    page.get_by_text("Ledger, line by line").click()
    expect(page.get_by_role("img", name=re.compile(r"^\d+ percent used$"))).to_be_visible()
    expect(page.get_by_text(f"{ALLOWANCE} + 0 granted = {ALLOWANCE}")).to_be_visible()
    used, after = ledger_column(page, "Used"), ledger_column(page, "Used after")
    assert [sum(used[line:]) for line in range(len(used))] == after
    assert sum(ledger_column(page, "Held")) == 0
    expect(page.get_by_text(f"add up to {after[0]} used, 0 held and 0 granted")).to_be_visible()


def test_several_are_granted_more_at_once_and_the_ledger_says_who_and_why(students: Students, watched: Watched) -> None:
    page = watched.page
    sign_in(watched, students.installation.demo["instructor"])
    open_students(page, students)
    for who in ("ada", "ben"):
        page.get_by_label(f"Choose {who}").check()
    watched.picture("chosen")
    page.get_by_role("button", name="Grant tokens to the chosen").click()

    button = page.get_by_role("button", name="Grant tokens to 2 students")
    expect(page.get_by_role("row", name="ada")).to_contain_text(ALLOWANCE)
    page.get_by_label("Tokens").fill("5000")
    page.get_by_label("Reason").fill(REASON)
    watched.picture("confirm", whole=True)
    button.dblclick()  # a form that is sent twice counts once, and the second answer says so
    expect(page.get_by_text(re.compile("tokens granted to 2 students|Nothing was changed"))).to_be_visible()
    watched.picture("granted")

    page.get_by_role("link", name="Ben", exact=True).click()
    page.get_by_text("Ledger, line by line").click()
    line = page.get_by_role("row", name="Granted by staff")
    expect(line).to_have_count(1)
    expect(line).to_contain_text("Tess")
    expect(line).to_contain_text(REASON)
    assert ledger_column(page, "Granted") == ledger_column(page, "Granted after") == [5000]
    watched.picture("ledger", whole=True)


def test_requests_are_granted_and_declined_with_a_click(students: Students, watched: Watched) -> None:
    page, keys = watched.page, {who: students.key(who) for who in ("ada", "ben")}
    students.ask(keys["ada"])
    students.ask_for_more(keys["ada"], 3000, f"Project of {students.slug}")
    students.ask_for_more(keys["ben"], 900_000, f"No reason in {students.slug} {'x' * 200}")
    page.set_viewport_size({"width": 1280, "height": 900})
    sign_in(watched, students.installation.demo["instructor"])

    page.goto("/admin/quotas/allowancerequest/?state__exact=open")
    granted = page.get_by_role("row", name=f"Project of {students.slug}")
    declined = page.get_by_role("row", name=f"No reason in {students.slug}")
    expect(granted).to_contain_text(f"of {ALLOWANCE}")
    expect(declined.get_by_role("link", name="Decline")).to_be_in_viewport(ratio=1)
    watched.picture("queue", whole=True)
    granted.get_by_role("button", name="Grant").click()
    expect(page.get_by_text("granted to Ada")).to_be_visible()
    page.goto("/admin/quotas/allowancerequest/?state__exact=open")
    declined.get_by_role("link", name="Decline").click()
    page.get_by_label("Answer").fill("Ask again with a plan.")
    page.get_by_role("button", name="Decline").click()
    expect(page.get_by_text("declined", exact=False).first).to_be_visible()
    watched.picture("decided")

    usage = students.usage(keys["ada"])
    assert (usage["granted"], usage["limit"], usage["requests"][0]["state"]) == (3000, 23_000, "granted")
    (told,) = students.usage(keys["ben"])["requests"]
    assert (told["state"], told["answer"]) == ("declined", "Ask again with a plan.")


def test_a_locked_out_student_is_found_within_ten_seconds_of_signing_in(students: Students, watched: Watched) -> None:
    """By the script, which reads faster than people: what counts is that two clicks are enough."""
    page, key = watched.page, students.key("mia")
    students.ask(key)
    students.lock_out(key)
    sign_in(watched, students.installation.demo["instructor"])

    began = time.monotonic()
    watched.picture("signed-in", whole=True)
    page.get_by_role("main").get_by_role("link", name=students.title).first.click()
    needs = page.locator(".stoa-needs")
    expect(needs).to_contain_text("1 locked out")
    expect(needs).to_contain_text("Mia since today")
    watched.picture("today", whole=True)
    needs.get_by_role("link", name="Students").first.click()
    expect(page.get_by_role("row", name="Mia")).to_contain_text("locked out")
    took = time.monotonic() - began

    expect(page.get_by_role("row", name="Mia").get_by_role("link", name="Grant")).to_be_visible()
    watched.fits("students", ("light", 1440), ("light", 390))
    assert took < 10


def test_a_course_is_taken_along_as_a_table(students: Students, watched: Watched) -> None:
    page = watched.page
    students.ask(students.key("ada"))
    sign_in(watched, students.installation.demo["instructor"])

    open_students(page, students)
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()

    assert download.value.suggested_filename == f"students-{students.slug}.csv"
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
        rows = {row["student_number"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"tess", "ada", "ben", "mia"}
    assert int(rows["ada"]["used"]) + int(rows["ada"]["left"]) == int(rows["ada"]["limit"]) == 20_000
    assert rows["ada"]["timezone"] == "Europe/Helsinki"


def test_allowances_fit_narrow_windows_and_dark_rooms(students: Students, watched: Watched) -> None:
    page = watched.page
    key = students.key("ada")
    students.ask(key)
    students.ask_for_more(key, 3000, "A long reason, " * 30)
    sign_in(watched, students.installation.demo["instructor"])
    home = f"/admin/c/{students.slug}/students/"
    page.goto(home)
    student = str(page.get_by_role("table").get_by_role("link", name="Ada", exact=True).get_attribute("href"))

    for name, address in (
        ("overview", "/admin/"),
        ("students", home),
        ("today", f"/admin/c/{students.slug}/"),
        ("allowance", f"/admin/c/{students.slug}/allowance/"),
        ("settings", f"/admin/c/{students.slug}/settings/"),
        ("student", student),
        ("queue", "/admin/quotas/allowancerequest/"),
        ("usage", "/admin/quotas/weeklyusage/"),
        ("ledger", "/admin/quotas/ledgerentry/"),
    ):
        page.goto(address)
        watched.fits(name, ("light", 390), ("dark", 390), ("dark", 1280))
