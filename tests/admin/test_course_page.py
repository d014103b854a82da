"""A course on one page: its settings, allowance, rules, models and members."""

import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Course, Membership
from apps.common.models import Revision
from apps.quotas.models import Ceiling
from apps.rules.admin import lists
from apps.rules.models import Rule
from tests import factories
from tests.admin.workbench import text_of
from tests.admin.world import CourseWorld, add_page, list_of, make_hit, page_of


def course_form(world: CourseWorld, **overrides: Any) -> dict[str, Any]:
    """The page as a browser would send it back, unchanged but for the overrides."""
    policy, rule = world.course.quota_policy, world.rule
    form: dict[str, Any] = {
        "title": world.course.title,
        "is_open": "on",
        "logging": "full",
        "timezone": "UTC",
        "week_starts": "monday",
        "quota_policy-TOTAL_FORMS": 1,
        "quota_policy-INITIAL_FORMS": 1,
        "quota_policy-0-id": policy.pk,
        "quota_policy-0-course": world.course.pk,
        "quota_policy-0-student_weekly_tokens": policy.student_weekly_tokens,
        "quota_policy-0-default_output_tokens": policy.default_output_tokens,
        "quota_policy-0-least_output_tokens": policy.least_output_tokens,
        "quota_policy-0-late_joiners": policy.late_joiners,
        "quota_policy-0-after_exhaustion": policy.after_exhaustion,
        "quota_policy-0-fallback_student_weekly_tokens": policy.fallback_student_weekly_tokens,
        "ceiling-TOTAL_FORMS": 0,
        "ceiling-INITIAL_FORMS": 0,
        "rules-TOTAL_FORMS": 1,
        "rules-INITIAL_FORMS": 1,
        "rules-0-id": rule.pk,
        "rules-0-course": world.course.pk,
        "rule_settings-TOTAL_FORMS": 0,
        "rule_settings-INITIAL_FORMS": 0,
        "allowed_models-TOTAL_FORMS": 0,
        "allowed_models-INITIAL_FORMS": 0,
        "memberships-TOTAL_FORMS": 0,
        "memberships-INITIAL_FORMS": 0,
    }
    form |= {f"rules-0-{name}": getattr(rule, name) for name in ("name", "action", "pattern", "message")}
    return {**form, **overrides}


def save(client: Client, world: CourseWorld, **overrides: Any) -> Any:
    return client.post(page_of(world.course), course_form(world, **overrides))


def test_an_instructor_changes_the_weekly_allowance(instructor: Client, world: CourseWorld) -> None:
    save(instructor, world, **{"quota_policy-0-student_weekly_tokens": 4242})

    world.course.quota_policy.refresh_from_db()
    assert world.course.quota_policy.student_weekly_tokens == 4242


def test_an_instructor_changes_a_rule(instructor: Client, world: CourseWorld) -> None:
    before = Revision.objects.get(topic="rulebook").number

    save(instructor, world, **{"rules-0-message": "Ask what you do not understand."})

    world.rule.refresh_from_db()
    assert world.rule.message == "Ask what you do not understand."
    assert Revision.objects.get(topic="rulebook").number > before


def test_an_instructor_allows_a_model(instructor: Client, world: CourseWorld) -> None:
    model = factories.make_model()

    save(instructor, world, **{"allowed_models-TOTAL_FORMS": 1, "allowed_models-0-model": model.pk})

    assert [allowed.model for allowed in world.course.allowed_models.all()] == [model]


def test_a_bad_pattern_is_explained(instructor: Client, world: CourseWorld) -> None:
    page = save(instructor, world, **{"rules-0-pattern": "(?=look)ahead"})

    assert "Look-ahead" in page.content.decode()


def test_a_guiding_rule_without_guidance_is_explained(instructor: Client, world: CourseWorld) -> None:
    page = save(instructor, world, **{"rules-0-action": "guide"})

    assert "Write what the model is told" in page.content.decode()


def test_the_short_name_is_the_operators(instructor: Client, world: CourseWorld) -> None:
    save(instructor, world, slug="renamed")

    world.course.refresh_from_db()
    assert world.course.slug != "renamed"


@pytest.mark.parametrize("ceiling", [{}, {"most_member_weekly_tokens": 10**9}])
def test_the_week_of_a_course_with_a_ceiling_is_the_operators(
    ceiling: dict[str, int], instructor: Client, operator: Client, world: CourseWorld
) -> None:
    """A week that begins on another day begins with nothing used."""
    if ceiling:
        Ceiling.objects.create(course=world.course, **ceiling)

    days = []
    for client, day in ((instructor, "sunday"), (operator, "friday")):
        save(client, world, slug=world.course.slug, week_starts=day)
        days.append(Course.objects.get(pk=world.course.pk).week_starts)

    assert days == ["monday" if ceiling else "sunday", "friday"]


@pytest.mark.parametrize(("role", "is_made"), [("instructor", False), ("student", True)])
def test_members_are_made_staff_soon_after_a_sign_in_only(
    role: str, is_made: bool, instructor: Client, world: CourseWorld
) -> None:
    session = instructor.session
    session["stoa_began"] -= 3600
    session.save()
    row = {"id": world.student.pk, "course": world.course.pk, "role": role}
    members = {"TOTAL_FORMS": 1, "INITIAL_FORMS": 1, **{f"0-{name}": value for name, value in row.items()}}

    save(instructor, world, **{f"memberships-{name}": value for name, value in members.items()})

    world.student.refresh_from_db()
    assert (world.student.role, not world.student.is_active) == ("student", is_made)


def test_a_course_with_many_rules_can_still_be_saved(instructor: Client, world: CourseWorld) -> None:
    for number in range(200):
        factories.make_rule(course=world.course, pattern=f"word{number}", priority=1)

    page = instructor.get(page_of(world.course)).content.decode()

    assert len(re.findall(r'<(?:input|select|textarea)[^>]+\bname="', page)) < settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    second = page_of(world.course) + "?rules-page=9"
    instructor.post(second, course_form(world, **{"rules-0-message": "Ask about a step."}))
    world.rule.refresh_from_db()
    assert world.rule.message == "Ask about a step."


def test_another_courses_rule_is_not_changed_through_the_own_page(
    instructor: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    save(instructor, world, **{"rules-0-id": foreign.rule.pk, "rules-0-name": "stolen"})

    foreign.rule.refresh_from_db()
    assert (foreign.rule.name != "stolen", foreign.rule.course) == (True, foreign.course)


def test_an_assistant_changes_nothing_on_the_page(assistant: Client, world: CourseWorld) -> None:
    page = save(assistant, world, **{"quota_policy-0-student_weekly_tokens": 1})

    world.course.quota_policy.refresh_from_db()
    assert page.status_code == 403
    assert world.course.quota_policy.student_weekly_tokens != 1


def test_the_page_shows_the_members(instructor: Client, world: CourseWorld) -> None:
    assert world.student.external_id in instructor.get(page_of(world.course)).content.decode()


def test_a_course_without_members_says_what_to_do(operator: Client, db: None) -> None:
    page = operator.get(page_of(factories.make_course())).content.decode()

    assert "Nobody is a member yet" in page


def test_a_course_without_an_allowance_is_pointed_out(operator: Client, db: None) -> None:
    factories.make_course(allowance=None)

    assert "no allowance" in operator.get(list_of(Course)).content.decode()


def test_an_operator_adds_a_course_with_its_allowance(operator: Client) -> None:
    values = {"title": "New", "slug": "new", "is_open": "on", "logging": "full"}
    policy = {"student_weekly_tokens": 7, "default_output_tokens": 8, "least_output_tokens": 1}
    policy |= {"late_joiners": "full", "after_exhaustion": "refuse", "fallback_student_weekly_tokens": 0}
    form: dict[str, Any] = {**values, "timezone": "Europe/Helsinki", "week_starts": "monday"}
    for prefix, total in (
        ("quota_policy", 1),
        ("ceiling", 0),
        ("rules", 0),
        ("rule_settings", 0),
        ("allowed_models", 0),
    ):
        form |= {f"{prefix}-TOTAL_FORMS": total, f"{prefix}-INITIAL_FORMS": 0}

    operator.post(add_page(Course), form | {f"quota_policy-0-{name}": value for name, value in policy.items()})

    assert Course.objects.get(slug="new").quota_policy.student_weekly_tokens == 7


def test_an_unknown_time_zone_is_explained(instructor: Client, world: CourseWorld) -> None:
    page = save(instructor, world, timezone="Middle/Earth")

    assert "is not a time zone" in page.content.decode()


@pytest.mark.parametrize(("action", "stage"), [("observe", "observe"), ("switch_off", "draft")])
def test_selected_rules_move_to_a_stage(action: str, stage: str, instructor: Client, world: CourseWorld) -> None:
    Rule.objects.update(stage="warn")

    instructor.post(list_of(Rule), {"action": action, "_selected_action": [world.rule.pk]})

    world.rule.refresh_from_db()
    assert world.rule.stage == stage


def test_the_list_of_rules_counts_hits(instructor: Client, world: CourseWorld) -> None:
    rule = instructor.get(list_of(Rule)).context["cl"].result_list[0]

    assert (rule.week.total, rule.week.days[-1], rule.week.students, rule.open_appeals) == (1, 1, 1, 1)


def test_rules_that_need_a_look_come_first(instructor: Client, world: CourseWorld) -> None:
    quiet = factories.make_rule(course=world.course, name="a-quiet", stage="observe")
    draft = factories.make_rule(course=world.course, name="a-draft", stage="draft")
    found = factories.make_rule(course=world.course, name="z-found", stage="observe")
    make_hit(world.call, found, "homework")

    for address in (list_of(Rule), reverse("admin:course_rules", args=[world.course.slug])):
        page = instructor.get(address)
        assert [rule.pk for rule in page.context["cl"].result_list] == [world.rule.pk, found.pk, quiet.pk, draft.pk]
        assert "1\u202fopen appeal" in text_of(page) and "Decide: is this meant?" in text_of(page)


def test_a_rule_with_very_many_hits_is_not_counted(
    instructor: Client, world: CourseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MOST_HITS", 1)
    make_hit(world.call, world.rule, "homework")

    assert "1+ hits" in text_of(instructor.get(list_of(Rule)))


def test_the_sum_of_the_entries_is_shown_beside_the_week(instructor: Client, world: CourseWorld) -> None:
    page = instructor.get(page_of(world.week))

    assert page.context["totals"] == {"used": world.week.used, "held": world.week.held, "granted": 0}
    assert page.context["entries"][0].used_so_far == world.week.used


def test_a_week_is_known_by_the_students_name(instructor: Client, world: CourseWorld) -> None:
    page = instructor.get(list_of(type(world.week))).content.decode()

    assert f"{world.student.external_id} · " in page


def test_lists_take_as_many_queries_for_many_rows_as_for_one(
    instructor: Client, world: CourseWorld, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        member = factories.make_student(course=world.course)
        factories.make_key(member)
        factories.make_week(member, used=5)
        factories.make_rule(course=world.course)

    for model in (type(world.week), Rule, Membership, type(member.api_keys.get())):
        with django_assert_max_num_queries(17):
            instructor.get(list_of(model))
