"""Calls in the staff API: what is told of them, and how they are narrowed."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from apps.accounts.models import ApiKey, User
from apps.conversations.models import Call
from tests import factories
from tests.admin.world import PROMPT, CourseWorld, make_call, make_hit
from tests.staff_api.asking import CALLS, found, make_call_at, page, refusal

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


# What is told


def test_a_call_tells_who_what_how_much_and_when(instructor: Client, world: CourseWorld) -> None:
    key = ApiKey.objects.get(membership=world.student)
    Call.objects.filter(pk=world.call.pk).update(api_key=key, is_stream=True, started_at=NOON)

    call = page(instructor, f"{CALLS}/{world.call.pk}")

    assert call == {
        "id": world.call.pk,
        "course": world.course.slug,
        "member": world.student.external_id,
        "api_key": key.shown,
        "model": "echo",
        "provider": "the-provider",
        "upstream_model": "",
        "attempts": 0,
        "stream": True,
        "status": "answered",
        "error_code": "",
        "input_tokens": 11,
        "cached_input_tokens": 0,
        "output_tokens": 22,
        "charged": 33,
        "estimated": False,
        "started_at": "2026-09-01T12:00:00Z",
        "first_byte_ms": 120,
        "duration_ms": 2500,
        "rule_hits": [
            {
                "rule": world.rule.name,
                "version": 1,
                "action": "block",
                "stage": "enforce",
                "direction": "prompt",
                "message": 0,
                "start": 7,
                "end": 24,
            }
        ],
        "made_attempts": [],
    }


def test_a_call_that_failed_over_tells_each_attempt(instructor: Client, world: CourseWorld) -> None:
    world.call.made_attempts.create(
        number=1, provider="first", upstream_model="m", outcome="rate", status=429, milliseconds=12
    )

    (attempt,) = page(instructor, f"{CALLS}/{world.call.pk}")["made_attempts"]

    assert attempt == {
        "number": 1,
        "provider": "first",
        "upstream_model": "m",
        "outcome": "rate",
        "status": 429,
        "milliseconds": 12,
    }


def test_the_list_tells_the_same(instructor: Client, world: CourseWorld) -> None:
    assert page(instructor)["results"] == [page(instructor, f"{CALLS}/{world.call.pk}")]


def test_the_text_is_not_told(operator: Client, world: CourseWorld) -> None:
    body = operator.get(CALLS).content.decode() + operator.get(f"{CALLS}/{world.call.pk}").content.decode()

    assert PROMPT not in body
    assert "What have you tried?" not in body


def test_a_call_whose_key_was_deleted_is_told_without(instructor: Client, world: CourseWorld) -> None:
    assert page(instructor)["results"][0]["api_key"] is None


# How they are narrowed


@pytest.fixture
def other(world: CourseWorld) -> Call:
    """A call of the same course that no filter below means."""
    return make_call(factories.make_student(course=world.course), id="f" * 32)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "gpt-wanted"),
        ("status", "blocked"),
        ("error_code", "rule_violation"),
        ("stream", "true"),
    ],
)
def test_calls_are_narrowed_by_their_own_columns(
    name: str, value: str, instructor: Client, world: CourseWorld, other: Call
) -> None:
    Call.objects.filter(pk=world.call.pk).update(
        model="gpt-wanted", status="blocked", error_code="rule_violation", is_stream=True
    )

    assert found(instructor, **{name: value}) == [world.call.pk]


def test_calls_are_narrowed_by_what_they_belong_to(
    operator: Client, world: CourseWorld, foreign: CourseWorld, other: Call
) -> None:
    assert found(operator, course=foreign.course.slug) == [foreign.call.pk]
    assert found(operator, member=world.student.external_id) == [world.call.pk]
    assert found(operator, rule=world.rule.name) == [world.call.pk]
    assert found(operator, rule=world.rule.name, course=foreign.course.slug) == []


@pytest.mark.parametrize("name", ["course", "member", "model", "error_code", "rule", "search"])
def test_what_does_not_exist_finds_nothing(name: str, operator: Client, world: CourseWorld) -> None:
    assert found(operator, **{name: "no-such-thing"}) == []


def test_a_call_that_a_rule_found_twice_is_listed_once(instructor: Client, world: CourseWorld) -> None:
    make_hit(world.call, world.rule, "homework")

    assert found(instructor, rule=world.rule.name) == [world.call.pk]


def test_calls_are_searched_as_in_the_admin(instructor: Client, world: CourseWorld, other: Call) -> None:
    student = world.student
    terms = [world.call.pk.upper(), world.call.pk[:20], student.external_id, student.user.email]

    assert [found(instructor, search=term) for term in terms] == [[world.call.pk]] * 4


def test_people_are_found_in_any_case_of_any_script(operator: Client, world: CourseWorld, other: Call) -> None:
    User.objects.filter(pk=world.student.user_id).update(last_name="Ö'Brien Λουκᾶς")

    assert [found(operator, search=term) for term in ("ö'brien", "ΛΟΥΚᾶΣ")] == [[world.call.pk]] * 2


def test_times_bound_a_half_open_range(instructor: Client, world: CourseWorld) -> None:
    first, second, third = (make_call_at(world.student, NOON + timedelta(hours=hours)) for hours in range(3))

    between = found(instructor, started_after=NOON.isoformat(), started_before="2026-09-01T14:00:00Z")

    assert between == [second.pk, first.pk]
    assert found(instructor, started_after="2026-09-01T17:00:00+03:00", started_before="2026-09-02T00:00Z") == [
        third.pk
    ]


def test_a_call_counts_from_when_its_body_had_come(instructor: Client, world: CourseWorld) -> None:
    call = make_call_at(world.student, NOON - timedelta(minutes=5), body_takes=timedelta(minutes=10))

    assert found(instructor, started_after=NOON.isoformat(), started_before="2026-09-02T00:00:00Z") == [call.pk]
    assert found(instructor, started_before=NOON.isoformat()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "anwsered"),
        ("stream", "maybe"),
        ("started_after", "yesterday"),
        ("started_before", "2026-13-01T00:00:00Z"),
        ("search", "a\0b"),
        ("page_size", "0"),
        ("page_size", "201"),
        ("page_size", "ten"),
        ("page_size", "-1"),
        ("page_size", "٣"),
        ("cursor", "zzz"),
        ("cursor", "cD0lMDA="),
        ("cursor", "bz01MA=="),
        ("cursor", "Ü"),
        ("course", ""),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(name: str, value: str, operator: Client, db: None) -> None:
    answer = operator.get(CALLS, {name: value})

    error = refusal(answer)
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_parameter", name)


def test_a_parameter_given_twice_is_refused(operator: Client, db: None) -> None:
    answer = operator.get(f"{CALLS}?status=failed&status=blocked")

    assert (answer.status_code, refusal(answer)["param"]) == (400, "status")


def test_an_unknown_parameter_is_refused_and_the_known_are_named(operator: Client, db: None) -> None:
    answer = operator.get(CALLS, {"stauts": "failed"})

    error = refusal(answer)
    assert (answer.status_code, error["code"], error["param"]) == (400, "unknown_parameter", "stauts")
    assert {"status", "course", "cursor", "page_size"} <= set(error["known"])


def test_a_single_call_takes_no_parameters(instructor: Client, world: CourseWorld) -> None:
    answer = instructor.get(f"{CALLS}/{world.call.pk}", {"status": "answered"})

    assert (answer.status_code, refusal(answer)["code"]) == (400, "unknown_parameter")


def test_several_mistakes_are_told_at_once(operator: Client, db: None) -> None:
    answer = operator.get(CALLS, {"status": "x", "stream": "y"})

    assert set(refusal(answer)["fields"]) == {"status", "stream"}
