"""Allowances of roles, boosts and overrides in a file: made once, ended when the file says otherwise."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.quotas import decisions
from apps.quotas.ledger.audit import audit
from apps.quotas.models import Boost, LedgerEntry, Override, QuotaPolicy, RoleAllowance
from gateway_project.env import BASE_DIR
from tests.apply.conftest import Operator
from tests.factories import make_course, make_member, make_model, make_override, make_provider

COURSE = "courses:\n  - slug: c\n    title: C\n    %s\n"
MEMBER = "courses:\n  - slug: c\n    title: C\n    members:\n      - {external_id: s1, %s}\n"
STARTS, ENDS = "2098-12-01T09:00:00+02:00", "2098-12-08T09:00:00+02:00"
BOOST = f"{{factor: 2.5, starts_at: '{STARTS}', ends_at: '{ENDS}', reason: Deadline}}"
OVERRIDE = f"{{weekly_tokens: 500_000, ends_at: '{ENDS}', reason: Thesis}}"


def boosts(*sections: str) -> str:
    return COURSE % f"boosts: [{', '.join(sections)}]"


def override(section: str) -> str:
    return MEMBER % f"override: {section}"


def unfinished(model: type[Boost | Override]) -> list[Boost | Override]:
    return list(model.objects.unfinished(now=datetime.now(UTC)))


@pytest.fixture(autouse=True)
def books_balance(db: None) -> object:
    yield
    assert audit().drifts == ()


def test_the_file_of_the_manual_can_be_applied_twice(operator: Operator) -> None:
    text = (BASE_DIR / "docs/quotas.md").read_text().split("```yaml\n")[1].split("```")[0].replace("2026-12", "2098-12")
    for name in ("tutor", "small"):
        make_model(make_provider(), name=name)

    operator.apply(text)

    assert operator.apply(text) == ["= nothing to change"]
    assert (Boost.objects.count(), Override.objects.count(), RoleAllowance.objects.count()) == (1, 1, 1)


# Policies and roles


def test_what_happens_to_late_joiners_and_after_exhaustion(operator: Operator) -> None:
    make_model(make_provider(), name="small")
    fallback = "after_exhaustion: fallback, fallback_model: small, fallback_student_weekly_tokens: 900"

    text = f"courses:\n  - {{slug: c, title: C, late_joiners: pro_rata, {fallback}}}\n"
    operator.apply(text)

    policy = QuotaPolicy.objects.get(course__slug="c")
    assert (policy.late_joiners, policy.after_exhaustion) == ("pro_rata", "fallback")
    assert (policy.fallback_model, policy.fallback_student_weekly_tokens) == ("small", 900)
    assert operator.apply(text) == ["= nothing to change"]


def test_roles_have_allowances(operator: Operator) -> None:
    text = COURSE % "roles: [{role: assistant, weekly_tokens: 9000, requests_per_minute: 30}]"

    assert operator.apply(text)[-1] == "+ allowance of assistants in course c"
    allowance = RoleAllowance.objects.get(course__slug="c", role="assistant")
    assert (allowance.weekly_tokens, allowance.requests_per_minute) == (9000, 30)
    assert (allowance.concurrent_requests, allowance.tokens_per_minute) == (None, None)
    assert operator.apply(text) == ["= nothing to change"]
    assert operator.apply(text.replace("9000", "null")) == [
        "~ allowance of assistants in course c: weekly_tokens 9000 -> none"
    ]


def test_pruning_takes_an_allowance_of_a_role_away(operator: Operator) -> None:
    operator.apply(COURSE % "roles: [{role: assistant, weekly_tokens: 9000}]")

    assert operator.apply(COURSE % "roles: []") == ["= nothing to change"]
    assert operator.apply(COURSE % "roles: []", prune=True) == ["- allowance of assistants in course c"]
    assert not RoleAllowance.objects.exists()


# Boosts


def test_a_boost_is_made_once_with_its_line_in_the_ledger(operator: Operator) -> None:
    shown = operator.apply(boosts(BOOST))

    boost = Boost.objects.get()
    assert shown[-1].startswith("+ boost of course c from 2098-12-01")
    assert (boost.factor, boost.multiplies_course, boost.reason) == (Decimal("2.5"), False, "Deadline")
    assert boost.starts_at == datetime(2098, 12, 1, 7, tzinfo=UTC)
    assert "×2.5" in LedgerEntry.objects.get(usage__kind="course").note
    assert operator.apply(boosts(BOOST)) == ["= nothing to change"]


def test_a_dry_run_makes_none(operator: Operator) -> None:
    assert operator.apply(boosts(BOOST), dry_run=True)[-1].startswith("+ boost")

    assert not Boost.objects.exists()
    assert not LedgerEntry.objects.exists()


def test_a_boost_that_the_file_changes_is_ended_for_a_new_one(operator: Operator) -> None:
    operator.apply(boosts(BOOST))

    shown = operator.apply(boosts(BOOST.replace("2.5", "4")))

    assert [line[:9] for line in shown] == ["+ boost o", "- boost o"]
    (boost,) = unfinished(Boost)
    assert isinstance(boost, Boost)
    assert boost.factor == 4
    assert Boost.objects.count() == 2
    assert operator.apply(boosts(BOOST.replace("2.5", "4"))) == ["= nothing to change"]


def test_a_boost_that_the_file_leaves_out_ends_when_it_prunes(operator: Operator) -> None:
    operator.apply(boosts(BOOST))

    assert operator.apply(boosts()) == ["= nothing to change"]
    (line,) = operator.apply(boosts(), prune=True)

    assert line.startswith("- boost of course c")
    assert unfinished(Boost) == []
    assert Boost.objects.count() == 1


def test_a_boost_that_staff_ended_is_not_made_again(operator: Operator) -> None:
    operator.apply(boosts(BOOST))
    decisions.end(Boost.objects.get(), by=None, now=datetime.now(UTC))

    assert operator.apply(boosts(BOOST)) == ["= nothing to change"]


def test_a_boost_that_is_over_is_not_made(operator: Operator) -> None:
    operator.apply(boosts())

    assert operator.apply(boosts(BOOST.replace("2098", "2020"))) == ["= nothing to change"]


# Overrides


def test_an_override_is_made_once_with_its_line_in_the_ledger(operator: Operator) -> None:
    shown = operator.apply(override(OVERRIDE))

    made = Override.objects.get()
    assert shown[-1] == "+ override of c/s1"
    assert (made.weekly_tokens, made.reason, made.ends_at) == (500_000, "Thesis", datetime(2098, 12, 8, 7, tzinfo=UTC))
    assert "500,000 tokens a week" in LedgerEntry.objects.get(usage__kind="student").note
    assert operator.apply(override(OVERRIDE)) == ["= nothing to change"]


def test_an_override_that_the_file_changes_is_ended_for_a_new_one(operator: Operator) -> None:
    operator.apply(override(OVERRIDE))

    shown = operator.apply(override("{weekly_tokens: null, reason: Thesis}"))

    assert shown == ["- override of c/s1", "+ override of c/s1"]
    (made,) = unfinished(Override)
    assert isinstance(made, Override)
    assert (made.weekly_tokens, made.ends_at) == (None, None)
    assert Override.objects.count() == 2


def test_null_ends_an_override_and_silence_leaves_it(operator: Operator) -> None:
    member = make_member(course=make_course(slug="c", title="C"), external_id="s1")
    make_override(member)

    assert operator.apply(MEMBER % "role: student") == ["= nothing to change"]
    assert operator.apply(override("null")) == ["- override of c/s1"]

    assert unfinished(Override) == []
    assert operator.apply(override("null")) == ["= nothing to change"]


def test_an_override_that_is_over_is_not_made(operator: Operator) -> None:
    operator.apply(MEMBER % "role: student")
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    starts = (datetime.now(UTC) - timedelta(days=2)).isoformat()

    text = override(f"{{weekly_tokens: 5, starts_at: '{starts}', ends_at: '{past}', reason: Old}}")

    assert operator.apply(text) == ["= nothing to change"]


# What is wrong


BLANK = "This field cannot be blank."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (boosts(BOOST.replace("2.5", "0.5")),
         ["4: courses[0].boosts[0].factor: must be a number from 1 to 100, with at most two decimals."]),
        (boosts(BOOST.replace("2.5", "101")),
         ["4: courses[0].boosts[0].factor: must be a number from 1 to 100, with at most two decimals."]),
        (boosts(BOOST.replace("2.5", "1.001")),
         ["4: courses[0].boosts[0].factor: must be a number from 1 to 100, with at most two decimals."]),
        (boosts(BOOST.replace("2.5", "lots")),
         ["4: courses[0].boosts[0].factor: must be a number from 1 to 100, with at most two decimals."]),
        (boosts(BOOST.replace(ENDS, STARTS)), ["4: courses[0].boosts[0].ends_at: must be after the start."]),
        (boosts(BOOST.replace("+02:00", "")),
         [f"4: courses[0].boosts[0].{name}: must be an instant with its offset, such as 2026-12-01T09:00:00+02:00."
          for name in ("ends_at", "starts_at")]),
        (boosts(BOOST.replace(STARTS, "soon")),
         ["4: courses[0].boosts[0].starts_at: must be an instant with its offset, such as 2026-12-01T09:00:00+02:00."]),
        (boosts("{factor: 2, reason: r}"),
         [f"4: courses[0].boosts[0].{name}: This field cannot be null." for name in ("ends_at", "starts_at")]),
        (boosts(BOOST.replace(", reason: Deadline", "")), [f"4: courses[0].boosts[0].reason: {BLANK}"]),
        (boosts("soon"), ["4: courses[0].boosts[0]: must be a mapping of fields."]),
        (COURSE % "boosts:", ["4: courses[0].boosts: must be a list."]),
        (override("{weekly_tokens: many, reason: r}"),
         ["5: courses[0].members[0].override.weekly_tokens: must be a whole number, 0 or more."]),
        (override("{reason: r}"),
         ["5: courses[0].members[0].override.weekly_tokens: is required; null is no limit."]),
        (override("{weekly_tokens: 5}"), [f"5: courses[0].members[0].override.reason: {BLANK}"]),
        (override("{weekly_tokens: 5, reason: r, until: x}"),
         ["5: courses[0].members[0].override.until: is not a known field; use "
          "ends_at, reason, starts_at, weekly_tokens."]),
        (override(f"{{weekly_tokens: 5, reason: r, starts_at: '{ENDS}', ends_at: '{STARTS}'}}"),
         ["5: courses[0].members[0].override.ends_at: must be after the start."]),
        (override("5"), ["5: courses[0].members[0].override: must be a mapping of fields."]),
        (COURSE % "roles: [{role: dean}]",
         ["4: courses[0].roles[0].role: must be one of: assistant, instructor, service."]),
        (COURSE % "roles: [{role: student}]",
         ["4: courses[0].roles[0].role: must be one of: assistant, instructor, service."]),
        (COURSE % "roles: [{weekly_tokens: 5}]", ["4: courses[0].roles[0].role: is required."]),
        (COURSE % "roles: [{role: assistant}, {role: assistant}]",
         ["4: courses[0].roles[1].role: “assistant” is already given on line 4."]),
        (COURSE % "roles: [{role: assistant, requests_per_minute: 0}]",
         ["4: courses[0].roles[0].requests_per_minute: must be a whole number, 1 or more."]),
        (COURSE % "late_joiners: none", ["4: courses[0].late_joiners: must be one of: full, pro_rata."]),
        (COURSE % "after_exhaustion: wait", ["4: courses[0].after_exhaustion: must be one of: refuse, fallback."]),
        (COURSE % "after_exhaustion: fallback",
         ["2: courses[0].fallback_model: name the model that answers once a week is used up."]),
        (COURSE % "fallback_model: none-such", ["4: courses[0].fallback_model: there is no model “none-such”."]),
        (COURSE % "fallback_student_weekly_tokens: -1",
         ["4: courses[0].fallback_student_weekly_tokens: must be a whole number, 0 or more."]),
    ],
)  # fmt: skip
def test_a_mistake_names_its_line_and_field(operator: Operator, text: str, told: list[str]) -> None:
    assert operator.refused(text) == [f"stoa.yaml:{line}" for line in told]
