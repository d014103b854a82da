"""Changes of rows that snapshots copy announce themselves."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from apps.accounts.models import TOPIC, ApiKey, Course, Membership, User
from apps.common.models import Revision
from apps.rules.models import Rule
from tests import factories

pytestmark = pytest.mark.django_db


def number(topic: str = TOPIC) -> int:
    return Revision.objects.filter(topic=topic).values_list("number", flat=True).first() or 0


CHANGES: dict[str, Callable[[Course], object]] = {
    "create": lambda course: Course.objects.create(slug=factories.unique("new"), title="New"),
    "save": lambda course: course.save(),
    "save of some fields": lambda course: course.save(update_fields=["title"]),
    "delete": lambda course: course.delete(),
    "update": lambda course: Course.objects.filter(pk=course.pk).update(title="Other"),
    "bulk create": lambda course: Course.objects.bulk_create([Course(slug=factories.unique("new"), title="New")]),
    "bulk update": lambda course: Course.objects.bulk_update([course], ["title"]),
    "queryset delete": lambda course: Course.objects.filter(pk=course.pk).delete(),
    "get or create": lambda course: Course.objects.get_or_create(slug=factories.unique("new")),
    "update or create": lambda course: Course.objects.update_or_create(slug=course.slug, defaults={"title": "Other"}),
    "related manager": lambda course: course.memberships.create(user=factories.make_user(), external_id="x"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_bumps_the_revision(course: Course, change: str) -> None:
    before = number()

    CHANGES[change](course)

    assert number() > before


def test_reading_does_not_bump_the_revision(course: Course) -> None:
    before = number()

    list(Course.objects.filter(pk=course.pk))

    assert number() == before


def test_a_change_that_is_rolled_back_bumps_nothing(course: Course) -> None:
    before = number()

    with pytest.raises(RuntimeError), transaction.atomic():
        course.save()
        raise RuntimeError

    assert number() == before


def test_a_write_that_fails_bumps_nothing(course: Course) -> None:
    before = number()

    with pytest.raises(IntegrityError):
        Course.objects.filter(pk=course.pk).update(title=None)

    assert number() == before


def test_revoking_keys_bumps_the_revision(ada: Membership) -> None:
    before = number()

    assert ApiKey.objects.filter(membership=ada).revoke(now=datetime.now(UTC)) == 1
    assert number() > before


def test_a_person_who_is_deactivated_bumps_the_revision(ada: Membership) -> None:
    before = number()

    ada.user.is_active = False
    ada.user.save()

    assert number() > before


def test_signing_in_does_not_bump_the_revision(ada: Membership) -> None:
    before = number()

    ada.user.save(update_fields=["last_login"])

    assert number() == before


def test_topics_are_apart(course: Course) -> None:
    before = number()

    factories.make_rule(course=course)

    assert number() == before
    assert number(Rule.topic) > 0


def test_a_bulk_change_of_people_is_announced() -> None:
    person = factories.make_student().user
    before = number()

    User.objects.filter(pk=person.pk).update(is_active=False)

    assert number() > before
