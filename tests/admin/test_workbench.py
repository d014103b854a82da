"""The instructor's workbench: from a ready rule to one that is enforced, and back."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Course, Membership
from apps.rules.models import Rule, RuleException
from apps.rules.ready_rules import LIBRARY
from apps.rules.stages import FEW_CALLS
from apps.rules.trials import LONGEST_TEXT
from tests import factories
from tests.admin.world import CourseWorld, list_of, make_call, make_hit, page_of

READY = LIBRARY[0]
EVIL = "<script>alert(1)</script>"


def bench(rule: Rule, name: str, *args: int) -> str:
    return reverse(f"admin:rules_rule_{name}", args=[rule.pk, *args])


def move(client: Client, rule: Rule, stage: str, **values: str) -> Any:
    return client.post(bench(rule, "stage"), {"stage": stage, **values})


def text_of(page: Any) -> str:
    return str(page.content.decode())


def stage_of(rule: Rule) -> str:
    return Rule.objects.get(pk=rule.pk).stage


def make_calls(world: CourseWorld, *, hits: int, misses: int) -> None:
    """So many calls in which the rule of the world was found, beside the one that is there, and so many without."""
    for number in range(hits + misses):
        call = make_call(world.student, prompt="Please solve my homework")
        if number < hits:
            make_hit(call, world.rule, "solve my homework")


# Stages


@pytest.mark.parametrize("stage", Rule.Stage.values)
def test_a_rules_page_says_where_it_stands_and_what_that_means(
    stage: str, instructor: Client, world: CourseWorld
) -> None:
    world.rule.move(stage)

    page = instructor.get(page_of(world.rule))

    (current,) = (step for step in page.context["steps"] if step.is_current)
    assert current.stage == stage
    assert current.meaning in text_of(page)


@pytest.mark.parametrize(("before", "after"), [("draft", "observe"), ("observe", "warn"), ("warn", "enforce")])
def test_one_click_leads_to_the_next_stage(before: str, after: str, instructor: Client, world: CourseWorld) -> None:
    world.rule.move(before)
    assert instructor.get(page_of(world.rule)).context["following"] == after

    move(instructor, world.rule, after)

    assert stage_of(world.rule) == after


def test_a_move_is_a_version_by_whoever_clicked(instructor: Client, teacher: Membership, world: CourseWorld) -> None:
    move(instructor, world.rule, "observe")

    version = world.rule.versions.get(number=2)
    assert (version.author, version.summary) == (teacher.user, "stage: enforce → observe")


def test_one_click_switches_off_and_another_on_again(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("warn")

    move(instructor, world.rule, "draft")
    page = instructor.get(page_of(world.rule))

    assert page.context["before_draft"] == "warn"
    assert "Switch on again (warn)" in text_of(page)


def test_hits_are_counted_since_the_rule_came_to_its_stage(instructor: Client, world: CourseWorld) -> None:
    world.call.rule_hits.update(version=1)
    world.rule.move("observe")
    make_hit(world.call, world.rule, "homework", version=world.rule.version)
    world.rule.signed(by=None).move("warn")

    assert instructor.get(page_of(world.rule)).context["hits_here"] == 0
    make_hit(world.call, world.rule, "homework", version=world.rule.version)
    assert instructor.get(page_of(world.rule)).context["hits_here"] == 1


def test_a_rule_that_would_block_too_much_asks_first(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("observe")
    make_calls(world, hits=2, misses=7)  # with the call that is there, 3 of 10

    page = move(instructor, world.rule, "enforce")

    assert "3 of 10 calls: 30 percent" in text_of(page)
    assert stage_of(world.rule) == "observe"

    move(instructor, world.rule, "enforce", confirmed="yes")

    assert stage_of(world.rule) == "enforce"


def test_what_another_pattern_found_is_not_held_against_this_one(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("observe")
    make_calls(world, hits=9, misses=0)
    world.rule.pattern = "something narrower"
    world.rule.save()

    move(instructor, world.rule, "enforce")

    assert stage_of(world.rule) == "enforce"


SELDOM: dict[str, Callable[[CourseWorld], None]] = {
    "a fifth is not above a fifth": lambda world: make_calls(world, hits=1, misses=8),
    "a few calls say nothing": lambda world: make_calls(world, hits=FEW_CALLS - 2, misses=0),
    "a guiding rule refuses nothing": lambda world: (
        make_calls(world, hits=20, misses=0),
        Rule.objects.filter(pk=world.rule.pk).update(action="guide", guidance="Hint."),
    )[0],
}


@pytest.mark.parametrize("case", SELDOM)
def test_a_rule_that_is_found_seldom_is_enforced_at_once(case: str, instructor: Client, world: CourseWorld) -> None:
    world.rule.move("observe")
    SELDOM[case](world)

    move(instructor, world.rule, "enforce")

    assert stage_of(world.rule) == "enforce"


def test_the_list_leaves_those_that_would_block_too_much_where_they_are(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("observe")
    other = factories.make_rule(course=world.course, stage="observe", pattern="x")
    make_calls(world, hits=9, misses=0)

    page = instructor.post(
        list_of(Rule), {"action": "enforce", "_selected_action": [world.rule.pk, other.pk]}, follow=True
    )

    assert (stage_of(world.rule), stage_of(other)) == ("observe", "enforce")
    assert f"Not enforced: {world.rule.name}" in text_of(page)


def test_an_unknown_stage_does_not_exist(instructor: Client, world: CourseWorld) -> None:
    assert move(instructor, world.rule, "sometimes").status_code == 404


# Versions


def test_the_page_shows_the_history_with_a_way_back(instructor: Client, world: CourseWorld) -> None:
    world.rule.message = f"Changed {EVIL}"
    world.rule.save()

    page = instructor.get(page_of(world.rule))
    assert "<del>Ask for a hint instead.</del>" in text_of(page)
    assert "&lt;script&gt;" in text_of(page)
    assert EVIL not in text_of(page)

    instructor.post(bench(world.rule, "restore", 1))

    world.rule.refresh_from_db()
    assert world.rule.message == "Ask for a hint instead."


def test_a_version_without_an_author_does_not_say_more_than_is_known(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("warn", by=factories.make_user())
    world.rule.versions.get(number=2).author.delete()

    assert text_of(instructor.get(page_of(world.rule))).count("by a file, or somebody who has left") == 2


def test_a_version_that_cannot_be_returned_to_says_why(instructor: Client, world: CourseWorld) -> None:
    name = world.rule.name
    world.rule.name = "renamed"
    world.rule.save()
    factories.make_rule(course=world.course, name=name)

    page = instructor.post(bench(world.rule, "restore", 1), follow=True)

    assert "Not restored" in text_of(page)


def test_a_version_is_returned_to_with_its_stage(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("draft")

    page = instructor.post(bench(world.rule, "restore", 1), follow=True)

    assert stage_of(world.rule) == "enforce"
    assert "With its stage: Enforce: acts" in text_of(page)


def test_a_version_that_would_block_too_much_asks_first(instructor: Client, world: CourseWorld) -> None:
    world.rule.move("observe")
    make_calls(world, hits=9, misses=0)

    page = instructor.post(bench(world.rule, "restore", 1))

    assert "would block a lot" in text_of(page)
    assert f'action="{bench(world.rule, "restore", 1)}"' in text_of(page)
    assert stage_of(world.rule) == "observe"

    instructor.post(bench(world.rule, "restore", 1), {"confirmed": "yes"})

    assert stage_of(world.rule) == "enforce"


def test_a_version_of_another_rule_does_not_exist(instructor: Client, world: CourseWorld) -> None:
    assert instructor.post(bench(world.rule, "restore", 99)).status_code == 404


def test_saving_the_form_is_a_version_by_whoever_saved(
    instructor: Client, teacher: Membership, world: CourseWorld
) -> None:
    instructor.post(page_of(world.rule), rule_form(world.rule, message="New words."))

    version = world.rule.versions.get(number=2)
    assert (version.author, version.summary) == (teacher.user, "message: Ask for a hint instead. → New words.")


def test_a_form_that_is_saved_late_does_not_switch_a_rule_on_again(
    instructor: Client, world: CourseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def switched_off_meanwhile(rule: Rule) -> None:
        Rule.objects.get(pk=rule.pk).move("draft")

    monkeypatch.setattr(Rule, "clean", switched_off_meanwhile)

    instructor.post(page_of(world.rule), rule_form(world.rule, message="New words."))

    world.rule.refresh_from_db()
    assert (world.rule.stage, world.rule.message) == ("draft", "New words.")


def test_a_pattern_is_measured_before_a_transaction_begins(
    instructor: Client, world: CourseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside, inside = len(connection.savepoint_ids), []
    monkeypatch.setattr(Rule, "clean", lambda rule: inside.append(len(connection.savepoint_ids)))

    instructor.post(page_of(world.rule), rule_form(world.rule, pattern="essay"))

    world.rule.refresh_from_db()
    assert (world.rule.pattern, inside) == ("essay", [outside])


def test_what_others_saved_meanwhile_is_not_undone_unawares(instructor: Client, world: CourseWorld) -> None:
    opened = rule_form(world.rule, message="New words.", seen="1")
    world.rule.pattern = "essay"
    world.rule.save()

    page = instructor.post(page_of(world.rule), opened)

    assert "changed since you opened the page" in page.context["adminform"].form.errors["pattern"][0]
    assert '<input type="hidden" name="seen" value="2" form="rule_form">' in text_of(page)
    assert Rule.objects.get(pk=world.rule.pk).pattern == "essay"

    instructor.post(page_of(world.rule), {**opened, "seen": "2"})

    assert Rule.objects.get(pk=world.rule.pk).pattern == opened["pattern"]


@pytest.mark.parametrize("seen", ["", "1", "x", "9" * 5000])
def test_what_others_did_elsewhere_is_no_reason_to_ask(seen: str, instructor: Client, world: CourseWorld) -> None:
    world.rule.move("warn")

    instructor.post(page_of(world.rule), rule_form(world.rule, message="New words.", seen=seen))

    world.rule.refresh_from_db()
    assert (world.rule.message, world.rule.stage) == ("New words.", "warn")


def rule_form(rule: Rule, **overrides: Any) -> dict[str, Any]:
    names = ("name", "pattern", "direction", "action", "message", "guidance", "replacement", "priority")
    return {**{name: getattr(rule, name) for name in names}, **overrides}


@pytest.mark.parametrize("is_institutional", [False, True])
def test_a_name_that_is_taken_is_refused_with_a_sentence(
    is_institutional: bool, operator: Client, world: CourseWorld
) -> None:
    taken = factories.make_rule(course=world.course)
    if is_institutional:
        Rule.objects.update(course=None)

    page = operator.post(page_of(world.rule), rule_form(world.rule, name=taken.name))

    (sentence,) = page.context["adminform"].form.errors["name"]
    assert f"already has a rule called {taken.name}" in sentence


def test_a_new_rule_says_that_it_does_nothing_yet(instructor: Client, world: CourseWorld) -> None:
    values = {**rule_form(world.rule, name="new"), "course": world.course.pk}

    page = instructor.post(reverse("admin:rules_rule_add"), values, follow=True)

    assert "new is a draft, which does nothing." in text_of(page)


# Exam windows


def test_a_window_is_set_and_shown_on_the_clock_of_the_course(instructor: Client, world: CourseWorld) -> None:
    world.course.timezone = "Europe/Helsinki"
    world.course.save()
    window = {"starts_at_0": "2026-12-01", "starts_at_1": "09:00", "weekdays": ["1", "0"], "from_time": "09:00"}

    instructor.post(page_of(world.rule), rule_form(world.rule, **window))

    world.rule.refresh_from_db()
    assert world.rule.starts_at is not None
    assert world.rule.starts_at.isoformat() == "2026-12-01T07:00:00+00:00"
    assert world.rule.weekdays == "01"
    page = instructor.get(page_of(world.rule))
    assert 'value="09:00:00"' in text_of(page)
    assert page.context["adminform"].form["weekdays"].value() == ["0", "1"]


NOT_NOW = [
    ({"ends_at": datetime(2026, 1, 1, 10, tzinfo=UTC)}, "Its time was over on 2026-01-01 12:00"),
    ({"starts_at": datetime(2999, 1, 1, 10, tzinfo=UTC)}, "It holds from 2999-01-01 12:00 on"),
    ({"weekdays": f"{(datetime.now(UTC).weekday() + 3) % 7}"}, "It rests now"),
    ({"assignment": "essay-2"}, "only at calls with the assignment tag essay-2"),
]


@pytest.mark.parametrize(("fields", "said"), NOT_NOW, ids=[next(iter(fields)) for fields, _ in NOT_NOW])
def test_a_rule_that_does_not_hold_now_says_so_wherever_its_stage_is_shown(
    fields: dict[str, Any], said: str, instructor: Client, world: CourseWorld
) -> None:
    Course.objects.update(timezone="Europe/Helsinki")
    assert said not in text_of(instructor.get(page_of(world.rule)))

    Rule.objects.filter(pk=world.rule.pk).update(**fields)

    assert said in text_of(instructor.get(page_of(world.rule)))
    assert said in text_of(instructor.get(list_of(Rule)))
    assert said in text_of(tried(instructor, world.rule, "solve my homework"))


def test_a_rule_that_does_nothing_anyway_says_nothing_of_its_time(instructor: Client, world: CourseWorld) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(stage="draft", ends_at=datetime(2026, 1, 1, tzinfo=UTC))

    assert "Its time was over" not in text_of(instructor.get(page_of(world.rule)))


def test_where_the_lines_of_a_pattern_break_means_nothing(instructor: Client, world: CourseWorld) -> None:
    instructor.post(page_of(world.rule), rule_form(world.rule, pattern="solve\r\n my\r\n home"))

    world.rule.refresh_from_db()
    assert world.rule.pattern == "solve my home"


def test_an_example_that_is_wrong_is_named_with_its_line(instructor: Client, world: CourseWorld) -> None:
    values = {"examples_match": "Solve my homework\nWrite my essay", "examples_no_match": "I solve puzzles"}

    page = instructor.post(page_of(world.rule), rule_form(world.rule, **values))

    errors = page.context["adminform"].form.errors
    assert list(errors) == ["examples_match"]
    assert "Line 2: the pattern does not find “Write my essay”" in errors["examples_match"][0]


def test_an_example_that_stands_among_the_exceptions_is_not_taken(instructor: Client, world: CourseWorld) -> None:
    RuleException.objects.create(rule=world.rule, text="solve my homework")

    page = instructor.post(page_of(world.rule), rule_form(world.rule, examples_match="Solve my homework!"))

    assert "stands among the rule’s exceptions" in page.context["adminform"].form.errors["examples_match"][0]


def test_an_exception_is_a_sentence_that_must_not_be_found(instructor: Client, world: CourseWorld) -> None:
    RuleException.objects.create(rule=world.rule, text="solve my homework")

    instructor.post(page_of(world.rule), rule_form(world.rule, examples_no_match="Solve my homework!"))

    world.rule.refresh_from_db()
    assert world.rule.examples_no_match == "Solve my homework!"


# Trying


def tried(client: Client, rule: Rule, text: str, *, pattern: str = "", **headers: Any) -> Any:
    return client.post(bench(rule, "try"), {"pattern": pattern or rule.pattern, "text": text}, headers=headers)


def test_what_is_found_is_marked_in_the_text(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, f"{EVIL} Please solve  my homework."))

    assert '<mark class="stoa-hit">solve  my homework</mark>' in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; Please " in page
    assert EVIL not in page


OUTCOMES = [
    ({"action": "block"}, "the student reads:", "Ask for a hint instead."),
    ({"action": "redact", "replacement": "[gone]"}, "goes on as:", '<mark class="stoa-hit">[gone]</mark>'),
    ({"action": "guide", "guidance": "Be a tutor."}, "the model is told:", "Be a tutor."),
    ({"action": "flag"}, "marked for staff", "marked for staff"),
]


@pytest.mark.parametrize(("fields", "does", "shows"), OUTCOMES, ids=[fields["action"] for fields, _, _ in OUTCOMES])
def test_it_says_what_would_happen(
    fields: dict[str, str], does: str, shows: str, instructor: Client, world: CourseWorld
) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(**fields)

    page = text_of(tried(instructor, world.rule, "solve my homework"))

    assert does in page
    assert shows in page


def test_every_match_is_marked(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, "solve my homework. " * 50))

    assert "Found 50 times" in page
    assert page.count('<mark class="stoa-hit">') == 50


def test_a_text_is_tried_with_the_line_breaks_that_students_send(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, "Dear model,\r\nhello", pattern=r"model,\nhello"))

    assert "Found once" in page


@pytest.mark.parametrize(
    ("direction", "said", "unsaid"),
    [
        ("prompt", "nothing is charged", "is stopped"),
        ("answer", "what was generated is charged", "nothing is charged"),
        ("both", "An answer in which it is found is stopped, and charged", "what was generated"),
    ],
)
def test_an_answer_that_is_stopped_is_charged(
    direction: str, said: str, unsaid: str, instructor: Client, world: CourseWorld
) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(direction=direction)

    page = text_of(tried(instructor, world.rule, "solve my homework"))

    assert said in page
    assert unsaid not in page


def test_a_match_that_does_not_count_is_explained(instructor: Client, world: CourseWorld) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(pattern=r"\d{16}", checksum="card")
    world.rule.refresh_from_db()

    page = text_of(tried(instructor, world.rule, "Order 4111111111111112"))

    assert "Not found" in page
    assert "counts only what its field “Counts” names" in page


def test_a_disguised_match_is_marked_where_it_stands_and_shown_unfolded(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, "Now s\u043elve my h\u043emework!"))  # with Cyrillic letters

    assert '<mark class="stoa-hit">s\u043elve my h\u043emework</mark>' in page
    assert "disguised" in page
    assert 'Now <mark class="stoa-hit">solve my homework</mark>!' in page


def test_what_is_found_in_only_one_of_the_copies_is_shown_there(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, "K\u00e4\u00adse", pattern="K\u00e4se"))  # with a soft hyphen

    assert '<mark class="stoa-hit">K\u00e4se</mark>' in page
    assert '<div class="stoa-text stoa-sample" dir="auto">Kase</div>' in page


def test_a_text_in_which_nothing_is_found_passes(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, "What is a monad?"))

    assert "Not found" in page
    assert "<mark" not in page


def test_examples_are_shown_with_what_becomes_of_them(instructor: Client, world: CourseWorld) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(examples_match="Solve my homework", examples_no_match="Hello")

    page = text_of(tried(instructor, world.rule, "x", pattern="Hello"))

    assert "2 wrong" in page


def test_an_exception_is_not_found(instructor: Client, world: CourseWorld) -> None:
    RuleException.objects.create(rule=world.rule, text="solve my homework")

    page = text_of(tried(instructor, world.rule, "SOLVE  my homework"))

    assert "Not found" in page
    assert "among the exceptions" in page


@pytest.mark.parametrize(
    ("pattern", "text", "sentence"),
    [
        ("(", "x", "cannot be run"),
        ("(?=x)", "x", "Look-ahead"),
        ("x", "a" * (LONGEST_TEXT + 1), "at most 20000 characters"),
        ("x", "", "required"),
    ],
    ids=["open bracket", "look-ahead", "long text", "no text"],
)
def test_what_cannot_be_tried_is_explained(
    pattern: str, text: str, sentence: str, instructor: Client, world: CourseWorld
) -> None:
    page = tried(instructor, world.rule, text, pattern=pattern)

    assert page.status_code == 200
    assert sentence in text_of(page)


def test_trying_stores_nothing(instructor: Client, world: CourseWorld) -> None:
    tried(instructor, world.rule, "some text", pattern="another")

    world.rule.refresh_from_db()
    assert (world.rule.pattern, world.rule.version) == (r"(?i)solve\s+my\s+homework", 1)


def test_a_script_gets_only_the_result(instructor: Client, world: CourseWorld) -> None:
    page = text_of(tried(instructor, world.rule, "solve my homework", **{"HX-Request": "true"}))

    assert "<mark" in page
    assert "<html" not in page


def test_a_new_pattern_is_tried_without_a_rule(instructor: Client) -> None:
    values = {"pattern": "mon[ao]d", "text": "What is a monad?"}

    page = text_of(instructor.post(reverse("admin:rules_rule_try_new"), values))

    assert '<mark class="stoa-hit">monad</mark>' in page


def test_a_pattern_that_was_tried_becomes_a_rule_of_the_own_course(instructor: Client, world: CourseWorld) -> None:
    values = {"pattern": "(?i)mon[ao]d & more", "text": "What is a monad & more?"}
    page = text_of(instructor.post(reverse("admin:rules_rule_try_new"), values))

    (address,) = re.findall(r'href="([^"]*/add/[^"]*)">Make a rule', page)
    form = instructor.get(address).context["adminform"].form

    assert (form["pattern"].value(), form["course"].value()) == (values["pattern"], world.course.pk)


def test_assistants_are_not_offered_a_rule(assistant: Client) -> None:
    page = text_of(assistant.post(reverse("admin:rules_rule_try_new"), {"pattern": "x", "text": "x"}))

    assert "Make a rule" not in page


def test_assistants_may_try(assistant: Client, world: CourseWorld) -> None:
    assert "<mark" in text_of(tried(assistant, world.rule, "solve my homework"))


# Ready rules


def add(client: Client, world: CourseWorld) -> Any:
    values = {"rule": READY.slug, "course": world.course.pk}
    return client.post(reverse("admin:rules_rule_library"), values, follow=True)


def test_ready_rules_are_described_in_plain_words(instructor: Client) -> None:
    page = text_of(instructor.get(reverse("admin:rules_rule_library")))

    assert READY.title in page
    assert READY.purpose in page
    assert READY.matches[0] in page


def test_a_ready_rule_is_added_to_observe_with_its_examples(
    instructor: Client, teacher: Membership, world: CourseWorld
) -> None:
    page = add(instructor, world)

    rule = Rule.objects.get(course=world.course, name=READY.slug)
    assert page.redirect_chain[-1][0] == page_of(rule)
    assert (rule.stage, rule.pattern, rule.checksum) == ("observe", READY.pattern, READY.checksum)
    assert rule.examples_match.splitlines() == list(READY.matches)
    assert rule.versions.get().author == teacher.user


def test_a_ready_rule_is_added_once(instructor: Client, world: CourseWorld) -> None:
    add(instructor, world)

    page = add(instructor, world)

    assert "already has a rule" in text_of(page)
    assert Rule.objects.filter(course=world.course, name=READY.slug).count() == 1


def test_what_a_course_has_is_not_offered_again(instructor: Client, world: CourseWorld) -> None:
    add(instructor, world)

    page = text_of(instructor.get(reverse("admin:rules_rule_library")))

    assert f"{world.course} has it already" in page
    assert f'value="{READY.slug}"' not in page


def test_a_ready_rule_is_not_added_to_a_foreign_course(
    instructor: Client, foreign: CourseWorld, world: CourseWorld
) -> None:
    page = add(instructor, foreign)

    assert "Choose one of the rules below" in text_of(page)
    assert not Rule.objects.filter(name=READY.slug).exists()


def test_assistants_add_no_ready_rule(assistant: Client, world: CourseWorld) -> None:
    assert add(assistant, world).status_code == 403


def test_every_ready_rule_can_be_added(world: CourseWorld) -> None:
    rules = [Rule.from_library(ready, course=world.course, by=None) for ready in LIBRARY]

    assert {rule.stage for rule in rules} == {"observe"}


# Copies


def copy(client: Client, *rules: Rule, **values: Any) -> Any:
    chosen = {"action": "copy", "_selected_action": [rule.pk for rule in rules]}
    return client.post(list_of(Rule), {**chosen, **values}, follow=True)


def test_rules_are_copied_to_another_own_course(instructor: Client, teacher: Membership, world: CourseWorld) -> None:
    term = factories.make_course()
    factories.make_instructor(course=term, user=teacher.user)
    asked = text_of(copy(instructor, world.rule))
    assert term.title in asked

    page = copy(instructor, world.rule, copy="yes", course=term.pk, stage="observe")

    assert "1 copied" in text_of(page)
    assert Rule.objects.get(course=term).stage == "observe"


def test_a_copy_keeps_its_stage_if_that_is_wished(operator: Client, world: CourseWorld) -> None:
    term = factories.make_course()

    copy(operator, world.rule, copy="yes", course=term.pk, stage="same")

    assert Rule.objects.get(course=term).stage == world.rule.stage


def test_a_copy_of_an_exam_rule_does_not_act_without_its_dates(operator: Client, world: CourseWorld) -> None:
    term = factories.make_course()
    Rule.objects.filter(pk=world.rule.pk).update(ends_at=datetime(2026, 12, 20, tzinfo=UTC))

    page = copy(operator, world.rule, copy="yes", course=term.pk, stage="same")

    assert Rule.objects.get(course=term).stage == "observe"
    assert f"does not act, but observes: {world.rule.name}." in text_of(page)


def test_a_copy_replaces_no_rule_of_the_same_name(operator: Client, world: CourseWorld) -> None:
    term = factories.make_course()
    factories.make_rule(course=term, name=world.rule.name, pattern="mine")

    page = copy(operator, world.rule, copy="yes", course=term.pk, stage="same")

    assert f"{world.rule.name} was not copied. {term} already has a rule" in text_of(page)
    assert Rule.objects.get(course=term).pattern == "mine"


def test_nothing_is_copied_to_or_from_a_foreign_course(
    instructor: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    copy(instructor, world.rule, copy="yes", course=foreign.course.pk, stage="same")
    copy(instructor, foreign.rule, copy="yes", course=world.course.pk, stage="same")

    assert Rule.objects.count() == 2


def test_rules_of_the_institution_are_not_copied(operator: Client, world: CourseWorld) -> None:
    rule = Rule.objects.create(name="keys", pattern="sk-[a-z]+", message="Remove it.")

    page = copy(operator, rule)

    assert "hold in every course already" in text_of(page)
    page = copy(operator, rule, world.rule)
    assert [rule.name for rule in page.context["rules"]] == [world.rule.name]


# Exceptions


def test_exceptions_are_listed_and_removed(instructor: Client, world: CourseWorld) -> None:
    exception = RuleException.objects.create(rule=world.rule, text=f"solve my {EVIL}", reason="It was a song.")
    page = text_of(instructor.get(page_of(world.rule)))
    assert "It was a song." in page
    assert EVIL not in page

    instructor.post(bench(world.rule, "forget_exception", exception.pk))

    assert not RuleException.objects.exists()


# Rules of the institution


def test_operators_write_rules_for_all_courses(operator: Client, db: None) -> None:
    rule = Rule(name="keys", pattern="sk-[a-z]+", message="Remove the key.")
    values = rule_form(rule)

    operator.post(reverse("admin:rules_rule_add"), values)

    assert Rule.objects.get(name="keys").course is None


def test_the_institution_has_one_rule_of_a_name(operator: Client, db: None) -> None:
    rule = Rule.objects.create(name="keys", pattern="sk-[a-z]+", message="Remove the key.")

    page = operator.post(reverse("admin:rules_rule_add"), rule_form(rule))

    assert page.context["adminform"].form.errors == {"name": ["The institution already has a rule called keys."]}


def test_a_name_with_spaces_is_explained_in_plain_words(instructor: Client, world: CourseWorld) -> None:
    page = instructor.post(page_of(world.rule), rule_form(world.rule, name="no homework!"))

    assert "and no spaces" in page.context["adminform"].form.errors["name"][0]


def test_instructors_do_not(instructor: Client, world: CourseWorld) -> None:
    page = instructor.post(
        reverse("admin:rules_rule_add"), rule_form(Rule(name="keys", pattern="sk-[a-z]+", message="Remove it."))
    )

    assert list(page.context["adminform"].form.errors) == ["course"]


def test_instructors_do_not_see_the_institutions_rules(instructor: Client, world: CourseWorld) -> None:
    rule = Rule.objects.create(name="no-secrets", pattern="x", message="No.")

    answers = [
        instructor.get(page_of(rule)).status_code,
        move(instructor, rule, "draft").status_code,
        instructor.get(bench(rule, "try")).status_code,
    ]

    assert answers == [302, 404, 404]
    assert rule.name not in text_of(instructor.get(list_of(Rule)))


def test_deleting_a_rule_keeps_its_hits_and_appeals(instructor: Client, world: CourseWorld) -> None:
    instructor.post(page_of(world.rule, "delete"), {"post": "yes"})

    hit = world.call.rule_hits.get()
    world.appeal.refresh_from_db()
    assert (hit.rule, hit.name) == (None, world.rule.name)
    assert (world.appeal.rule, world.appeal.rule_name) == (None, world.rule.name)


# Whose rules


VIEWS = ["try", "stage", "restore", "forget_exception"]


@pytest.mark.parametrize("name", VIEWS)
def test_a_foreign_rule_has_no_workbench(
    name: str, instructor: Client, foreign: CourseWorld, world: CourseWorld
) -> None:
    exception = RuleException.objects.create(rule=foreign.rule, text="x")
    more = {"restore": [1], "forget_exception": [exception.pk]}.get(name, [])

    answer = instructor.post(bench(foreign.rule, name, *more), {"stage": "draft", "text": "x", "pattern": "x"})

    assert answer.status_code == 404
    assert (stage_of(foreign.rule), RuleException.objects.count()) == ("enforce", 1)


def test_an_exception_of_a_foreign_rule_is_not_reached_by_way_of_the_own(
    instructor: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    exception = RuleException.objects.create(rule=foreign.rule, text="x")

    assert instructor.post(bench(world.rule, "forget_exception", exception.pk)).status_code == 404


@pytest.mark.parametrize("name", ["stage", "restore", "forget_exception"])
def test_assistants_change_nothing_by_it(name: str, assistant: Client, world: CourseWorld) -> None:
    more = {"restore": [1], "forget_exception": [1]}.get(name, [])

    assert assistant.post(bench(world.rule, name, *more), {"stage": "draft"}).status_code == 403


@pytest.mark.parametrize("name", ["stage", "restore", "forget_exception"])
def test_looking_changes_nothing(name: str, instructor: Client, world: CourseWorld) -> None:
    more = {"restore": [1], "forget_exception": [1]}.get(name, [])

    assert instructor.get(bench(world.rule, name, *more)).status_code == 405


@pytest.mark.parametrize("name", ["library", "try_new"])
def test_staff_without_a_course_find_no_workbench(name: str, db: None) -> None:
    client = Client()
    client.force_login(factories.make_user(is_staff=True))

    assert client.get(reverse(f"admin:rules_rule_{name}")).status_code == 403


def test_changing_needs_the_token_of_the_page(world: CourseWorld, teacher: Membership) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(teacher.user)

    assert move(client, world.rule, "draft").status_code == 403


def test_a_rules_page_takes_as_many_queries_with_a_long_history(
    instructor: Client, world: CourseWorld, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        world.rule.priority = number + 1
        world.rule.save()
        RuleException.objects.create(rule=world.rule, text=f"text {number}")

    with django_assert_max_num_queries(16):
        instructor.get(page_of(world.rule))
