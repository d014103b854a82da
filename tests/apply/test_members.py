"""The members of a file: who they are, what staff become, and that nobody is ever lost."""

import pytest

from apps.accounts.models import ApiKey, Course, Membership, User
from tests.apply.conftest import Operator, revisions
from tests.factories import make_course, make_key, make_member, make_operator, make_user


def roster(*members: str, slug: str = "c") -> str:
    return (
        f"courses:\n  - slug: {slug}\n    title: C\n    members: [{', '.join(f'{{{member}}}' for member in members)}]\n"
    )


def member(external_id: str = "s1", *, slug: str = "c") -> Membership:
    return Membership.objects.select_related("user").get(course__slug=slug, external_id=external_id)


def test_a_new_member_is_a_new_person_named_by_address(operator: Operator) -> None:
    operator.apply(roster("external_id: s1, email: Ada@Example.edu, name: Ada Lovelace King"))

    user = member().user
    assert (user.username, user.email) == ("ada@example.edu", "Ada@example.edu")
    assert (user.first_name, user.last_name) == ("Ada", "Lovelace King")


def test_a_new_person_has_no_usable_password(operator: Operator) -> None:
    operator.apply(roster("external_id: s1, email: ada@example.edu"))

    assert not member().user.has_usable_password()


def test_a_person_is_found_by_address_in_any_case(operator: Operator) -> None:
    ada = make_user(username="ada", email="Ada@example.edu")

    assert operator.apply(roster("external_id: s1, email: aDA@example.edu"))[-1] == "+ member c/s1"
    assert member().user == ada


def test_a_person_is_found_by_a_user_name_that_is_the_address(operator: Operator) -> None:
    ada = make_user(username="ada@example.edu", email="")

    operator.apply(roster("external_id: s1, email: ada@example.edu"))

    assert member().user == ada


def test_a_password_is_never_reset(operator: Operator) -> None:
    text = roster("external_id: s1, email: ada@example.edu, role: instructor, name: Ada")
    operator.apply(text)
    ada = member().user
    ada.set_password("correct horse battery")
    ada.save()

    operator.apply(text)
    operator.apply(text.replace("Ada", "Augusta"))

    assert member().user.check_password("correct horse battery")


def test_a_member_without_address_is_named_by_place(operator: Operator) -> None:
    operator.apply(roster("external_id: 00123"))

    assert member("00123").user.username == "c.00123"


def test_a_member_who_gets_an_address_stays_the_same_person(operator: Operator) -> None:
    operator.apply(roster("external_id: s1"))
    person = member().user

    shown = operator.apply(roster("external_id: s1, email: ada@example.edu"))

    assert shown == ['~ person c.s1: email "" -> ada@example.edu']
    assert member().user == person


def test_another_address_is_another_person_with_the_same_keys(operator: Operator) -> None:
    operator.apply(roster("external_id: s1, email: ada@example.edu"))
    make_key(member())

    shown = operator.apply(roster("external_id: s1, email: countess@example.edu"))

    assert shown == [
        "+ person countess@example.edu",
        "~ member c/s1: person ada@example.edu -> countess@example.edu",
    ]
    assert ApiKey.objects.get(membership__course__slug="c").membership.user.username == "countess@example.edu"


def test_one_person_may_sit_in_two_courses(operator: Operator) -> None:
    operator.apply(roster("external_id: s1, email: ada@example.edu"))

    assert operator.apply(roster("external_id: x9, email: ada@example.edu", slug="d"))[-1] == "+ member d/x9"
    assert member().user == member("x9", slug="d").user


def test_an_unchanged_roster_changes_nothing(operator: Operator) -> None:
    text = roster("external_id: s1, email: ada@example.edu, name: Ada L", "external_id: t, role: instructor")
    operator.apply(text)
    before = revisions()

    assert operator.apply(text) == ["= nothing to change"]
    assert revisions() == before


def test_new_people_announce_themselves(operator: Operator) -> None:
    before = revisions()

    operator.apply(roster("external_id: s1, email: ada@example.edu"))

    assert revisions()["principals"] > before.get("principals", 0)


def test_a_deactivated_member_stays_so_unless_the_file_says_otherwise(operator: Operator) -> None:
    operator.apply(roster("external_id: s1, active: false"))

    assert operator.apply(roster("external_id: s1")) == ["= nothing to change"]
    assert operator.apply(roster("external_id: s1, active: true")) == ["~ member c/s1: active false -> true"]


@pytest.mark.parametrize("role", ["instructor", "assistant"])
def test_staff_may_sign_in_to_the_admin_and_are_no_operators(operator: Operator, role: str) -> None:
    operator.apply(roster(f"external_id: t, role: {role}"))

    user = member("t").user
    assert (user.is_staff, user.is_superuser) == (True, False)


def test_students_are_not_staff(operator: Operator) -> None:
    operator.apply(roster("external_id: s1"))

    assert not member().user.is_staff


def test_a_demoted_person_is_staff_no_more(operator: Operator) -> None:
    operator.apply(roster("external_id: t, role: assistant"))

    assert operator.apply(roster("external_id: t, role: student")) == [
        "~ person c.t: is_staff true -> false",
        "~ member c/t: role assistant -> student",
    ]


def test_a_demoted_person_who_is_staff_elsewhere_stays_staff(operator: Operator) -> None:
    operator.apply(roster("external_id: t, email: t@example.edu, role: assistant"))
    operator.apply(roster("external_id: t, email: t@example.edu, role: assistant", slug="d"))

    assert operator.apply(roster("external_id: t, role: student")) == ["~ member c/t: role assistant -> student"]
    assert member("t").user.is_staff


def test_a_demoted_operator_stays_staff(operator: Operator) -> None:
    make_operator(username="root", email="root@example.edu")
    operator.apply(roster("external_id: t, email: root@example.edu, role: instructor"))

    operator.apply(roster("external_id: t, role: student"))

    assert User.objects.get(username="root").is_staff


def test_staff_by_the_admin_stay_staff(operator: Operator) -> None:
    make_user(username="lab", email="lab@example.edu", is_staff=True)

    operator.apply(roster("external_id: s1, email: lab@example.edu"))

    assert User.objects.get(username="lab").is_staff


def test_pruning_deactivates_members_and_deletes_none(operator: Operator) -> None:
    operator.apply(roster("external_id: s1", "external_id: s2"))

    assert operator.apply(roster("external_id: s1"), prune=True) == ["~ member c/s2: active true -> false"]
    assert not member("s2").is_active


def test_pruned_staff_are_staff_no_more(operator: Operator) -> None:
    operator.apply(roster("external_id: t, role: instructor"))

    operator.apply(roster("external_id: s1"), prune=True)

    assert not member("t").user.is_staff


def test_pruning_shows_a_member_only_once(operator: Operator) -> None:
    operator.apply(roster("external_id: s1", "external_id: s2"))
    operator.apply(roster("external_id: s1"), prune=True)

    assert operator.apply(roster("external_id: s1"), prune=True) == ["= nothing to change"]


def test_pruning_leaves_members_of_a_course_without_a_list(operator: Operator) -> None:
    make_member(course=make_course(slug="c"), external_id="s1")

    assert operator.apply("courses: [{slug: c}]", prune=True) == ["= nothing to change"]
    assert Course.objects.get(slug="c").memberships.get().is_active
