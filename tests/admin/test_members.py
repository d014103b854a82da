"""Members: known by e-mail address, added without choosing from a list of all people."""

from django.test import Client

from apps.accounts.models import Membership, User
from tests import factories
from tests.admin.world import CourseWorld, add_page, list_of, page_of


def add(client: Client, world: CourseWorld, **values: str) -> object:
    return client.post(add_page(Membership), {"course": world.course.pk, "role": "student", **values})


def test_a_new_person_becomes_a_member(instructor: Client, world: CourseWorld) -> None:
    add(instructor, world, external_id="s9", email="grace@example.edu", first_name="Grace", last_name="Hopper")

    member = world.course.memberships.get(external_id="s9")
    assert (member.user.email, str(member.user)) == ("grace@example.edu", "Grace Hopper")


def test_a_known_person_stays_one_person(instructor: Client, world: CourseWorld, foreign: CourseWorld) -> None:
    known = foreign.student.user

    add(instructor, world, external_id="s9", email=known.email.upper())

    assert world.course.memberships.get(external_id="s9").user == known


def test_the_name_of_a_known_person_is_not_overwritten(instructor: Client, world: CourseWorld) -> None:
    known = factories.make_user(first_name="Grace")

    add(instructor, world, external_id="s9", email=known.email, first_name="Mallory")

    known.refresh_from_db()
    assert known.first_name == "Grace"


def test_a_member_needs_no_address(instructor: Client, world: CourseWorld) -> None:
    add(instructor, world, external_id="s 9/ü")

    assert world.course.memberships.filter(external_id="s 9/ü").exists()


def test_nobody_becomes_a_member_twice(instructor: Client, world: CourseWorld) -> None:
    page = add(instructor, world, external_id="again", email=world.student.user.email)

    assert "already a member" in page.context["adminform"].form.errors["email"][0]


def test_an_external_id_is_taken_once(instructor: Client, world: CourseWorld) -> None:
    page = add(instructor, world, external_id=world.student.external_id)

    assert page.context["adminform"].form.errors
    assert User.objects.filter(memberships__external_id=world.student.external_id).count() == 1


def test_a_member_is_not_given_the_external_id_of_another(operator: Client, world: CourseWorld) -> None:
    other = factories.make_student(course=world.course)

    page = operator.post(page_of(other), {"external_id": world.student.external_id, "role": "student"})

    assert "already has a member" in page.context["adminform"].form.errors["external_id"][0]


def test_a_member_is_deactivated_by_selection(instructor: Client, world: CourseWorld) -> None:
    instructor.post(list_of(Membership), {"action": "deactivate", "_selected_action": [world.student.pk]})

    world.student.refresh_from_db()
    assert not world.student.is_active


def test_a_member_with_calls_is_not_deleted(operator: Client, world: CourseWorld) -> None:
    operator.post(page_of(world.student, "delete"), {"post": "yes"})

    assert Membership.objects.filter(pk=world.student.pk).exists()
