"""Allowances beyond everybody's: overrides, boosts, grants, roles, late joiners. What staff decide acts at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import openai
import pytest

from apps.accounts.models import Membership, Role
from apps.quotas import decisions
from apps.quotas.ledger import booking
from apps.quotas.models import LedgerEntry, QuotaPolicy
from tests import factories
from tests.chat.world import World, make_world, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub

SECONDS = 2.0
ALLOWANCE = 1000


@pytest.fixture
def small(committed_db: None, gateway: Gateway, stub: ProviderStub) -> Any:
    """A student who may use a thousand tokens a week."""
    with make_world(gateway, stub, policy={"student_weekly_tokens": ALLOWANCE}) as world:
        yield world


@pytest.fixture
def used_up(committed_db: None, gateway: Gateway, stub: ProviderStub) -> Any:
    """A student who has used them all."""
    with make_world(gateway, stub, policy={"student_weekly_tokens": ALLOWANCE}, used=ALLOWANCE) as world:
        yield world


def wait_for_limit(world: World, expected: int | None) -> dict[str, Any]:
    """The usage, once the limit is as expected. Staff are promised two seconds."""
    return wait_until(  # type: ignore[no-any-return]
        lambda: (usage := world.usage())["limit"] == expected and usage, seconds=SECONDS, what=f"A limit of {expected}"
    )


def wait_until_answered(world: World) -> Any:
    return wait_until(
        lambda: (response := world.post()).status_code == 200 and response, seconds=SECONDS, what="An answer"
    )


def notes(world: World, kind: str = "student") -> list[str]:
    account = world.student.pk if kind == "student" else world.course.pk
    entries = LedgerEntry.objects.filter(usage__kind=kind, usage__account=account, kind="change")
    return list(entries.order_by("id").values_list("note", flat=True))


def refusal(world: World, prompt: str = "Explain recursion to me, please") -> dict[str, Any]:
    with pytest.raises(openai.RateLimitError) as caught:
        world.ask(prompt)
    assert isinstance(caught.value.body, dict)
    return caught.value.body


# Overrides


def test_an_override_lets_a_student_go_on(used_up: World) -> None:
    assert used_up.post().status_code == 429

    factories.make_override(used_up.student, weekly_tokens=50_000)

    response = wait_until_answered(used_up)
    assert response.headers["x-quota-limit-tokens"] == "50000"


def test_usage_tells_the_override_and_why(small: World) -> None:
    ends_at = datetime.now(UTC) + timedelta(days=3)
    factories.make_override(small.student, weekly_tokens=7, ends_at=ends_at, reason="Thesis")

    usage = wait_for_limit(small, 7)

    until = datetime.fromisoformat(usage["override"].pop("until"))
    assert abs(until - ends_at) < timedelta(milliseconds=1)
    assert usage["override"] == {"weekly_tokens": 7, "reason": "Thesis"}
    assert [entry["kind"] for entry in usage["entries"]] == ["change"]
    assert "Thesis" in usage["entries"][0]["note"]
    assert (usage["entries"][0]["amount"], usage["entries"][0]["request_id"]) == (0, None)


def test_an_override_without_a_limit_leaves_the_course_s(small: World) -> None:
    factories.make_override(small.student, weekly_tokens=None)

    usage = wait_for_limit(small, None)
    response = small.post()

    assert (usage["remaining"], usage["warning"]) == (None, False)
    assert response.status_code == 200
    assert "x-quota-limit-tokens" not in response.headers
    assert "x-quota-reset" in response.headers


def test_an_override_that_is_ended_no_longer_counts(small: World) -> None:
    override = factories.make_override(small.student, weekly_tokens=7)
    wait_for_limit(small, 7)

    assert decisions.end(override, by=None, now=datetime.now(UTC))

    wait_for_limit(small, ALLOWANCE)
    assert len(notes(small)) == 2
    assert notes(small)[1].startswith("Ended: Override")


def test_an_override_ends_by_itself(small: World) -> None:
    factories.make_override(small.student, weekly_tokens=7, ends_at=datetime.now(UTC) + timedelta(seconds=1.5))
    wait_for_limit(small, 7)

    wait_for_limit(small, ALLOWANCE)


def test_a_cut_takes_nothing_back(committed_db: None, gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, policy={"student_weekly_tokens": ALLOWANCE}, used=600) as world:
        factories.make_override(world.student, weekly_tokens=100)

        usage = wait_for_limit(world, 100)

        assert (usage["used"], usage["remaining"]) == (600, 0)


# Boosts


def test_a_boost_counts_from_its_start_to_its_end(small: World) -> None:
    now = datetime.now(UTC)
    factories.make_boost(
        course=small.course,
        factor="2.5",
        starts_at=now + timedelta(seconds=1),
        ends_at=now + timedelta(seconds=3),
        reason="Demo day",
    )

    before = small.usage()
    during = wait_until(
        lambda: (usage := small.usage())["limit"] == 2500 and usage, seconds=1 + SECONDS, what="The boost"
    )
    wait_until(lambda: small.usage()["limit"] == ALLOWANCE, seconds=2 + SECONDS, what="Its end")

    assert (before["limit"], before["boosts"]) == (ALLOWANCE, [])
    (boost,) = during["boosts"]
    assert (boost["factor"], boost["multiplies_course"], boost["reason"]) == (2.5, False, "Demo day")
    assert datetime.fromisoformat(boost["until"]) > now
    assert any("×2.5" in note and "Demo day" in note for note in notes(small, "course"))


def test_a_boost_lets_students_go_on_and_may_lift_the_course_too(
    committed_db: None, gateway: Gateway, stub: ProviderStub
) -> None:
    policy = {"student_weekly_tokens": ALLOWANCE, "weekly_tokens": ALLOWANCE}
    with make_world(gateway, stub, policy=policy) as world:
        factories.make_boost(course=world.course, factor=3, multiplies_course=True)

        usage = wait_for_limit(world, 3 * ALLOWANCE)

        assert [account["limit"] for account in usage["accounts"][:2]] == [3 * ALLOWANCE, 3 * ALLOWANCE]


# Grants


def test_a_grant_is_for_this_week_and_in_the_ledger(used_up: World) -> None:
    assert used_up.post().status_code == 429
    tess = factories.make_tess(course=used_up.course)

    booking.grant(used_up.student, tokens=5000, by=tess.user, reason="Lost a run", now=datetime.now(UTC))
    usage = used_up.usage()

    assert (usage["limit"], usage["granted"], usage["remaining"]) == (ALLOWANCE + 5000, 5000, 5000)
    newest = usage["entries"][0]
    assert (newest["kind"], newest["amount"], newest["note"]) == ("grant", 5000, "Lost a run")
    assert used_up.post().status_code == 200


def test_the_lines_of_a_week_add_up(small: World) -> None:
    small.ask()
    booking.grant(small.student, tokens=70, by=None, reason="More", now=datetime.now(UTC))

    usage = small.usage()

    assert sum(entry["used"] for entry in usage["entries"]) == usage["used"]
    assert sum(entry["held"] for entry in usage["entries"]) == usage["held"] == 0
    assert ALLOWANCE + sum(entry["amount"] for entry in usage["entries"]) == usage["limit"] - usage["used"]
    assert {entry["request_id"] for entry in usage["entries"]} == {small.call().pk, None}


# Roles and late joiners


def test_a_role_has_an_allowance_of_its_own(small: World) -> None:
    assistant = factories.make_assistant(course=small.course)
    key = factories.make_key(assistant)
    factories.make_role_allowance(course=small.course, role=Role.ASSISTANT, weekly_tokens=4000, requests_per_minute=2)

    wait_until(
        lambda: small.get("/v1/usage", key=key).json()["limit"] == 4000, seconds=SECONDS, what="The assistant's limit"
    )

    assert [small.post(key=key).status_code for _ in range(3)] == [200, 200, 429]
    assert small.usage()["limit"] == ALLOWANCE
    assert [small.post().status_code for _ in range(3)] == [200, 200, 200]


def test_what_a_role_leaves_open_is_as_for_students(small: World) -> None:
    instructor = factories.make_instructor(course=small.course)
    key = factories.make_key(instructor)
    factories.make_role_allowance(course=small.course, role=Role.INSTRUCTOR, weekly_tokens=None, requests_per_minute=1)

    wait_until(lambda: small.post(key=key).status_code == 429, seconds=SECONDS, what="The instructor's rate limit")

    assert small.get("/v1/usage", key=key).json()["limit"] == ALLOWANCE


def test_who_joins_late_gets_the_share_that_is_left(small: World) -> None:
    week = small.usage()["week"]
    starts_at, ends_at = (datetime.fromisoformat(week[name]) for name in ("starts_at", "ends_at"))
    Membership.objects.filter(pk=small.student.pk).update(created_at=starts_at + (ends_at - starts_at) * 3 / 4)
    QuotaPolicy.objects.filter(course=small.course).update(late_joiners="pro_rata")

    wait_for_limit(small, ALLOWANCE // 4)


# What refusals and answers say


def test_a_refusal_says_by_how_much_and_what_is_counted_in(used_up: World) -> None:
    factories.make_boost(course=used_up.course, factor="1.5")
    wait_for_limit(used_up, 1500)
    booking.grant(used_up.student, tokens=10, by=None, reason="A bit", now=datetime.now(UTC))

    body = refusal(used_up, "Explain this. " * 120)

    assert (body["account"], body["limit"], body["remaining"], body["granted"]) == ("student", 1510, 510, 10)
    assert body["short_by"] == body["needed"] - 510
    assert "510 of 1,510 tokens left (a boost of ×1.5, 10 granted this week counted in)" in body["message"]
    assert body["request_more"] == {"method": "POST", "path": "/v1/usage/requests"}
    assert body["fixed_by"] == "instructor"


def test_input_that_is_larger_than_the_week_is_told_that_waiting_does_not_help(small: World) -> None:
    body = refusal(small, "Explain this. " * 1000)

    assert "The request's input alone is larger than the whole weekly allowance" in body["message"]
    assert "Wait until" not in body["message"]


def test_what_the_course_lacks_is_told_without_its_numbers(
    committed_db: None, gateway: Gateway, stub: ProviderStub
) -> None:
    with make_world(gateway, stub, policy={"weekly_tokens": 70_077}) as world:
        body = refusal(world, "Explain this. " * 30_000)

        assert body["account"] == "course"
        assert "70,0" not in body["message"]
        assert f"is short by {body['short_by']:,} tokens" in body["message"]
        assert not {"limit", "remaining", "granted", "request_more"} & set(body)


def test_from_80_percent_on_answers_warn(committed_db: None, gateway: Gateway, stub: ProviderStub) -> None:
    stub.always(usage={"prompt_tokens": 100, "completion_tokens": 300})
    with make_world(gateway, stub, policy={"student_weekly_tokens": ALLOWANCE}) as world:
        warnings = []
        for _ in range(2):
            response = world.post(world.body(max_tokens=300))
            warnings.append((response.headers.get("x-quota-warning"), world.usage()["warning"]))

        assert warnings == [(None, False), ("80", True)]


def test_times_are_in_utc_and_in_the_course_s_own(committed_db: None, gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, course={"timezone": "Asia/Kathmandu"}) as world:
        usage = world.usage()

        assert usage["resets_at"] == usage["week"]["resets_at"]
        assert usage["resets_at"].endswith("Z")
        assert usage["week"]["resets_at_local"].endswith("T00:00:00+05:45")
