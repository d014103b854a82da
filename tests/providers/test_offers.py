"""Which models an instructor may allow is the institution's choice, whoever asks and by whatever way."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from apps.accounts.models import Course
from apps.providers.catalogue import load_catalogue
from apps.providers.models import CourseModel, Model, Offer
from gateway_project.apply import Mistakes, apply
from tests import factories
from tests.admin.conftest import foreign, instructor, teacher, world
from tests.admin.world import CourseWorld, page_of

__all__ = ["foreign", "instructor", "teacher", "world"]

FILE = """
models:
  - {name: costly, offered_to: named, courses: [cs101], deployments: []}
courses:
  - {slug: cs101, title: One, models: [costly]}
"""


@pytest.fixture
def course(db: None) -> Course:
    return factories.make_course()


def model(offered_to: str) -> Model:
    return Model.objects.create(name=factories.unique("model"), offered_to=offered_to)


@pytest.mark.parametrize("offered_to", ["request", "named"])
def test_what_is_not_offered_to_a_course_cannot_be_allowed_there(course: Course, offered_to: str) -> None:
    row = CourseModel(course=course, model=model(offered_to))

    for attempt in (row.full_clean, row.save, lambda: CourseModel.objects.bulk_create([row])):
        with pytest.raises(ValidationError, match="is not offered to"):
            attempt()
    assert not CourseModel.objects.exists()


@pytest.mark.parametrize("offered_to", ["request", "named"])
def test_an_operator_grants_it_by_naming_the_course(course: Course, offered_to: str) -> None:
    other, granted = factories.make_course(), model(offered_to)

    Offer.objects.create(model=granted, course=course)

    CourseModel.objects.create(course=course, model=granted)
    with pytest.raises(ValidationError):
        CourseModel.objects.create(course=other, model=granted)


def test_a_model_for_any_course_needs_no_grant(course: Course) -> None:
    CourseModel.objects.create(course=course, model=model("any"))


def test_what_is_offered_no_longer_is_not_called(course: Course) -> None:
    allowed = model("any")
    CourseModel.objects.create(course=course, model=allowed)

    allowed.offered_to = Model.OfferedTo.NAMED
    allowed.save()
    without = load_catalogue()
    Offer.objects.create(model=allowed, course=course)

    assert not without.allows(course.pk, allowed.name)
    assert load_catalogue().allows(course.pk, allowed.name)


def formset(**values: Any) -> dict[str, Any]:
    counts = {"TOTAL_FORMS": 1, "INITIAL_FORMS": 0, "MIN_NUM_FORMS": 0, "MAX_NUM_FORMS": 1000}
    return {f"allowed_models-{name}": value for name, value in counts.items()} | {
        f"allowed_models-0-{name}": value for name, value in values.items()
    }


def test_the_page_of_a_course_offers_what_is_offered(instructor: Client, world: CourseWorld) -> None:
    names = {offered_to: model(offered_to).name for offered_to in Model.OfferedTo.values}
    granted = model("named")
    Offer.objects.create(model=granted, course=world.course)

    page = instructor.get(page_of(world.course)).content.decode()

    assert f"<span>{names['any']}</span>" in page
    assert f"<span>{granted.name}</span>" in page
    assert f"Ask your operator for: {names['request']}." in page
    assert f"<span>{names['request']}</span>" not in page
    assert names["named"] not in page


def test_posting_it_all_the_same_is_refused(instructor: Client, world: CourseWorld, foreign: CourseWorld) -> None:
    secret = model("named")
    Offer.objects.create(model=secret, course=foreign.course)

    page = instructor.post(page_of(world.course), {"title": "x", **formset(course=world.course.pk, model=secret.pk)})

    assert page.status_code == 200
    assert not CourseModel.objects.filter(model=secret).exists()


@pytest.mark.django_db
def test_a_file_offers_and_allows_at_once_and_can_be_applied_again() -> None:
    apply(FILE.encode(), source="f", environment={})

    assert apply(FILE.encode(), source="f", environment={}) == []
    assert load_catalogue().allows(Course.objects.get(slug="cs101").pk, "costly")


@pytest.mark.django_db
def test_a_file_does_not_allow_what_it_does_not_offer() -> None:
    with pytest.raises(Mistakes, match="costly is not offered to One"):
        apply(FILE.replace("courses: [cs101], ", "").encode(), source="f", environment={})

    assert not Course.objects.filter(slug="cs101").exists()


@pytest.mark.django_db
def test_a_file_that_names_fewer_courses_takes_the_offer_back_when_it_prunes() -> None:
    apply(FILE.encode(), source="f", environment={})

    apply(
        FILE.replace("[cs101]", "[]").replace("models: [costly]}", "models: []}").encode(),
        source="f",
        environment={},
        prune=True,
    )

    assert not Offer.objects.exists()
