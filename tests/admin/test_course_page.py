"""A course on one page: its settings, allowance, rules, models and members."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Course, Membership
from apps.quotas.models import Ceiling
from apps.rules.admin import lists
from apps.rules.models import Rule
from tests import factories
from tests.admin.workbench import text_of
from tests.admin.world import CourseWorld, add_page, list_of, make_hit, page_of


def course_form(world: CourseWorld, **overrides: Any) -> dict[str, Any]:
    """The page as a browser would send it back, unchanged but for the overrides."""
    form: dict[str, Any] = {"title": world.course.title, "logging": "full", "timezone": "UTC", "week_starts": "monday"}
    for prefix in ("ceiling", "rule_settings"):
        form |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    return {**form, **overrides}


def save(client: Client, world: CourseWorld, **overrides: Any) -> Any:
    return client.post(page_of(world.course), course_form(world, **overrides))


def test_the_page_is_short(instructor: Client, world: CourseWorld) -> None:
    for number in range(40):
        factories.make_rule(course=world.course, pattern=f"word{number}", priority=1)
        factories.make_student(course=world.course)

    page = instructor.get(page_of(world.course))

    assert len(page.content) < 150_000
    assert "41 students" in page.content.decode()


def test_an_instructor_ticks_models(instructor: Client, world: CourseWorld) -> None:
    model, other = factories.make_model(), factories.make_model()
    ticked = []

    for chosen in ([model.pk, other.pk], [other.pk]):
        save(instructor, world, models=chosen)
        ticked.append({allowed.model for allowed in world.course.allowed_models.all()})

    assert ticked == [{model, other}, {other}]


def test_the_short_name_is_the_operators(instructor: Client, world: CourseWorld) -> None:
    save(instructor, world, slug="renamed")

    assert "Short name in the address" in instructor.get(page_of(world.course)).content.decode()
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


def test_a_city_is_a_time_zone(instructor: Client, world: CourseWorld) -> None:
    save(instructor, world, timezone="helsinki")

    world.course.refresh_from_db()
    assert world.course.timezone == "Europe/Helsinki"


def test_a_title_may_be_long_and_in_any_script(instructor: Client, world: CourseWorld) -> None:
    title = ("<i>מבוא</i> " * 30)[:200].strip()

    save(instructor, world, title=title)

    for page in ("settings", "allowance", "close"):
        shown = instructor.get(reverse(f"admin:course_{page}", args=[world.course.slug])).content.decode()
        assert "&lt;i&gt;מבוא" in shown and "<i>מבוא" not in shown


def test_an_assistant_changes_nothing_on_the_page(assistant: Client, world: CourseWorld) -> None:
    page = save(assistant, world, title="Mine")

    world.course.refresh_from_db()
    assert (page.status_code, world.course.title != "Mine") == (403, True)


def test_the_page_shows_the_staff(instructor: Client, teacher: Membership, world: CourseWorld) -> None:
    assert str(teacher.person) in instructor.get(page_of(world.course)).content.decode()


def test_a_course_without_an_allowance_is_pointed_out(operator: Client, db: None) -> None:
    factories.make_course(allowance=None)

    assert "no allowance" in operator.get(list_of(Course)).content.decode()


def test_an_operator_adds_a_course_with_its_allowance_and_models(operator: Client) -> None:
    model = factories.make_model()
    form = {"title": "New", "slug": "new", "timezone": "Helsinki", "student_weekly_tokens": 7, "models": [model.pk]}

    answer = operator.post(add_page(Course), {**form, "logging": "full", "week_starts": "monday"})

    course = Course.objects.get(slug="new")
    assert (course.quota_policy.student_weekly_tokens, course.timezone) == (7, "Europe/Helsinki")
    assert [allowed.model for allowed in course.allowed_models.all()] == [model]
    assert answer.headers["location"] == reverse("admin:course_today", args=["new"])


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
