"""Every change of a rule is a version, whoever makes it and however."""

from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.accounts.models import Course, User
from apps.rules.differences import differences, summary
from apps.rules.engine import matcher
from apps.rules.models import VERSIONED, Rule, RuleVersion
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def tess() -> User:
    return factories.make_tess().user


@pytest.fixture
def rule(course: Course) -> Rule:
    return factories.make_rule(course=course)


def changed(rule: Rule, **fields: Any) -> Rule:
    for name, value in fields.items():
        setattr(rule, name, value)
    return rule


def history(rule: Rule) -> list[tuple[int, str]]:
    return list(rule.versions.order_by("number").values_list("number", "summary"))


def test_a_new_rule_is_version_one(rule: Rule) -> None:
    assert (rule.version, history(rule)) == (1, [(1, "made")])


def test_a_change_names_its_author_and_what_was_different(rule: Rule, tess: User) -> None:
    changed(rule, pattern="essay", priority=3).signed(by=tess, note="after class").save()

    version = rule.versions.get(number=2)
    assert (version.author, version.note) == (tess, "after class")
    assert version.summary == r"pattern: (?i)solve\s+my\s+homework → essay; priority: 0 → 3"
    assert rule.version == 2


def test_the_next_change_is_not_by_the_same_author_unless_it_is_said(rule: Rule, tess: User) -> None:
    changed(rule, priority=3).signed(by=tess).save()

    changed(rule, priority=4).save()

    assert rule.versions.get(number=3).author is None


def test_two_who_change_the_same_rule_make_two_versions(rule: Rule) -> None:
    others = Rule.objects.get(pk=rule.pk)
    changed(rule, priority=3).save()

    changed(others, message="Ask for a hint.").save()

    assert [number for number, _ in history(rule)] == [1, 2, 3]
    stored = Rule.objects.get(pk=rule.pk)
    assert (stored.version, stored.priority, stored.message) == (others.version, 3, "Ask for a hint.")
    assert others.version == 3


def test_what_was_changed_before_a_move_is_still_saved_after_it(rule: Rule) -> None:
    rule = Rule.objects.get(pk=rule.pk)
    rule.priority = 3
    rule.move("draft")

    rule.save()

    assert history(rule)[1:] == [(2, "stage: enforce → draft"), (3, "priority: 0 → 3")]


def test_a_rule_that_is_saved_late_is_not_switched_on_again(rule: Rule) -> None:
    Rule.objects.get(pk=rule.pk).move("draft")

    changed(rule, priority=3).save()
    changed(rule, priority=4).save()

    assert [said for _, said in history(rule)] == [
        "made",
        "stage: enforce → draft",
        "priority: 0 → 3",
        "priority: 3 → 4",
    ]


def test_the_line_breaks_of_a_form_are_no_change(course: Course) -> None:
    rule = factories.make_rule(course=course, message="Ask.\nThen try.", examples_match="solve my homework")

    changed(rule, message="Ask.\r\nThen try.").full_clean()
    rule.save()

    assert history(rule) == [(1, "made")]


def test_many_are_moved_at_once_in_few_queries(course: Course, tess: User, django_assert_max_num_queries: Any) -> None:
    rules = [factories.make_rule(course=course) for _ in range(30)]

    with django_assert_max_num_queries(16):
        assert Rule.objects.filter(course=course).move(Rule.Stage.DRAFT, by=tess) == 30

    assert {(rule.versions.get(number=2).author, rule.versions.count()) for rule in rules} == {(tess, 2)}


def test_saving_without_a_change_makes_no_version(rule: Rule) -> None:
    rule.save()

    assert history(rule) == [(1, "made")]


WAYS = {
    "saved": lambda rule: changed(rule, stage="observe").save(),
    "one field saved": lambda rule: changed(rule, stage="observe").save(update_fields=["stage"]),
    "moved": lambda rule: rule.move("observe"),
    "moved with others": lambda rule: Rule.objects.filter(pk=rule.pk).move(Rule.Stage.OBSERVE),
    "updated in bulk": lambda rule: Rule.objects.filter(pk=rule.pk).update(stage="observe"),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_changing_a_rule_goes_unwritten(way: str, rule: Rule) -> None:
    WAYS[way](rule)

    rule.refresh_from_db()
    assert history(rule) == [(1, "made"), (2, "stage: enforce → observe")]
    assert rule.version == 2


def test_rules_made_in_bulk_are_version_one_each(course: Course) -> None:
    made = Rule.objects.bulk_create([Rule(course=course, name=name, pattern="x", message="No.") for name in "ab"])

    assert [history(rule) for rule in made] == [[(1, "made")]] * 2
    assert set(Rule.objects.values_list("version", flat=True)) == {1}


def test_a_partial_save_writes_down_what_is_stored_and_not_what_is_in_memory(rule: Rule) -> None:
    changed(rule, stage="observe", message="Never saved.").save(update_fields=["stage"])

    assert rule.versions.get(number=2).fields["message"] == "Ask for a hint instead."


def test_a_change_that_is_rolled_back_leaves_no_version(rule: Rule) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        changed(rule, message="").save()

    assert history(rule) == [(1, "made")]


def test_a_rule_goes_back_to_a_version_and_that_is_a_version_too(rule: Rule, tess: User) -> None:
    before = {name: getattr(rule, name) for name in VERSIONED}
    changed(rule, pattern="essay", stage="draft", weekdays="01", message="No essays.").save()

    rule.restore(rule.versions.get(number=1), by=tess)

    rule.refresh_from_db()
    assert {name: getattr(rule, name) for name in VERSIONED} == before
    assert (rule.version, rule.versions.get(number=3).note) == (3, "back to version 1")


def test_a_rule_does_not_go_back_to_a_name_that_is_taken(rule: Rule, tess: User) -> None:
    name = rule.name
    changed(rule, name="renamed").save()
    factories.make_rule(course=rule.course, name=name)

    with pytest.raises(ValidationError):
        rule.restore(rule.versions.get(number=1), by=tess)

    rule.refresh_from_db()
    assert rule.name == "renamed"


def test_a_rule_that_is_switched_on_again_returns_to_the_stage_before(rule: Rule) -> None:
    rule.move("warn")
    rule.move("draft")
    changed(rule, priority=9).save()

    assert rule.stage_before_draft == "warn"


def test_a_rule_that_never_was_on_begins_with_observing(course: Course) -> None:
    assert factories.make_rule(course=course, stage="draft").stage_before_draft == "observe"


def test_deleting_a_rule_deletes_its_versions(rule: Rule) -> None:
    rule.delete()

    assert not RuleVersion.objects.exists()


# Copies


def test_a_copy_is_the_same_rule_without_its_dates(rule: Rule, tess: User) -> None:
    term = factories.make_course()
    changed(rule, starts_at="2026-01-01T00:00Z", weekdays="01", examples_match="Solve my homework").save()
    rule.refresh_from_db()

    copy = rule.copy_to(term, by=tess, stage="observe")

    assert (copy.course, copy.stage, copy.starts_at, copy.weekdays) == (term, "observe", None, "01")
    assert (copy.pattern, copy.message, copy.examples_match) == (rule.pattern, rule.message, rule.examples_match)
    assert copy.versions.get().note == f"copied from {rule.place}/{rule.name}"


def test_a_copy_replaces_no_rule(rule: Rule, tess: User) -> None:
    term = factories.make_course()
    there = factories.make_rule(course=term, name=rule.name, pattern="mine")

    with pytest.raises(ValidationError, match="already has a rule"):
        rule.copy_to(term, by=tess, stage="observe")

    there.refresh_from_db()
    assert there.pattern == "mine"


def test_many_copies_are_not_measured_where_nothing_new_stands_beside_them(
    course: Course, tess: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [factories.make_rule(course=course, pattern=f"essay {number}") for number in range(3)]
    term = factories.make_course()
    measured: list[str] = []
    monkeypatch.setattr(matcher, "admit", lambda pattern, others: measured.append(pattern))

    for rule in rules:
        rule.copy_to(term, by=tess, stage="observe")
    assert measured == []

    factories.make_rule(course=term, pattern="something else")
    Rule.objects.filter(course=term, name=rules[0].name).delete()
    rules[0].copy_to(term, by=tess, stage="observe")
    assert measured == ["essay 0"]


# Differences


def test_differences_are_told_field_by_field() -> None:
    found = differences({"a_b": 1, "c": None, "d": "x"}, {"a_b": 2, "c": "new", "d": "x"})

    assert [(one.field, one.before, one.after) for one in found] == [("a b", "1", "2"), ("c", "", "new")]


WHEN = [
    ("weekdays", "", "04", "days: nothing → Monday, Friday"),
    ("from_time", None, "09:00:00", "from hour: nothing → 09:00"),
    ("starts_at", None, "2026-12-01T07:00:00+00:00", "from: nothing → 2026-12-01 09:00 Europe/Helsinki"),
    ("examples_match", "", "Solve it", "must be found: nothing → Solve it"),
]


@pytest.mark.parametrize(("name", "before", "after", "said"), WHEN, ids=[name for name, *_ in WHEN])
def test_differences_are_told_in_the_words_of_the_form(name: str, before: Any, after: Any, said: str) -> None:
    (found,) = differences({name: before}, {name: after}, zone=ZoneInfo("Europe/Helsinki"))

    assert str(found) == said


def test_a_summary_is_one_line_that_fits() -> None:
    told = summary({"message": "a\nb", "c": ""}, {"message": "x" * 900, "c": "y"})

    assert told.startswith("message: a b → xxx")
    assert "\n" not in told
    assert len(told) <= 500


def test_rules_from_before_there_were_versions_are_version_one(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    first = import_module("apps.rules.migrations.0003_first_versions")
    monkeypatch.setattr(first, "FIELDS", VERSIONED)  # the table has today's
    RuleVersion.objects.all().delete()
    Rule._base_manager.update(version=0, starts_at="2026-12-01T09:00Z", from_time="09:00")

    first.write_first_versions(apps, None)

    rule.refresh_from_db()
    assert (rule.version, history(rule)) == (1, [(1, "made")])
    rule.save()
    assert rule.version == 1


def test_versions_from_before_there_were_titles_get_one_and_saving_makes_no_other(rule: Rule) -> None:
    (version,) = RuleVersion.objects.all()
    del version.fields["title"], version.fields["why"]
    version.save()

    import_module("apps.rules.migrations.0004_titles_and_purposes").name_titles(apps, None)

    rule.save()
    assert (rule.version, RuleVersion.objects.get().fields["title"]) == (1, rule.name)
