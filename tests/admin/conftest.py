"""Signed-in people, and two courses in which every page has something to show."""

import pytest
from django.test import Client

from apps.accounts.models import Membership, User
from apps.quotas.models import AllowanceRequest, LedgerEntry, Override, QuotaPolicy
from tests import factories
from tests.admin.allowances import ALLOWANCE, a_request
from tests.admin.world import CourseWorld, make_world


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def world(db: None) -> CourseWorld:
    """The course of the people below."""
    return make_world()


@pytest.fixture
def foreign(db: None) -> CourseWorld:
    """A course in which they have no part."""
    return make_world()


@pytest.fixture
def operator(db: None) -> Client:
    return sign_in(factories.make_operator())


@pytest.fixture
def teacher(world: CourseWorld) -> Membership:
    return factories.make_instructor(course=world.course)


@pytest.fixture
def instructor(teacher: Membership) -> Client:
    return sign_in(teacher.user)


@pytest.fixture
def assistant(world: CourseWorld) -> Client:
    return sign_in(factories.make_assistant(course=world.course).user)


@pytest.fixture
def student(world: CourseWorld) -> Client:
    return sign_in(world.student.user)


@pytest.fixture
def plain_allowance(world: CourseWorld) -> None:
    """Everybody in the course has the same, with nothing decided yet."""
    QuotaPolicy.objects.filter(course=world.course).update(student_weekly_tokens=ALLOWANCE)
    world.course.boosts.all().delete()
    Override.objects.filter(membership__course=world.course).delete()
    LedgerEntry.objects.filter(kind__in=("grant", "change")).delete()


@pytest.fixture
def asked(world: CourseWorld) -> AllowanceRequest:
    """The only request in the course, and open."""
    world.student.allowance_requests.all().delete()
    return a_request(world.student, tokens=3_000, reason="<b>Long</b> project")
