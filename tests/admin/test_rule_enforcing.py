"""Enforcing a rule: nobody does it before seeing what the rule would have done in the last week."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import AuditEntry, Course, Membership
from apps.conversations import evidence
from apps.conversations.models import RuleHit
from apps.rules.models import Rule
from apps.rules.stages import ENOUGH_CALLS
from tests import factories
from tests.admin.workbench import EVIL, bench, make_calls, rule_form, stage_of, text_of
from tests.admin.world import CourseWorld, list_of, make_call, page_of


def sheet_of(rule: Rule) -> str:
    return reverse("admin:conversations_rule_enforce", args=[rule.pk])


def enforce(client: Client, rule: Rule, **values: str) -> Any:
    return client.post(bench(rule, "stage"), {"stage": "enforce", **values}, follow=True)


@pytest.fixture
def wide(world: CourseWorld) -> Rule:
    """A rule that is found in every call, and has not recorded a single hit."""
    make_calls(world, hits=0, misses=ENOUGH_CALLS)
    return factories.make_rule(course=world.course, pattern=".+", stage=Rule.Stage.WARN)


@pytest.fixture
def narrow(world: CourseWorld) -> Rule:
    for _ in range(ENOUGH_CALLS):
        make_call(world.student, prompt="What is a loop?")
    return factories.make_rule(course=world.course, pattern="(?i)solve my homework", stage=Rule.Stage.OBSERVE)


def test_a_rule_without_a_single_hit_shows_first_what_it_would_have_refused(instructor: Client, wide: Rule) -> None:
    page = text_of(enforce(instructor, wide))

    assert stage_of(wide) == "warn"
    assert f"refused <b>{ENOUGH_CALLS + 1}</b> of {ENOUGH_CALLS + 1} calls" in page
    assert "<b>1</b> of 1 student" in page
    assert '<mark class="stoa-hit">Please solve my homework</mark>' in page
    assert "more than a fifth" in page
    assert 'primary" href' in page and 'danger">Enforce' in page


def test_what_was_looked_at_is_enforced(instructor: Client, wide: Rule) -> None:
    page = text_of(enforce(instructor, wide, looked_at=str(wide.version)))

    assert stage_of(wide) == "enforce"
    assert f"{wide.name} now refuses." in page


def test_a_rule_that_is_found_seldom_is_shown_too_and_enforcing_is_the_primary_button(
    instructor: Client, narrow: Rule
) -> None:
    page = text_of(enforce(instructor, narrow))

    assert stage_of(narrow) == "observe"
    assert f"refused <b>1</b> of {ENOUGH_CALLS + 1} calls" in page
    assert 'primary">Enforce' in page


def test_few_calls_say_little(instructor: Client, world: CourseWorld) -> None:
    draft = factories.make_rule(course=world.course, pattern="something else", stage=Rule.Stage.DRAFT)

    page = text_of(instructor.get(sheet_of(draft)))

    assert "Only 1 call" in page
    assert 'primary">Observe for a day' in page and 'danger">Enforce' in page


def test_a_rule_that_was_edited_meanwhile_is_looked_at_again(instructor: Client, narrow: Rule) -> None:
    looked_at = narrow.version
    narrow.pattern = ".+"
    narrow.save()

    page = text_of(enforce(instructor, narrow, looked_at=str(looked_at)))

    assert stage_of(narrow) == "observe"
    assert "was changed after you looked at it" in page
    assert f"refused <b>{ENOUGH_CALLS + 1}</b> of" in page


def test_a_version_that_was_enforced_is_shown_before_it_is_again(instructor: Client, world: CourseWorld) -> None:
    world.rule.pattern = "something narrower"
    world.rule.save()
    world.rule.move("observe")

    page = text_of(instructor.post(bench(world.rule, "restore", 1), follow=True))

    assert stage_of(world.rule) == "observe"
    assert "refused <b>1</b> of 1 call" in page
    assert f'action="{bench(world.rule, "restore", 1)}"' in page

    instructor.post(bench(world.rule, "restore", 1), {"looked_at": str(world.rule.version)})

    assert stage_of(world.rule) == "enforce"


def test_the_list_leads_to_the_sheet_of_one_rule(instructor: Client, wide: Rule) -> None:
    page = instructor.post(list_of(Rule), {"action": "enforce", "_selected_action": [wide.pk]}, follow=True)

    assert page.redirect_chain[-1][0] == sheet_of(wide)
    assert stage_of(wide) == "warn"


def test_the_list_enforces_none_of_several_and_links_to_the_sheet_of_each(
    instructor: Client, wide: Rule, narrow: Rule
) -> None:
    chosen = {"action": "enforce", "_selected_action": [wide.pk, narrow.pk]}

    page = text_of(instructor.post(list_of(Rule), chosen, follow=True))

    assert (stage_of(wide), stage_of(narrow)) == ("warn", "observe")
    assert sheet_of(wide) in page and sheet_of(narrow) in page


# A change to a rule that is enforced


def edit(client: Client, rule: Rule, **values: str) -> Any:
    return client.post(page_of(rule), rule_form(rule, **values), follow=True)


def address_in(page: Any, rule: Rule) -> str:
    """Where the sheet of an edit posts to."""
    number = page.redirect_chain[-1][0].partition("?edit=")[2]
    return reverse("admin:rules_rule_edit", args=[rule.pk, number])


@pytest.fixture
def enforced(narrow: Rule) -> Rule:
    narrow.move("enforce")
    return narrow


@pytest.mark.parametrize(("values", "found"), [({"pattern": ".+"}, ENOUGH_CALLS + 1), ({"action": "flag"}, 1)])
def test_a_change_to_what_an_enforced_rule_does_is_shown_before_it_acts(
    values: dict[str, str], found: int, instructor: Client, enforced: Rule
) -> None:
    page = edit(instructor, enforced, **values)

    stored = Rule.objects.get(pk=enforced.pk)
    assert (stored.pattern, stored.action) == (enforced.pattern, enforced.action)
    assert page.redirect_chain[-1][0].startswith(sheet_of(enforced))
    assert f"<b>{found}</b> of {ENOUGH_CALLS + 1} calls" in text_of(page)
    assert f'action="{address_in(page, enforced)}"' in text_of(page)
    assert "was changed successfully" not in text_of(page)


@pytest.mark.parametrize(("stage", "said"), [("enforce", "now refuses."), ("observe", "now observes.")])
def test_the_change_is_saved_as_chosen_on_the_sheet(
    stage: str, said: str, instructor: Client, teacher: Membership, enforced: Rule
) -> None:
    shown = edit(instructor, enforced, pattern="essay", message="New words.")

    choice = {"stage": stage, "looked_at": str(enforced.version)}
    page = instructor.post(address_in(shown, enforced), choice, follow=True)

    stored = Rule.objects.get(pk=enforced.pk)
    assert (stored.pattern, stored.message, stored.stage) == ("essay", "New words.", stage)
    assert said in text_of(page)
    assert stored.versions.get(number=stored.version).author == teacher.user


def test_a_change_to_a_rule_that_was_changed_meanwhile_is_looked_at_again(instructor: Client, enforced: Rule) -> None:
    shown, looked_at = edit(instructor, enforced, pattern="essay"), str(enforced.version)
    enforced.move("draft")

    page = instructor.post(address_in(shown, enforced), {"stage": "enforce", "looked_at": looked_at}, follow=True)

    assert stage_of(enforced) == "draft"
    assert "was changed after you looked at it" in text_of(page)


def test_a_change_is_saved_once_and_is_of_the_person_who_made_it(
    instructor: Client, operator: Client, enforced: Rule
) -> None:
    address = address_in(edit(instructor, enforced, pattern="essay"), enforced)

    assert operator.post(address, {"stage": "observe"}).status_code == 404
    assert instructor.post(address, {"stage": "observe"}).status_code == 302
    assert instructor.post(address, {"stage": "observe"}).status_code == 404


def test_what_does_not_change_where_it_acts_is_saved_at_once(instructor: Client, enforced: Rule) -> None:
    edit(instructor, enforced, message="New words.")

    assert Rule.objects.get(pk=enforced.pk).message == "New words."


def test_a_course_without_text_is_judged_by_recorded_hits(instructor: Client, world: CourseWorld) -> None:
    Course.objects.filter(pk=world.course.pk).update(logging=Course.Logging.METADATA)
    world.rule.move("observe")
    make_calls(world, hits=2, misses=3)
    for call in world.course.calls.all():
        call.turns.all().delete()

    page = text_of(instructor.get(sheet_of(world.rule)))

    assert "keeps no text" in page
    assert "refused <b>3</b> of 6 calls" in page


def test_a_course_that_records_nothing_says_so(instructor: Client, world: CourseWorld) -> None:
    Course.objects.filter(pk=world.course.pk).update(logging=Course.Logging.OFF)
    RuleHit.objects.all().delete()
    world.call.turns.all().delete()
    world.rule.move("observe")

    page = text_of(instructor.get(sheet_of(world.rule)))

    assert "keeps neither text nor rule hits" in page
    assert 'danger">Enforce' in page


def test_a_look_is_bounded_and_says_so(instructor: Client, wide: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_CALLS", 5)

    page = text_of(instructor.get(sheet_of(wide)))

    assert "refused <b>5</b> of 5 calls" in page
    assert f"The latest 5 of {ENOUGH_CALLS + 1} calls" in page


def test_a_look_ends_when_its_time_is_up(world: CourseWorld) -> None:
    make_calls(world, hits=0, misses=9)
    clock = iter([0.0, 0.5, 1.0, 99.0])  # at the start, before the portion, and after each of two calls

    found = evidence.look(world.rule, now=datetime.now(UTC), clock=lambda: next(clock))

    assert (found.calls, found.of) == (2, 10)


def test_samples_are_escaped_and_reading_them_is_recorded(instructor: Client, world: CourseWorld) -> None:
    make_call(world.student, prompt=f"{EVIL} solve my homework")
    world.rule.move("observe")

    page = text_of(instructor.get(sheet_of(world.rule)))

    assert "&lt;script&gt;" in page and EVIL not in page
    assert AuditEntry.objects.filter(action="samples.read").exists()
