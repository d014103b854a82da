"""The queue of appeals: what staff see of one, and what their decision does."""

import re
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Membership
from apps.conversations import outcomes
from apps.conversations.models import Appeal, RuleHit, Turn
from apps.rules.models import Rule, RuleException
from tests import factories
from tests.admin.world import CourseWorld, list_of, make_appeal, make_call, make_hit, page_of

EVIL = "<script>alert(1)</script>"


def decide(client: Client, appeal: Appeal, outcome: str, **values: str) -> Any:
    """Press one of the three buttons. Words for everyone have been counted, unless `counted` says otherwise."""
    counted = {"counted": values["texts"]} if "texts" in values else {}
    return client.post(page_of(appeal), {"outcome": outcome, **counted, **values}, follow=True)


def text_of(page: Any) -> str:
    return str(page.content.decode())


def refused_for(world: CourseWorld, said: str) -> None:
    """Another call that the rule refused."""
    call = make_call(world.student, prompt=said, status="blocked")
    start, end = re.search(Rule.objects.get(pk=world.rule.pk).pattern, said).span()  # type: ignore[union-attr]
    make_hit(call, world.rule, said[start:end], stage="enforce", action="block")


def exceptions(world: CourseWorld) -> list[str]:
    return list(world.rule.exceptions.values_list("text", flat=True))


def test_an_appeal_shows_the_words_that_were_found_and_the_version(instructor: Client, world: CourseWorld) -> None:
    page = instructor.get(page_of(world.appeal))

    assert page.context["form"]["texts"].value() == "solve my homework"
    assert 'title="Found by' in text_of(page)
    assert "version 1" in text_of(page)


def test_what_the_student_writes_is_only_text(instructor: Client, world: CourseWorld) -> None:
    Appeal.objects.update(reason=EVIL)

    pages = [text_of(instructor.get(address)) for address in (page_of(world.appeal), list_of(Appeal))]

    assert [EVIL in page for page in pages] == [False, False]
    assert all("&lt;script&gt;" in page for page in pages)


def test_the_plain_way_to_accept_leaves_the_rule_as_it_is(
    instructor: Client, teacher: Membership, world: CourseWorld
) -> None:
    """Whatever words the page offers: one click on the first button must not open the rule for everybody."""
    page = instructor.get(page_of(world.appeal))
    buttons = re.findall(r'<button[^>]*name="outcome"[^>]*value="(\w+)"', text_of(page))

    page = decide(instructor, world.appeal, buttons[0], texts=page.context["form"]["texts"].value())

    world.appeal.refresh_from_db()
    assert (world.appeal.state, world.appeal.outcome, world.appeal.answer) == ("accepted", "once", outcomes.ONCE)
    assert (world.appeal.decided_by, world.appeal.decided_at is not None) == (teacher.user, True)
    assert exceptions(world) == []
    assert f"{world.rule.name} stays as it is" in text_of(page)


def test_fine_for_everyone_makes_an_exception(instructor: Client, teacher: Membership, world: CourseWorld) -> None:
    page = decide(instructor, world.appeal, "everyone", texts="Solve  my HOMEWORK\n", answer="Right you are.")

    world.appeal.refresh_from_db()
    exception = RuleException.objects.get(rule=world.rule)
    assert (world.appeal.state, world.appeal.outcome) == ("accepted", "everyone")
    assert (world.appeal.answer, world.appeal.decided_by) == ("Right you are.", teacher.user)
    assert (exception.text, exception.author) == ("solve my homework", teacher.user)
    assert world.appeal.reason in exception.reason
    assert f"{world.rule.name} now lets “solve my homework” pass for 1 student" in text_of(page)


def test_fine_for_everyone_needs_words(instructor: Client, world: CourseWorld) -> None:
    page = decide(instructor, world.appeal, "everyone", texts=" \n")

    world.appeal.refresh_from_db()
    assert (world.appeal.state, exceptions(world)) == ("open", [])
    assert "Say which words are fine" in text_of(page)


def test_the_effect_of_an_exception_stands_beside_it(instructor: Client, world: CourseWorld) -> None:
    factories.make_student(course=world.course)
    Rule.objects.filter(pk=world.rule.pk).update(pattern="(?i)(solve|do) my homework")
    world.call.rule_hits.update(stage="enforce", action="block")
    for said in ("SOLVE my homework!", "do my homework", "solve my homework. do my homework"):
        refused_for(world, said)

    page = text_of(instructor.get(page_of(world.appeal)))

    assert "These words pass for 2 students" in page
    assert "2 of the last 4 refusals would have passed" in page


def test_words_that_were_not_counted_are_counted_before_they_pass(instructor: Client, world: CourseWorld) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(pattern="(?i)(solve|do) my homework")
    refused_for(world, "do my homework")

    page = decide(instructor, world.appeal, "everyone", texts="do my homework", counted="solve my homework")

    world.appeal.refresh_from_db()
    assert (world.appeal.state, exceptions(world)) == ("open", [])
    assert "1 of the last 2 refusals would have passed" in text_of(page)
    decide(instructor, world.appeal, "everyone", texts="do my homework", counted=page.context["counted"])
    assert exceptions(world) == ["do my homework"]


def test_a_refusal_by_another_rule_as_well_would_not_have_passed(instructor: Client, world: CourseWorld) -> None:
    other = factories.make_rule(course=world.course, pattern="now")
    make_hit(world.call, other, "now", stage="enforce", action="block")

    assert "0 of the last 1 refusal would have passed" in text_of(instructor.get(page_of(world.appeal)))


@pytest.mark.parametrize("text", ["my homework", "please solve my homework", "home economics"])
def test_an_exception_that_would_change_nothing_is_not_made(text: str, instructor: Client, world: CourseWorld) -> None:
    page = decide(instructor, world.appeal, "everyone", texts=text)

    world.appeal.refresh_from_db()
    assert world.appeal.state == "open"
    assert exceptions(world) == []
    assert "would change nothing" in text_of(page)


def test_what_was_found_is_excepted_also_if_its_surroundings_made_it_found(
    instructor: Client, world: CourseWorld
) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(pattern=r"Bsolve my homework")

    decide(instructor, world.appeal, "everyone", texts="solve my homework")

    assert exceptions(world) == ["solve my homework"]


def test_an_exception_that_would_undo_the_rule_is_not_made(instructor: Client, world: CourseWorld) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(examples_match="Please solve my homework")

    page = decide(instructor, world.appeal, "everyone", texts="solve my homework")

    world.appeal.refresh_from_db()
    assert world.appeal.state == "open"
    assert exceptions(world) == []
    assert "would undo" in text_of(page)


def test_right_to_refuse_leaves_the_rule_as_it_is(instructor: Client, world: CourseWorld) -> None:
    decide(instructor, world.appeal, "refuse", texts="solve my homework")

    world.appeal.refresh_from_db()
    assert (world.appeal.state, world.appeal.outcome) == ("declined", "refuse")
    assert world.appeal.answer == outcomes.REFUSED
    assert exceptions(world) == []


@pytest.mark.parametrize("late", ["once", "refuse", "everyone"])
def test_a_decision_that_a_colleague_took_stands(
    late: str, instructor: Client, operator: Client, world: CourseWorld
) -> None:
    decide(operator, world.appeal, "refuse", answer="No.")

    page = decide(instructor, world.appeal, late, texts="solve my homework", answer="Yes!")

    decided = Appeal.objects.get(pk=world.appeal.pk)
    assert (decided.state, decided.outcome, decided.answer) == ("declined", "refuse", "No.")
    assert exceptions(world) == []
    assert f"{decided.decided_by} was faster: Right to refuse" in text_of(page)
    assert "Nothing has changed" in text_of(page)


def test_a_post_that_decides_nothing_changes_nothing(instructor: Client, world: CourseWorld) -> None:
    instructor.post(page_of(world.appeal), {"answer": "Hm."})

    world.appeal.refresh_from_db()
    assert world.appeal.state == "open"


def several(client: Client, action: str, *chosen: Appeal, **values: str) -> Any:
    data = {"action": action, "_selected_action": [appeal.pk for appeal in chosen], **values}
    return client.post(list_of(Appeal), data, follow=True)


def test_several_get_one_answer(instructor: Client, world: CourseWorld) -> None:
    others = [make_appeal(make_call(world.student), world.rule) for _ in range(2)]

    asked = several(instructor, "refuse", world.appeal, *others)
    page = several(instructor, "refuse", world.appeal, *others, answer="Ask for a hint.")

    assert "3 appeals" in text_of(asked)
    assert set(Appeal.objects.values_list("state", "answer")) == {("declined", "Ask for a hint.")}
    assert [str(message) for message in page.context["messages"]] == [
        "Right to refuse: 3 students read your answer. No rule has changed."
    ]


def test_several_are_not_decided_before_there_is_an_answer(instructor: Client, world: CourseWorld) -> None:
    several(instructor, "once", world.appeal)

    page = several(instructor, "once", world.appeal, answer=" ")

    world.appeal.refresh_from_db()
    assert world.appeal.state == "open"
    assert "required" in text_of(page)


@pytest.mark.parametrize("action", ["accept", "everyone"])
def test_nothing_makes_exceptions_for_several(action: str, instructor: Client, world: CourseWorld) -> None:
    several(instructor, action, world.appeal, answer="Fine.")

    world.appeal.refresh_from_db()
    assert (world.appeal.state, exceptions(world)) == ("open", [])


@pytest.mark.parametrize("action", ["once", "refuse"])
def test_actions_reach_no_foreign_appeal(
    action: str, instructor: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    several(instructor, action, foreign.appeal, answer="Hm.")

    foreign.appeal.refresh_from_db()
    assert foreign.appeal.state == "open"


@pytest.mark.parametrize("action", ["once", "refuse"])
def test_assistants_decide_nothing(action: str, assistant: Client, world: CourseWorld) -> None:
    several(assistant, action, world.appeal, answer="Hm.")
    page = assistant.get(page_of(world.appeal))

    world.appeal.refresh_from_db()
    assert world.appeal.state == "open"
    assert "Fine this once" not in text_of(page)


def test_where_no_text_is_kept_no_words_are_known(instructor: Client, world: CourseWorld) -> None:
    Turn.objects.all().delete()

    page = instructor.get(page_of(world.appeal))

    assert not page.context["form"]["texts"].value()
    assert "not recorded" in text_of(page)


def test_what_was_redacted_is_never_shown_as_words_to_except(world: CourseWorld) -> None:
    RuleHit.objects.update(action="redact")

    assert outcomes.found_texts(world.appeal) == []


def test_an_appeal_outlives_its_rule(instructor: Client, world: CourseWorld) -> None:
    name = world.rule.name
    world.rule.delete()

    page = decide(instructor, world.appeal, "once")

    world.appeal.refresh_from_db()
    assert (world.appeal.state, world.appeal.rule_name) == ("accepted", name)
    assert page.status_code == 200


def test_the_first_page_tells_how_many_wait(instructor: Client, world: CourseWorld, foreign: CourseWorld) -> None:
    assert [line.appeals for line in instructor.get("/admin/?all=1").context["lines"]] == [1]

    decide(instructor, world.appeal, "refuse")

    assert [line.appeals for line in instructor.get("/admin/?all=1").context["lines"]] == [0]


def test_the_list_takes_as_many_queries_for_many_as_for_one(
    instructor: Client, world: CourseWorld, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        make_appeal(make_call(world.student), world.rule)

    with django_assert_max_num_queries(11):
        instructor.get(list_of(Appeal))


def test_words_of_an_answer_are_taken_from_the_answer(world: CourseWorld) -> None:
    RuleHit.objects.update(direction="answer", message=1, start=0, end=len("What have you"))

    assert outcomes.found_texts(world.appeal) == ["What have you"]


def test_only_operators_except_anything_from_a_rule_of_the_institution(
    instructor: Client, operator: Client, world: CourseWorld
) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(course=None)
    assert world.rule.pattern not in text_of(instructor.get(page_of(world.appeal)))

    page = decide(instructor, world.appeal, "everyone", texts="solve my homework")
    assert "only operators" in text_of(page)
    assert exceptions(world) == []

    decide(operator, world.appeal, "everyone", texts="solve my homework")
    assert exceptions(world) == ["solve my homework"]
