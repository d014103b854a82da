"""The demo of a first run."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import authenticate

from apps.accounts import keys
from apps.accounts.models import ApiKey, Course, Membership, User
from apps.providers.models import CourseModel, Deployment
from apps.quotas.models import QuotaPolicy
from apps.rules.models import Rule
from gateway_project import apply
from gateway_project.demo import CONTENT, banner, ensure_demo
from gateway_project.env import Env

BASE_URL = "http://127.0.0.1:8000"


@pytest.fixture
def empty(db: None) -> None:
    """An installation that nobody has used: what other tests committed comes back when this one ends."""
    Course.objects.all().delete()
    User.objects.all().delete()


@pytest.fixture
def demo(empty: None, tmp_path: Path) -> dict[str, Any]:
    made = ensure_demo(data_dir=tmp_path, base_url=BASE_URL)
    assert made is not None
    return made


def test_it_writes_what_it_returns(demo: dict[str, Any], tmp_path: Path) -> None:
    assert json.loads((tmp_path / "demo.json").read_text()) == demo


def test_it_has_exactly_the_promised_fields(demo: dict[str, Any]) -> None:
    assert list(demo) == ["base_url", "admin", "instructor", "course", "student_key", "model"]
    assert (demo["base_url"], demo["course"], demo["model"]) == (BASE_URL, "demo", "echo")
    assert list(demo["admin"]) == list(demo["instructor"]) == ["username", "password"]


def test_only_its_owner_can_read_it(demo: dict[str, Any], tmp_path: Path) -> None:
    assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600


def test_the_operator_can_sign_in(demo: dict[str, Any]) -> None:
    user = authenticate(**demo["admin"])

    assert isinstance(user, User) and user.is_superuser


def test_the_instructor_can_sign_in_and_is_no_operator(demo: dict[str, Any]) -> None:
    user = authenticate(**demo["instructor"])

    assert isinstance(user, User) and user.is_staff and not user.is_superuser
    assert Course.objects.for_instructor(user).get().slug == "demo"


def test_the_key_is_adas(demo: dict[str, Any]) -> None:
    digest = keys.digest(demo["student_key"], pepper=django_settings.KEY_PEPPER)

    assert ApiKey.objects.get(digest=digest).membership.external_id == "ada"


def test_it_has_two_students(demo: dict[str, Any]) -> None:
    students = Membership.objects.filter(course__slug="demo", role="student")

    assert [student.user.email for student in students] == ["ada@example.edu", "ben@example.edu"]


def test_it_has_an_allowance(demo: dict[str, Any]) -> None:
    policy = QuotaPolicy.objects.get(course__slug="demo")

    assert (policy.weekly_tokens, policy.student_weekly_tokens) == (1_000_000, 200_000)
    assert (policy.student_requests_per_minute, policy.student_concurrent_requests) == (None, None)


def test_it_answers_with_the_echo_provider(demo: dict[str, Any]) -> None:
    model = CourseModel.objects.get(course__slug="demo").model

    assert Deployment.objects.get(model=model).provider.adapter == "echo"


def test_it_has_a_rule_that_blocks_and_one_that_guides(demo: dict[str, Any]) -> None:
    rules = Rule.objects.filter(course__slug="demo", stage="enforce").order_by("name")

    assert [(rule.name, rule.action) for rule in rules] == [("explain-first", "guide"), ("no-homework", "block")]


def test_a_later_run_keeps_it(demo: dict[str, Any], tmp_path: Path) -> None:
    assert ensure_demo(data_dir=tmp_path, base_url=BASE_URL) == demo


def test_a_later_run_at_another_port_says_so(demo: dict[str, Any], tmp_path: Path) -> None:
    moved = {**demo, "base_url": "http://127.0.0.1:9000"}

    assert ensure_demo(data_dir=tmp_path, base_url="http://127.0.0.1:9000") == moved
    assert json.loads((tmp_path / "demo.json").read_text()) == moved
    assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600


def test_a_demo_whose_database_has_gone_is_made_anew(demo: dict[str, Any], tmp_path: Path, empty: None) -> None:
    Course.objects.all().delete()
    User.objects.all().delete()

    again = ensure_demo(data_dir=tmp_path, base_url=BASE_URL)

    assert again is not None and authenticate(**again["admin"])


def test_an_installation_in_use_gets_none(course: Course, tmp_path: Path) -> None:
    assert ensure_demo(data_dir=tmp_path, base_url=BASE_URL) is None
    assert not (tmp_path / "demo.json").exists()


def test_production_never_has_one(empty: None, tmp_path: Path, settings: Any) -> None:
    settings.ENV = Env.model_construct(gateway_env="production")

    assert ensure_demo(data_dir=tmp_path, base_url=BASE_URL) is None
    assert not User.objects.exists()


def test_its_file_can_be_applied_again(demo: dict[str, Any]) -> None:
    assert apply.apply(CONTENT.read_bytes(), source="demo.yaml", environment={}) == []


def test_the_banner_has_what_a_visitor_needs(demo: dict[str, Any]) -> None:
    text = banner(demo)

    for word in (f"{BASE_URL}/admin/", f"{BASE_URL}/v1 ", demo["admin"]["password"], demo["instructor"]["password"]):
        assert word in text


def test_the_curl_lines_can_be_pasted(demo: dict[str, Any]) -> None:
    plain, streamed = (shlex.split(line) for line in banner(demo).splitlines() if line.startswith("  curl "))

    assert plain[:3] == ["curl", "-s", f"{BASE_URL}/v1/chat/completions"]
    assert f"Authorization: Bearer {demo['student_key']}" in plain
    assert json.loads(plain[-1])["model"] == "echo"
    assert streamed[1] == "-sN"
    assert json.loads(streamed[-1])["stream"] is True
