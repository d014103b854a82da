"""`manage.py issue_key`: a key, once and alone, or a sentence."""

from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from apps.accounts import keys
from apps.accounts.models import ApiKey, Course, Membership, StaffKey
from apps.accounts.scopes import Scopes
from tests.factories import make_course, make_member, make_user


@pytest.fixture
def student(db: None) -> Membership:
    return make_member(course=make_course(slug="cs101", timezone="Europe/Helsinki"), external_id="s1")


def issue(*options: str, course: str = "cs101", member: str = "s1") -> None:
    call_command("issue_key", "--course", course, "--member", member, *options)


def test_the_key_is_alone_on_standard_output(student: Membership, capsys: pytest.CaptureFixture[str]) -> None:
    issue()

    output = capsys.readouterr()
    assert keys.is_well_formed(output.out.removesuffix("\n"))
    assert output.err == ""


def test_the_key_works(student: Membership, capsys: pytest.CaptureFixture[str]) -> None:
    issue()

    digest = keys.digest(capsys.readouterr().out.strip(), pepper=settings.KEY_PEPPER)
    assert ApiKey.objects.get(digest=digest).membership == student


def test_every_call_issues_another_key(student: Membership) -> None:
    issue()
    issue()

    assert student.api_keys.count() == 2


def test_a_name_is_kept(student: Membership) -> None:
    issue("--name", "laptop")

    assert student.api_keys.get().name == "laptop"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2999-12-31", datetime(2999, 12, 31, 22, tzinfo=UTC)),
        ("2999-06-01T18:00", datetime(2999, 6, 1, 15, tzinfo=UTC)),
        ("2999-06-01T18:00:00Z", datetime(2999, 6, 1, 18, tzinfo=UTC)),
        ("2999-06-01T18:00+01:00", datetime(2999, 6, 1, 17, tzinfo=UTC)),
    ],
)
def test_it_expires_in_the_time_zone_of_the_course(student: Membership, text: str, instant: datetime) -> None:
    issue("--expires", text)

    assert student.api_keys.get().expires_at == instant


@pytest.mark.parametrize("text", ["tomorrow", "2999-13-01", "9999-12-31"])
def test_what_is_no_date_is_told(student: Membership, text: str) -> None:
    with pytest.raises(CommandError, match=f"“{text}” is not a date"):
        issue("--expires", text)


def test_a_date_that_has_passed_is_told(student: Membership) -> None:
    with pytest.raises(CommandError, match="has passed already"):
        issue("--expires", "2020-01-01")


def test_an_unknown_course_is_told_with_those_there_are(student: Membership) -> None:
    Course.objects.exclude(slug="cs101").delete()

    with pytest.raises(CommandError, match=r"There is no course “cs999”\. There are: cs101\."):
        issue(course="cs999")


def test_an_unknown_member_is_told_with_those_there_are(student: Membership) -> None:
    with pytest.raises(CommandError, match=r"There is no member “s9” in cs101\. There are: s1\."):
        issue(member="s9")


def test_a_course_without_members_is_told(db: None) -> None:
    make_course(slug="empty")

    with pytest.raises(CommandError, match="There are none yet"):
        issue(course="empty")


def test_many_members_are_not_listed(student: Membership) -> None:
    for number in range(25):
        make_member(course=student.course, external_id=f"n{number}")

    with pytest.raises(CommandError) as raised:
        issue(member="s9")
    assert str(raised.value) == "There is no member “s9” in cs101."


def test_an_inactive_member_gets_no_key(student: Membership) -> None:
    Membership.objects.filter(pk=student.pk).update(is_active=False)

    with pytest.raises(CommandError, match="is not active"):
        issue()
    assert not student.api_keys.exists()


def test_too_long_a_name_is_told(student: Membership) -> None:
    with pytest.raises(CommandError, match="at most 100 characters"):
        issue("--name", "x" * 101)


def test_a_key_is_narrowed(student: Membership) -> None:
    issue(
        "--models",
        "small",
        "large",
        "--surfaces",
        "chat",
        "--services",
        "users",
        "--assignment",
        "essay-1",
        "--read-only",
    )

    assert student.api_keys.get().scopes == Scopes(
        frozenset({"small", "large"}), frozenset({"chat"}), "essay-1", reads_only=True, services=frozenset({"users"})
    )


def test_a_tag_that_is_none_is_refused(student: Membership) -> None:
    with pytest.raises(CommandError, match="not a tag"):
        issue("--assignment", "two words")


@pytest.mark.parametrize(("option", "reads_only"), [((), True), (("--may-change",), False)])
def test_a_key_of_staff_reads_unless_it_may_more(option: tuple[str, ...], reads_only: bool, db: None) -> None:
    user = make_user(is_staff=True)

    call_command("issue_key", "--staff", user.username, *option)

    assert StaffKey.objects.get(user=user).reads_only is reads_only


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--staff", "nobody"), "no active member of staff"),
        (("--staff", "nobody", "--assignment", "essay-1"), "takes no --assignment"),
        (("--course", "cs101"), "--course and --member, or --staff"),
    ],
)
def test_a_key_of_nobody_is_refused(options: tuple[str, ...], said: str, db: None) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("issue_key", *options)
