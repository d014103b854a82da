"""The clock by which pages show times: that of the course, and the reader's over several courses."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Course, Membership, User
from apps.conversations.models import Thread
from apps.quotas.models import Institution
from tests.admin.world import CourseWorld

PAGE = "/admin/preferences/"


@pytest.fixture
def thread(world: CourseWorld) -> Thread:
    Thread.objects.filter(pk=world.thread.pk).update(last_at=datetime(2020, 1, 6, 20, tzinfo=UTC))
    Course.objects.filter(pk=world.course.pk).update(timezone="Asia/Tokyo")
    return world.thread


def test_over_several_courses_the_readers_clock_counts(instructor: Client, teacher: Membership, thread: Thread) -> None:
    several, course = reverse("admin:conversations_thread_changelist"), f"/admin/c/{thread.course.slug}/conversations/"
    assert "Mon 6 Jan 2020 20:00" in instructor.get(several).content.decode()

    saved = instructor.post(PAGE, {"timezone": "Europe/Helsinki"}, follow=True)

    assert "Your preferences are saved" in saved.content.decode()
    assert User.objects.get(pk=teacher.user_id).timezone == "Europe/Helsinki"
    assert "Mon 6 Jan 2020 22:00" in instructor.get(several).content.decode()
    assert "Tue 7 Jan 2020 05:00" in instructor.get(course).content.decode()


def test_who_chose_none_has_the_institutions_clock(instructor: Client, thread: Thread) -> None:
    Institution.objects.create(timezone="America/New_York")

    page = instructor.get(reverse("admin:conversations_thread_changelist")).content.decode()

    assert "Mon 6 Jan 2020 15:00" in page
    assert "As the institution (America/New_York)" in instructor.get(PAGE).content.decode()


def test_a_zone_that_does_not_exist_is_not_taken(instructor: Client, teacher: Membership) -> None:
    answer = instructor.post(PAGE, {"timezone": "Helsinki"})

    assert "Select a valid choice" in answer.content.decode()
    assert User.objects.get(pk=teacher.user_id).timezone == ""
