"""Every page opens for those who may see it, with rows and without, and is closed to everybody else."""

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client

from apps.accounts.models import ApiKey, AuditEntry, Department, Membership, StaffKey, User
from apps.accounts.scopes import ALL
from apps.accounts.tokens import families
from apps.accounts.tokens.callers import Caller
from apps.common.ids import new_id
from apps.common.models import Job
from apps.conversations.models import Appeal, Call, DeadLetter, Thread
from apps.operations.models import LiveSettings, Notification
from apps.providers.models import ProviderEvent
from apps.quotas.models import AllowanceRequest, Boost, Hold, Institution, Override, RoleAllowance, WeeklyUsage
from tests import factories
from tests.admin.conftest import sign_in
from tests.admin.world import (
    ALL_MODELS,
    COURSE_MODELS,
    CourseWorld,
    add_page,
    list_of,
    page_of,
)


def make_operator_rows(world: CourseWorld) -> None:
    Department.objects.create(slug=factories.unique("department"), title="Physics")
    StaffKey.issue(user=factories.make_user(is_staff=True))
    families.start(Caller(user=world.student.user, membership=world.student, scopes=ALL), now=world.call.started_at)
    provider = factories.make_provider()
    factories.make_model(provider, course=world.course)
    factories.make_grant(course=world.course, role="assistant")
    Institution.objects.create(weekly_tokens=10)
    factories.make_service("https://service.example.com")
    DeadLetter.objects.create(call=world.call.pk, record={"body": "{}"}, error="DataError()")
    at = world.call.started_at
    ProviderEvent.note("down", provider=provider.pk, detail="It broke off its answer.", now=at)
    Job.objects.create(kind="walk", title="A long walk", created_at=at)
    LiveSettings.objects.create()
    happened = {
        "about": "disk",
        "kind": "disk_full",
        "subject": "disk",
        "level": "bad",
        "title": "Full",
        "page": "/admin/",
    }
    told = Notification.objects.create(key=factories.unique("key"), at=at, **happened)
    told.deliveries.create(channel=factories.make_channel(), due_at=at, asked_at=at)
    Hold.objects.create(
        id=new_id(), owner="o", amount=1, floor=1, usage_ids="[]", identity="{}", created_at=at, expires_at=at
    )


@pytest.mark.parametrize("model", ALL_MODELS)
def test_every_list_opens_without_rows(model: type[Model], operator: Client) -> None:
    page = operator.get(list_of(model))

    assert page.status_code == 200


@pytest.mark.parametrize("model", [model for model in ALL_MODELS if model not in (User, AuditEntry)])
def test_an_empty_list_says_what_to_do(model: type[Model], operator: Client) -> None:
    page = operator.get(list_of(model))

    assert str(admin.site._registry[model].empty_text) in page.context["cl"].model_admin.empty_text
    assert b"stoa-empty" in page.content


@pytest.mark.parametrize("model", ALL_MODELS)
def test_every_list_and_page_opens_with_rows(model: type[Model], operator: Client, world: CourseWorld) -> None:
    make_operator_rows(world)
    row = model._default_manager.first()
    assert row is not None

    listed = operator.get(list_of(model), follow=True)
    page = operator.get(page_of(row), follow=True)

    assert (listed.status_code, page.status_code) == (200, 200)


PEOPLE = (User, Membership, ApiKey, Override, AllowanceRequest, WeeklyUsage, Thread, Call, Appeal)
NAMES = {"Ö'Brien": "ö'brien", "Ναυσικά": "ΝΑΥΣΙΚΆ", "ЛЮБОВЬ": "любовь"}


@pytest.mark.parametrize("model", PEOPLE)
@pytest.mark.parametrize("name", NAMES)
def test_people_are_found_in_any_case_of_any_script(
    model: type[Model], name: str, operator: Client, world: CourseWorld
) -> None:
    User.objects.filter(pk=world.student.user_id).update(last_name=name)
    world.student.external_id = name
    world.student.save()

    lists = [operator.get(list_of(model), {"q": word}).context["cl"] for word in (NAMES[name], f"{NAMES[name]}x")]

    assert [one.queryset.count() for one in lists] == [1, 0]


@pytest.mark.parametrize("model", ALL_MODELS)
def test_every_list_can_be_searched(model: type[Model], operator: Client, world: CourseWorld) -> None:
    make_operator_rows(world)

    page = operator.get(list_of(model), {"q": "some words"}, follow=True)

    assert page.status_code == 200


@pytest.mark.parametrize("model", ALL_MODELS)
def test_no_list_counts_the_table_for_each_choice_of_a_filter(
    model: type[Model], operator: Client, world: CourseWorld
) -> None:
    page = operator.get(list_of(model), {"_facets": "True"})

    assert not page.context["cl"].add_facets


@pytest.mark.parametrize("model", ALL_MODELS)
def test_every_add_page_opens_or_is_forbidden(model: type[Model], operator: Client) -> None:
    may_add = admin.site._registry[model].has_add_permission(operator.get("/admin/").wsgi_request)

    page = operator.get(add_page(model), follow=True)

    assert page.status_code == (200 if may_add else 403)


def test_staff_without_a_course_are_told_whom_to_ask(db: None) -> None:
    page = sign_in(factories.make_user(is_staff=True)).get("/admin/")

    assert "Ask the operator" in page.content.decode()


@pytest.mark.parametrize("model", COURSE_MODELS)
def test_instructors_open_the_pages_of_their_course(model: type[Model], instructor: Client, world: CourseWorld) -> None:
    listed = instructor.get(list_of(model))
    page = instructor.get(page_of(world.row(model)), follow=True)

    assert (listed.status_code, page.status_code) == (200, 200)


def test_the_sidebar_shows_only_what_may_be_seen(instructor: Client) -> None:
    page = instructor.get("/admin/?all=1").content.decode()

    assert "Conversations" in page
    assert "Providers" not in page


def test_every_registered_page_is_in_the_sidebar(operator: Client) -> None:
    page = operator.get("/admin/").content.decode()

    missing = [model for model in ALL_MODELS if f'href="{list_of(model)}"' not in page]

    assert set(missing) == {RoleAllowance, Boost, Override}  # lines of a course's Allowance page, which leads to them


def test_the_first_page_shows_the_week_of_a_course(instructor: Client, world: CourseWorld) -> None:
    page = instructor.get("/admin/", follow=True).content.decode()

    assert str(world.course) in page
    assert str(world.thread) in page


def test_visitors_find_the_base_url(db: None) -> None:
    page = Client().get("/").content.decode()

    assert "http://testserver/v1" in page
