"""What a rule would have found in what a course recorded."""

from typing import Any

import pytest

from apps.accounts.models import AuditEntry, Course, Membership, User
from apps.common.jobs import Cancelled, JobFailed
from apps.common.models import Job
from apps.conversations import replay, searches
from apps.conversations.models import Call, Turn
from apps.rules.models import Rule, RuleException
from tests import factories
from tests.conversations.history import NOW, recorded

HOMEWORK = (0, "Please solve my homework.")
HELP = (0, "What is a loop?")


def replayed(rule: Rule, *, days: int = 7) -> dict[str, Any]:
    job = replay.ask_for(rule, days=days, author=factories.make_operator().pk, page="/", now=NOW)
    return replay.replay(job, lambda done, total: None)


@pytest.fixture
def rule(course: Course) -> Rule:
    return factories.make_rule(course=course, pattern=r"(?i)solve\s+my\s+homework", stage=Rule.Stage.DRAFT)


def test_it_counts_calls_and_students(ada: Membership, mia: Membership, rule: Rule) -> None:
    recorded(ada, HOMEWORK)
    recorded(ada, HOMEWORK, (None, "Try it yourself."), days_ago=2)
    recorded(ada, HELP)
    recorded(mia, HELP)

    result = replayed(rule)

    counted = {name: result[name] for name in ("calls", "with_text", "hit", "students", "students_hit", "unchecked")}
    assert counted == {"calls": 4, "with_text": 4, "hit": 2, "students": 2, "students_hit": 1, "unchecked": 0}
    assert result["version"] == rule.version


def test_a_call_that_was_blocked_counts_by_its_prompt(ada: Membership, rule: Rule) -> None:
    recorded(ada, HOMEWORK, status=Call.Status.BLOCKED)

    assert replayed(rule)["hit"] == 1


def test_nothing_is_looked_at_twice_or_left_out(ada: Membership, rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "BATCH", 7)
    monkeypatch.setattr(searches, "READ_CALLS", 3)
    for number in range(40):
        recorded(ada, HOMEWORK if number % 4 == 0 else HELP, days_ago=(number + 1) / 10)

    result = replayed(rule)

    assert (result["calls"], result["hit"]) == (40, 10)


def test_words_that_stand_in_several_turns_of_one_conversation_count_where_they_are_new(
    ada: Membership, rule: Rule
) -> None:
    """Later calls of a conversation are recorded without what they repeat."""
    recorded(ada, (0, "Be kind."), (1, "Solve my homework"), (None, "What have you tried?"))
    recorded(ada, (3, "Nothing yet."), (None, "Begin with the first line."))

    assert replayed(rule)["hit"] == 1


def test_a_text_in_pieces_is_one_text(ada: Membership, course: Course) -> None:
    rule = factories.make_rule(course=course, pattern="the solution is 42", direction=Rule.Direction.ANSWER)
    call = recorded(ada, HELP, (None, "So the solu"), (None, "tion is 42."))

    (sample,) = replayed(rule)["samples"]

    assert sample == {"call": call.pk, "message": None, "start": 3, "end": 21}


@pytest.mark.parametrize(
    ("direction", "found"), [("prompt", ["prompt"]), ("answer", ["answer"]), ("both", ["answer", "prompt"])]
)
def test_a_rule_looks_where_its_direction_says(
    direction: str, found: list[str], ada: Membership, course: Course
) -> None:
    rule = factories.make_rule(course=course, pattern="secret", direction=direction)
    calls = {"prompt": recorded(ada, (0, "a secret")), "answer": recorded(ada, HELP, (None, "a secret"))}

    hit = {sample["call"] for sample in replayed(rule)["samples"]}

    assert sorted(name for name, call in calls.items() if call.pk in hit) == found


def test_only_the_days_that_were_asked_for_count(ada: Membership, rule: Rule) -> None:
    for days_ago in (1, 6.9, 7.1, 29, 31):
        recorded(ada, HOMEWORK, days_ago=days_ago)

    assert (replayed(rule, days=7)["hit"], replayed(rule, days=30)["hit"]) == (2, 4)


def test_what_came_in_the_hours_of_the_rule_is_counted_beside(ada: Membership, course: Course, rule: Rule) -> None:
    Course.objects.filter(pk=course.pk).update(timezone="Pacific/Auckland")  # 13 hours ahead in October
    Rule.objects.filter(pk=rule.pk).update(from_time="01:00", until_time="02:00")
    recorded(ada, HOMEWORK, days_ago=1)  # at noon in UTC, at one o'clock of the next day there
    recorded(ada, HOMEWORK, days_ago=1.5)

    result = replayed(rule)

    assert (result["hit"], result["hit_in_time"]) == (2, 1)


def test_days_are_those_of_the_course(ada: Membership, course: Course, rule: Rule) -> None:
    Course.objects.filter(pk=course.pk).update(timezone="Pacific/Auckland")  # 13 hours ahead in October
    recorded(ada, HOMEWORK, days_ago=1)  # at noon of the 29th in UTC
    recorded(ada, HELP, days_ago=1.5)  # at midnight

    assert replayed(rule)["daily"] == [["2026-10-29", 1, 0], ["2026-10-30", 1, 1]]


def test_other_courses_are_not_looked_at(ada: Membership, rule: Rule) -> None:
    recorded(factories.make_student(), HOMEWORK)

    assert replayed(rule)["calls"] == 0


def test_a_rule_of_the_institution_is_looked_for_everywhere(ada: Membership) -> None:
    rule = factories.make_rule(pattern="solve my homework")
    Rule.objects.filter(pk=rule.pk).update(course=None)
    rule.refresh_from_db()
    recorded(ada, HOMEWORK)
    recorded(factories.make_student(), HOMEWORK)

    assert replayed(rule)["hit"] == 2


def test_calls_without_text_are_told_apart(ada: Membership, rule: Rule) -> None:
    recorded(ada)
    recorded(ada, HELP)

    result = replayed(rule)

    assert (result["calls"], result["with_text"], result["hit"]) == (2, 1, 0)


def test_what_is_excepted_does_not_count(ada: Membership, rule: Rule) -> None:
    RuleException.objects.create(rule=rule, text="solve my homework")
    recorded(ada, HOMEWORK)

    assert replayed(rule)["hit"] == 0


def test_samples_are_a_fair_choice_of_all(ada: Membership, rule: Rule) -> None:
    calls = [recorded(ada, HOMEWORK, days_ago=(number + 1) / 100) for number in range(200)]

    result = replayed(rule)

    chosen = [sample["call"] for sample in result["samples"]]
    assert len(set(chosen)) == searches.SAMPLES and result["hit"] == 200
    older = {call.pk for call in calls[100:]}
    assert 0 < len(older.intersection(chosen)) < searches.SAMPLES


def test_samples_come_from_many_students(ada: Membership, course: Course, rule: Rule) -> None:
    for number in range(100):
        recorded(ada, HOMEWORK, days_ago=(number + 1) / 100)
    quiet = [recorded(factories.make_student(course=course), HOMEWORK) for _ in range(5)]

    chosen = [sample["call"] for sample in replayed(rule)["samples"]]

    assert {call.pk for call in quiet} <= set(chosen)
    assert len(set(chosen)) == searches.SAMPLES


def test_it_reports_how_far_it_is(ada: Membership, rule: Rule) -> None:
    for _ in range(120):
        recorded(ada, HELP)
    seen: list[tuple[int, int]] = []
    job = replay.ask_for(rule, days=7, author=factories.make_operator().pk, page="/", now=NOW)

    replay.replay(job, lambda done, total: seen.append((done, total)))

    assert seen == [(50, 120), (100, 120), (120, 120), (120, 120)]


def test_it_stops_when_it_is_told(ada: Membership, rule: Rule) -> None:
    recorded(ada, HELP)
    job = replay.ask_for(rule, days=7, author=factories.make_operator().pk, page="/", now=NOW)

    def stop(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        replay.replay(job, stop)


def test_a_rule_that_is_gone_cannot_be_replayed(rule: Rule) -> None:
    job = replay.ask_for(rule, days=7, author=factories.make_operator().pk, page="/", now=NOW)
    rule.delete()

    with pytest.raises(JobFailed, match="deleted"):
        replay.replay(job, lambda done, total: None)


def test_it_asks_in_small_portions(ada: Membership, rule: Rule, django_assert_num_queries: Any) -> None:
    for _ in range(120):
        recorded(ada, HELP)
    job = replay.ask_for(rule, days=7, author=factories.make_operator().pk, page="/", now=NOW)

    # rule, exceptions; author, and whether they still see it; count; two searches; three for texts; the audit log
    with django_assert_num_queries(2 + 2 + 1 + 2 + 3 + 1):
        replay.replay(job, lambda done, total: None)


def test_long_texts_are_read_by_themselves(ada: Membership, rule: Rule, django_assert_num_queries: Any) -> None:
    for _ in range(3):
        recorded(ada, HELP, input_tokens=searches.READ_TOKENS - 1)
    job = replay.ask_for(rule, days=7, author=factories.make_operator().pk, page="/", now=NOW)

    with django_assert_num_queries(2 + 2 + 1 + 2 + 3 + 1):
        replay.replay(job, lambda done, total: None)


def test_the_audit_log_tells_of_a_replay(ada: Membership, rule: Rule) -> None:
    recorded(ada, HELP)
    job = replay.ask_for(rule, days=7, author=factories.make_operator().pk, page="/", now=NOW)

    replay.replay(job, lambda done, total: None)

    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.object_label, entry.course) == ("rule.replayed", rule.name, rule.course_id)
    assert entry.after == {"job": job.pk, "days": 7, "calls": 1}


# Samples


def shown(job_result: dict[str, Any]) -> list[str]:
    job = Job(result=job_result)
    return ["".join(f"[{p.text}]" if p.rules else p.text for p in sample.pieces) for sample in searches.samples(job)]


def test_a_sample_shows_the_words_around_the_place(ada: Membership, rule: Rule) -> None:
    recorded(ada, (0, f"{'a' * 500} solve my homework {'b' * 500}"))

    (text,) = shown(replayed(rule))

    assert text == f"…{'a' * 159} [solve my homework] {'b' * 159}…"


def test_a_result_holds_no_text(ada: Membership, rule: Rule) -> None:
    recorded(ada, HOMEWORK)

    assert "homework" not in str(replayed(rule))


def test_what_was_deleted_since_is_not_shown(ada: Membership, mia: Membership, rule: Rule) -> None:
    kept = recorded(ada, HOMEWORK)
    recorded(mia, HOMEWORK)
    result = replayed(rule)
    Membership.objects.filter(pk=mia.pk).delete()
    Turn.objects.filter(call=kept).delete()

    assert shown(result) == [""]


@pytest.mark.parametrize("how", ["dropped", "no longer staff", "deleted"])
def test_nothing_is_replayed_for_somebody_who_left(how: str, rule: Rule) -> None:
    author = factories.make_instructor(course=rule.course)
    job = replay.ask_for(rule, days=7, author=author.user.pk, page="/", now=NOW)
    if how == "dropped":
        Membership.objects.filter(pk=author.pk).update(is_active=False)
    elif how == "deleted":
        author.user.delete()
    else:
        User.objects.filter(pk=author.user_id).update(is_staff=False)

    with pytest.raises(JobFailed, match="no longer see"):
        replay.replay(job, lambda done, total: None)
