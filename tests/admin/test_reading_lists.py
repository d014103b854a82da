"""How staff find conversations and calls, with few queries."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import Course
from apps.conversations.models import Call, Thread
from tests import factories
from tests.admin.reading import call_of, enter_words, text
from tests.admin.world import CourseWorld, list_of, make_call, make_hit, make_thread


def test_a_long_thread_opens_at_its_end(instructor: Client, world: CourseWorld) -> None:
    for number in range(60):
        call_of(world, prompt=f"question {number}.")

    page = text(instructor, world.thread)

    assert "question 59." in page
    assert "question 0." not in page


def test_a_long_thread_can_be_read_from_its_beginning(instructor: Client, world: CourseWorld) -> None:
    for number in range(60):
        call_of(world, prompt=f"question {number}.")

    assert "question 0." in text(instructor, world.thread, page="1")


@pytest.mark.parametrize("found_by", ["external_id", "e-mail", "text"])
def test_threads_are_found(found_by: str, instructor: Client, world: CourseWorld) -> None:
    other = make_thread(factories.make_student(course=world.course), title="else")
    student = world.student
    enter_words()
    term = {
        "external_id": student.external_id,
        "e-mail": student.user.email,
        "text": "solve my homework",
    }[found_by]

    found = set(instructor.get(list_of(Thread), {"q": term}).context["cl"].result_list)

    assert world.thread in found
    assert other not in found


def test_the_searched_word_stands_in_its_snippet_and_is_marked(instructor: Client, world: CourseWorld) -> None:
    call_of(world, prompt=f"{'before ' * 30}<b>Fibonacci</b> and recursion{' after' * 30}")
    enter_words()

    page = instructor.get(list_of(Thread), {"q": "recurs fibonacci"}).content.decode()

    assert '&lt;b&gt;<mark class="stoa-hit">Fibonacci</mark>&lt;/b&gt; and <mark class="stoa-hit">recurs</mark>' in page
    assert "before " * 30 not in page


def test_words_of_other_courses_are_not_found(
    instructor: Client, operator: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    enter_words()

    for client, threads in ((instructor, {world.thread}), (operator, {world.thread, foreign.thread})):
        found = client.get(list_of(Thread), {"q": "solve homework"}).context["cl"].result_list
        assert set(found) == threads


def test_the_list_names_the_rules_that_were_found(instructor: Client, world: CourseWorld) -> None:
    page = instructor.get(list_of(Thread)).content.decode()

    assert f">{world.rule.name}</span>" in page


@pytest.mark.parametrize("address", ["/admin/conversations/thread/", "/admin/c/{slug}/conversations/"])
def test_conversations_are_filtered(address: str, instructor: Client, world: CourseWorld) -> None:
    other = factories.make_student(course=world.course)
    old = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    quiet = make_thread(other, title="quiet", started_at=old, last_at=old)
    address = address.format(slug=world.course.slug)

    for query, threads in (
        ({"hits": "yes"}, {world.thread}),
        ({"rule": str(world.rule.pk)}, {world.thread}),
        ({"student": str(other.pk)}, {quiet}),
        ({"student": "x"}, set()),
        ({"from": "2026-03-01", "to": "2026-03-03"}, {quiet}),
        ({"to": "2026-03-01"}, set()),
        ({"to": "9999-12-31", "hits": "no"}, set()),
        ({}, {quiet, world.thread}),
    ):
        page = instructor.get(address, query)
        found = page.context["cl"].result_list if page.context else []
        assert set(found) == threads, query


@pytest.mark.parametrize("narrowed_by", ["rule", "status__exact", "since", "model_name", "provider_name"])
def test_calls_are_filtered(narrowed_by: str, operator: Client, world: CourseWorld) -> None:
    provider = factories.make_provider()
    model = factories.make_model(provider)
    wanted = call_of(world, prompt="solve my homework", status="blocked", model=model.name, provider=provider.name)
    make_hit(wanted, rule := factories.make_rule(course=world.course), "homework")
    old = make_call(world.student, id="0" * 32)
    value = {
        "rule": str(rule.pk),
        "status__exact": "blocked",
        "since": "hour",
        "model_name": model.name,
        "provider_name": provider.name,
    }[narrowed_by]

    found = set(operator.get(list_of(Call), {narrowed_by: value}).context["cl"].result_list)

    assert wanted in found
    assert old not in found


def test_the_list_of_calls_takes_as_many_queries_for_fifty_as_for_one(
    instructor: Client, world: CourseWorld, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(50):
        member = factories.make_student(course=world.course)
        call = make_call(member, thread=make_thread(member), prompt=f"solve my homework {number}")
        make_hit(call, world.rule, "homework")

    with django_assert_max_num_queries(14):
        instructor.get(list_of(Call))


def test_a_thread_takes_as_many_queries_for_many_calls_as_for_one(
    instructor: Client, world: CourseWorld, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(25):
        make_hit(call_of(world, prompt=f"solve my homework {number}", answer="No."), world.rule, "homework")

    with django_assert_max_num_queries(22):
        text(instructor, world.thread)
    with django_assert_max_num_queries(25):
        text(instructor, world.thread, list="q=homework&hits=yes")


def test_the_list_of_calls_never_counts_a_huge_table(
    operator: Client, world: CourseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.common.admin.CappedPaginator.most", 2)
    for _ in range(5):
        make_call(world.student)

    changelist = operator.get(list_of(Call)).context["cl"]

    assert changelist.result_count == 2


def test_times_are_those_of_the_course(instructor: Client, world: CourseWorld) -> None:
    Course.objects.update(timezone="Asia/Tokyo")
    Call.objects.update(started_at=datetime(2026, 1, 1, 20, 0, tzinfo=UTC))

    assert "2026-01-02 05:00:00" in text(instructor, world.call)
