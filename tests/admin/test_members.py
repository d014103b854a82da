"""Members: known by e-mail address, added without choosing from a list of all people."""

import pytest
from django.db.models import Model
from django.test import Client

from apps.accounts.models import ApiKey, AuditEntry, Membership, User
from apps.conversations.models import Call, Thread
from apps.quotas.models import LedgerEntry, Override, WeeklyUsage
from tests import factories
from tests.admin.world import CourseWorld, add_page, list_of, make_call, make_thread, page_of


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

    assert "in the course already" in page.context["adminform"].form.errors["email"][0]


def test_an_external_id_is_taken_once(instructor: Client, world: CourseWorld) -> None:
    page = add(instructor, world, external_id=world.student.external_id)

    assert page.context["adminform"].form.errors
    assert User.objects.filter(memberships__external_id=world.student.external_id).count() == 1


def test_a_member_is_not_given_the_external_id_of_another(operator: Client, world: CourseWorld) -> None:
    other = factories.make_student(course=world.course)

    page = operator.post(page_of(other), {"external_id": world.student.external_id, "role": "student"})

    assert "already has somebody" in page.context["adminform"].form.errors["external_id"][0]


def test_a_member_is_deactivated_by_selection(instructor: Client, world: CourseWorld) -> None:
    instructor.post(list_of(Membership), {"action": "deactivate", "_selected_action": [world.student.pk]})

    world.student.refresh_from_db()
    assert not world.student.is_active


def test_a_member_with_calls_is_not_deleted(operator: Client, world: CourseWorld) -> None:
    operator.post(page_of(world.student, "delete"), {"post": "yes"})

    assert Membership.objects.filter(pk=world.student.pk).exists()


# Whoever types an address sees nothing that they did not type.

PAGES = ("change", "history", "delete")


@pytest.fixture
def known(foreign: CourseWorld) -> User:
    """A person of another course."""
    user = foreign.student.user
    user.first_name, user.last_name, user.email = "Wilhelmina", "Secretname", "Hidden.Person@example.edu"
    user.save()
    return user


def seen(client: Client, world: CourseWorld, external_id: str) -> str:
    """Everything that pages say about a member, with the member's number left out."""
    member = world.course.memberships.get(external_id=external_id)
    factories.make_key(member)
    factories.make_override(member)
    listed = [list_of(model) for model in (Membership, ApiKey, Override, WeeklyUsage, LedgerEntry)]
    pages = [page_of(member, page) for page in PAGES]
    others = ["/admin/", f"/admin/c/{world.course.slug}/students/", page_of(world.course)]
    student = [f"/admin/c/{world.course.slug}/students/{member.pk}/", f"{others[1]}export/"]
    answers = [client.get(address, follow=True) for address in (*listed, *pages, *others, *student)]
    assert {answer.status_code for answer in answers} == {200}
    return "".join(b"".join(answer).decode() for answer in answers)


def test_a_person_of_another_course_stays_unknown(instructor: Client, world: CourseWorld, known: User) -> None:
    answer = instructor.post(
        add_page(Membership),
        {"course": world.course.pk, "role": "student", "external_id": "s9", "email": "hidden.person@EXAMPLE.edu"},
        follow=True,
    )

    said = (answer.content.decode() + seen(instructor, world, "s9")).lower()
    assert world.course.memberships.get(external_id="s9").user == known
    assert "hidden.person@example.edu" in said
    for secret in ("wilhelmina", "secretname", known.username.lower()):
        assert secret not in said


def test_what_is_shown_is_what_was_typed(instructor: Client, world: CourseWorld, known: User) -> None:
    add(instructor, world, external_id="s9", email="hidden.person@EXAMPLE.edu", first_name="Mina", last_name="Murray")

    member = world.course.memberships.get(external_id="s9")
    assert str(member) == f"Mina Murray in {world.course.slug}"
    assert (member.name, member.email) == ("Mina Murray", "hidden.person@EXAMPLE.edu")


def test_a_new_person_looks_the_same_as_a_known_one(instructor: Client, world: CourseWorld, known: User) -> None:
    add(instructor, world, external_id="s8", email=known.email)
    add(instructor, world, external_id="s9", email="new.person@example.edu")

    old, new = (world.course.memberships.get(external_id=name) for name in ("s8", "s9"))
    User.objects.filter(pk=new.user_id).update(first_name="Later")  # as a sign-in may fill it in
    new.refresh_from_db()
    assert (old.person, new.person) == ("Hidden.Person@example.edu", "new.person@example.edu")


@pytest.mark.parametrize("model", [Membership, ApiKey, Override, WeeklyUsage, LedgerEntry, Call, Thread])
def test_nobody_finds_a_member_by_what_is_not_shown(
    model: type[Model], instructor: Client, world: CourseWorld, known: User
) -> None:
    add(instructor, world, external_id="s9", email=known.email)
    member = world.course.memberships.get(external_id="s9")
    factories.make_key(member)
    factories.make_override(member)
    make_call(member, thread=make_thread(member))

    counts = {
        term: instructor.get(list_of(model), {"q": term}).context["cl"].queryset.count()
        for term in ("Wilhelmina", "secretname", known.username, "hidden.person")
    }

    hidden = counts.pop("hidden.person")
    assert hidden > 0
    assert set(counts.values()) == {0}


@pytest.mark.parametrize("lookup", ["user", "user__id__lt", "user_id__lt", "user__in"])
def test_nobody_finds_a_member_by_the_number_of_the_person(
    lookup: str, instructor: Client, world: CourseWorld, known: User
) -> None:
    """It tells whether somebody was known before: the numbers of new people are higher."""
    add(instructor, world, external_id="s9", email=known.email)

    assert instructor.get(list_of(Membership), {lookup: known.pk}).status_code == 400


def test_a_token_does_not_tell_who_the_member_is(instructor: Client, world: CourseWorld, known: User) -> None:
    add(instructor, world, external_id="s9", email=known.email)
    key = factories.make_key(world.course.memberships.get(external_id="s9"))

    assert instructor.post("/auth/token", {"api_key": key}, content_type="application/json").status_code == 200

    said = instructor.get(list_of(AuditEntry), {"q": "family_issued"}).content.decode()
    assert "Hidden.Person@example.edu" in said
    assert "Secretname" not in said
    assert known.username not in said


def test_operators_see_who_it_is(operator: Client, world: CourseWorld, known: User) -> None:
    add(operator, world, external_id="s9", email=known.email)

    assert world.course.memberships.get(external_id="s9").person == "Wilhelmina Secretname"
