"""A course's students from a file: upload, preview, and the job that applies it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from apps.accounts.models import ApiKey, AuditEntry, Course, Membership, Roster, User
from apps.common import jobs
from apps.common.models import Job
from tests import factories
from tests.admin.conftest import sign_in
from tests.admin.world import CourseWorld

HEADER = "student number,first name,last name,email\n"
THREE = HEADER + "1,Ada,Lovelace,ada@example.edu\n2,Wei,Li,wei@example.edu\n3,Ben,Li,\n"


@pytest.fixture
def course(world: CourseWorld) -> Course:
    return world.course


def upload(client: Client, course: Course, text: str, name: str = "class.csv") -> Any:
    file = SimpleUploadedFile(name, text.encode())
    return client.post(reverse("admin:course_roster_upload", args=[course.slug]), {"file": file})


def preview(client: Client, course: Course, text: str) -> tuple[str, Any]:
    where = upload(client, course, text)["Location"]
    return where, client.get(where)


def apply(client: Client, course: Course, text: str, owners: Path, **choice: str) -> Job:
    where, page = preview(client, course, text)
    client.post(where, {"plan": page.context["plan"].fingerprint, **choice})
    jobs.run_waiting(owners=owners)
    job: Job | None = Job.objects.filter(kind="roster").first()
    assert job is not None
    return job


def students(course: Course) -> dict[str, bool]:
    brought = course.memberships.exclude(roster=None)
    return {member.external_id: member.is_active for member in brought.order_by("external_id")}


def test_nothing_changes_before_it_is_confirmed(instructor: Client, course: Course) -> None:
    where, page = preview(instructor, course, THREE)

    assert len(page.context["plan"].new) == 3
    assert "Wei Li" in page.content.decode()
    assert students(course) == {} and where.endswith(f"/{Roster.objects.get().pk}/")


def test_a_confirmed_roster_is_applied_and_forgotten(instructor: Client, course: Course, tmp_path: Path) -> None:
    known = factories.make_user(email="WEI@example.edu", first_name="Somebody", last_name="Else")

    job = apply(instructor, course, THREE, tmp_path)

    assert (job.state, job.result["new"]) == (Job.State.DONE, 3), job.error
    assert students(course) == {"1": True, "2": True, "3": True}
    wei = course.memberships.get(external_id="2")
    assert (wei.user, wei.name, wei.email) == (known, "Wei Li", "wei@example.edu")
    assert not course.memberships.get(external_id="1").user.has_usable_password()
    assert Roster.objects.get().table == {}
    assert AuditEntry.objects.filter(action="roster.applied", course=course.pk).count() == 1
    page = instructor.get(job.page).content.decode()
    assert "3 students were added." in page and "Hand out keys" in page


def test_the_same_file_again_changes_nothing(instructor: Client, course: Course, tmp_path: Path) -> None:
    apply(instructor, course, THREE, tmp_path)
    _, page = preview(instructor, course, THREE)

    assert page.context["plan"].is_empty
    assert "Nothing: the course is as the file has it." in page.content.decode()


def test_who_is_missing_is_deactivated_when_asked_for_and_comes_back(
    instructor: Client, course: Course, tmp_path: Path
) -> None:
    apply(instructor, course, THREE, tmp_path)
    by_hand = set(course.memberships.filter(roster=None, is_active=True).values_list("pk", flat=True))
    fewer = HEADER + "1,Ada,Lovelace,ada@example.edu\n"

    apply(instructor, course, fewer, tmp_path)
    assert students(course) == {"1": True, "2": True, "3": True}
    apply(instructor, course, fewer, tmp_path, deactivates="yes")
    assert students(course) == {"1": True, "2": False, "3": False}
    assert by_hand == set(course.memberships.filter(roster=None, is_active=True).values_list("pk", flat=True))
    apply(instructor, course, THREE, tmp_path)
    assert students(course) == {"1": True, "2": True, "3": True}


def test_a_key_of_who_went_missing_is_refused(instructor: Client, course: Course, tmp_path: Path) -> None:
    apply(instructor, course, THREE, tmp_path)
    row, _ = ApiKey.issue(membership=course.memberships.get(external_id="2"))

    apply(instructor, course, HEADER + "1,,,\n3,,,\n", tmp_path, deactivates="yes")

    assert ApiKey.objects.accepted(row.digest) is None


def test_a_course_that_changed_meanwhile_is_not_touched(instructor: Client, course: Course, tmp_path: Path) -> None:
    where, page = preview(instructor, course, THREE)
    shown = {"plan": page.context["plan"].fingerprint}
    instructor.post(where, shown)
    factories.make_student(course=course, external_id="1")

    jobs.run_waiting(owners=tmp_path)

    job = Job.objects.get(kind="roster")
    assert (job.state, students(course)) == (Job.State.FAILED, {})
    assert "changed since the preview" in job.error
    again = instructor.post(where, shown, follow=True).content.decode()
    assert "Look again." in again


def test_mistakes_are_shown_and_nothing_can_be_applied(instructor: Client, course: Course) -> None:
    where, page = preview(instructor, course, HEADER + "1,,,nonsense\n1,,,\n")

    assert "1 cell is wrong." in page.content.decode()
    instructor.post(where, {"plan": page.context["plan"].fingerprint})
    assert not Job.objects.filter(kind="roster").exists()


def test_columns_are_chosen_by_hand(instructor: Client, course: Course) -> None:
    where, page = preview(instructor, course, "Kennung,Wer\n7,Ada Lovelace\n")
    assert "plan" not in page.context and "Say which column" in page.content.decode()

    chosen = instructor.post(where, {"number": "0", "name": "1", "email": "", "role": "99"}, follow=True)

    [row] = chosen.context["plan"].new
    assert (row.number, row.name) == ("7", "Ada Lovelace")


def test_rows_are_pasted(instructor: Client, course: Course) -> None:
    answer = instructor.post(
        reverse("admin:course_roster_upload", args=[course.slug]), {"text": THREE.replace(",", "\t")}, follow=True
    )

    assert len(answer.context["plan"].new) == 3


@pytest.mark.parametrize(("text", "said"), [("\n", "empty"), ("a,b\n", "no students"), ("PK\x03\x04", "workbook")])
def test_what_cannot_be_read_is_said(instructor: Client, course: Course, text: str, said: str) -> None:
    page = upload(instructor, course, text)

    assert page.status_code == 400 and said in page.content.decode()
    assert not Roster.objects.exists()


def test_cells_are_text(instructor: Client, course: Course) -> None:
    _, page = preview(instructor, course, HEADER + '1,=HYPERLINK("x"),<script>alert(1)</script>,\n')

    assert "<script>alert" not in page.content.decode()


def test_a_course_of_others_stays_closed(instructor: Client, foreign: CourseWorld, assistant: Client) -> None:
    assert upload(instructor, foreign.course, THREE).status_code == 404
    theirs = Roster.objects.create(course=foreign.course, file_name="x", created_at=datetime.now(UTC))
    own = Membership.objects.get(user=User.objects.get(pk=instructor.session["_auth_user_id"])).course
    assert instructor.get(reverse("admin:course_roster", args=[own.slug, theirs.pk])).status_code == 404
    assert upload(assistant, own, THREE).status_code == 403


def test_who_lost_the_course_while_it_waited_changes_nothing(
    instructor: Client, teacher: Membership, course: Course, tmp_path: Path
) -> None:
    where, page = preview(instructor, course, THREE)
    instructor.post(where, {"plan": page.context["plan"].fingerprint})
    Membership.objects.filter(pk=teacher.pk).update(is_active=False)

    jobs.run_waiting(owners=tmp_path)

    assert Job.objects.get(kind="roster").state == Job.State.FAILED and students(course) == {}


def test_a_thousand_students(operator: Client, course: Course, tmp_path: Path) -> None:
    text = HEADER + "".join(f"{n},First{n},Last{n},s{n}@example.edu\n" for n in range(1000))

    job = apply(operator, course, text, tmp_path)

    assert (job.state, len(students(course))) == (Job.State.DONE, 1000), job.error
    assert sign_in(course.memberships.get(external_id="5").user).get("/")["Location"] == f"/c/{course.slug}/"


def test_the_command_does_the_same(course: Course, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "class.csv"
    file.write_text(THREE)

    call_command("import_roster", str(file), "--course", course.slug, "--dry-run")
    assert students(course) == {} and "3 new" in capsys.readouterr().out
    call_command("import_roster", str(file), "--course", course.slug)
    file.write_text(HEADER + "1,,,\n")
    call_command("import_roster", str(file), "--course", course.slug, "--deactivate-missing")

    assert students(course) == {"1": True, "2": False, "3": False}


@pytest.mark.parametrize(
    ("text", "said"), [("a,b\n1,2\n", "No column"), (HEADER + "1,,,nonsense\n", "line 2, email"), ("", "empty")]
)
def test_the_command_says_what_is_wrong(course: Course, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "class.csv"
    file.write_text(text)

    with pytest.raises(CommandError, match=said):
        call_command("import_roster", str(file), "--course", course.slug)

    assert not Roster.objects.exists()
