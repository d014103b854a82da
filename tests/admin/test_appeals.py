"""The queue of appeals: what staff see of one, and what their decision does."""

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Membership
from apps.conversations import appeals
from apps.conversations.models import Appeal, RuleHit, Turn
from apps.rules.models import Rule, RuleException
from tests.admin.world import CourseWorld, list_of, make_appeal, make_call, make_hit, page_of

EVIL = "<script>alert(1)</script>"


def decide(client: Client, appeal: Appeal, decision: str, **values: str) -> Any:
    return client.post(page_of(appeal), {decision: "yes", **values}, follow=True)


def text_of(page: Any) -> str:
    return str(page.content.decode())


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


def test_accepting_makes_an_exception(instructor: Client, teacher: Membership, world: CourseWorld) -> None:
    page = decide(instructor, world.appeal, "accept", texts="Solve  my HOMEWORK\n", answer="Right you are.")

    world.appeal.refresh_from_db()
    exception = RuleException.objects.get(rule=world.rule)
    assert (world.appeal.state, world.appeal.answer) == ("accepted", "Right you are.")
    assert (world.appeal.decided_by, world.appeal.decided_at is not None) == (teacher.user, True)
    assert (exception.text, exception.author) == ("solve my homework", teacher.user)
    assert world.appeal.reason in exception.reason
    assert "1 exception" in text_of(page)


def test_accepting_without_words_makes_none(instructor: Client, world: CourseWorld) -> None:
    page = decide(instructor, world.appeal, "accept", texts="")

    world.appeal.refresh_from_db()
    assert (world.appeal.state, world.appeal.answer) == ("accepted", appeals.ACCEPTED)
    assert exceptions(world) == []
    assert "Accepted, without a new exception." in text_of(page)


@pytest.mark.parametrize("text", ["my homework", "please solve my homework", "home economics"])
def test_an_exception_that_would_change_nothing_is_not_made(text: str, instructor: Client, world: CourseWorld) -> None:
    page = decide(instructor, world.appeal, "accept", texts=text)

    world.appeal.refresh_from_db()
    assert world.appeal.state == "open"
    assert exceptions(world) == []
    assert "would change nothing" in text_of(page)


def test_what_was_found_is_excepted_also_if_its_surroundings_made_it_found(
    instructor: Client, world: CourseWorld
) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(pattern=r"Bsolve my homework")

    decide(instructor, world.appeal, "accept", texts="solve my homework")

    assert exceptions(world) == ["solve my homework"]


def test_an_exception_that_would_undo_the_rule_is_not_made(instructor: Client, world: CourseWorld) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(examples_match="Please solve my homework")

    page = decide(instructor, world.appeal, "accept", texts="solve my homework")

    world.appeal.refresh_from_db()
    assert world.appeal.state == "open"
    assert exceptions(world) == []
    assert "would undo" in text_of(page)


def test_declining_leaves_the_rule_as_it_is(instructor: Client, world: CourseWorld) -> None:
    decide(instructor, world.appeal, "decline", texts="solve my homework")

    world.appeal.refresh_from_db()
    assert (world.appeal.state, world.appeal.answer) == ("declined", appeals.DECLINED)
    assert exceptions(world) == []


def test_an_appeal_is_decided_once(instructor: Client, world: CourseWorld) -> None:
    decide(instructor, world.appeal, "decline")

    page = decide(instructor, world.appeal, "accept", texts="solve my homework")

    world.appeal.refresh_from_db()
    assert world.appeal.state == "declined"
    assert exceptions(world) == []
    assert "already" in text_of(page)


def test_a_post_that_decides_nothing_changes_nothing(instructor: Client, world: CourseWorld) -> None:
    instructor.post(page_of(world.appeal), {"answer": "Hm."})

    world.appeal.refresh_from_db()
    assert world.appeal.state == "open"


def test_what_came_of_several_is_said_once(instructor: Client, world: CourseWorld) -> None:
    others = [make_appeal(make_call(world.student), world.rule) for _ in range(2)]

    page = instructor.post(
        list_of(Appeal),
        {"action": "decline", "_selected_action": [world.appeal.pk, *(one.pk for one in others)]},
        follow=True,
    )

    assert [str(message) for message in page.context["messages"]] == ["3 times: Declined. The student sees it."]


def test_several_are_accepted_at_once_with_what_was_found_in_each(instructor: Client, world: CourseWorld) -> None:
    call = make_call(world.student, prompt="SOLVE  my homework!")
    make_hit(call, world.rule, "SOLVE  my homework")
    other = make_appeal(call, world.rule)

    instructor.post(list_of(Appeal), {"action": "accept", "_selected_action": [world.appeal.pk, other.pk]})

    assert set(Appeal.objects.values_list("state", flat=True)) == {"accepted"}
    assert exceptions(world) == ["solve my homework"]


def test_several_are_declined_at_once(instructor: Client, world: CourseWorld) -> None:
    instructor.post(list_of(Appeal), {"action": "decline", "_selected_action": [world.appeal.pk]})

    world.appeal.refresh_from_db()
    assert world.appeal.state == "declined"


@pytest.mark.parametrize("action", ["accept", "decline"])
def test_actions_reach_no_foreign_appeal(
    action: str, instructor: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    instructor.post(list_of(Appeal), {"action": action, "_selected_action": [foreign.appeal.pk]})

    foreign.appeal.refresh_from_db()
    assert foreign.appeal.state == "open"


@pytest.mark.parametrize("action", ["accept", "decline"])
def test_assistants_decide_nothing(action: str, assistant: Client, world: CourseWorld) -> None:
    assistant.post(list_of(Appeal), {"action": action, "_selected_action": [world.appeal.pk]})
    page = assistant.get(page_of(world.appeal))

    world.appeal.refresh_from_db()
    assert world.appeal.state == "open"
    assert "Decide" not in text_of(page)


def test_where_no_text_is_kept_no_words_are_known(instructor: Client, world: CourseWorld) -> None:
    Turn.objects.all().delete()

    page = instructor.get(page_of(world.appeal))

    assert not page.context["form"]["texts"].value()
    assert "not recorded" in text_of(page)


def test_what_was_redacted_is_never_shown_as_words_to_except(world: CourseWorld) -> None:
    RuleHit.objects.update(action="redact")

    assert appeals.found_texts(world.appeal) == []


def test_an_appeal_outlives_its_rule(instructor: Client, world: CourseWorld) -> None:
    name = world.rule.name
    world.rule.delete()

    page = decide(instructor, world.appeal, "accept", texts="solve my homework")

    world.appeal.refresh_from_db()
    assert (world.appeal.state, world.appeal.rule_name) == ("accepted", name)
    assert page.status_code == 200


def test_the_first_page_tells_how_many_wait(instructor: Client, world: CourseWorld, foreign: CourseWorld) -> None:
    assert instructor.get("/admin/").context["appeals"] == 1

    decide(instructor, world.appeal, "decline")

    assert instructor.get("/admin/").context["appeals"] == 0


def test_the_list_takes_as_many_queries_for_many_as_for_one(
    instructor: Client, world: CourseWorld, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        make_appeal(make_call(world.student), world.rule)

    with django_assert_max_num_queries(11):
        instructor.get(list_of(Appeal))


def test_words_of_an_answer_are_taken_from_the_answer(world: CourseWorld) -> None:
    RuleHit.objects.update(direction="answer", message=1, start=0, end=len("What have you"))

    assert appeals.found_texts(world.appeal) == ["What have you"]


def test_only_operators_except_anything_from_a_rule_of_the_institution(
    instructor: Client, operator: Client, world: CourseWorld
) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(course=None)
    assert world.rule.pattern not in text_of(instructor.get(page_of(world.appeal)))

    page = decide(instructor, world.appeal, "accept", texts="solve my homework")
    assert "only operators" in text_of(page)
    assert exceptions(world) == []

    decide(operator, world.appeal, "accept", texts="solve my homework")
    assert exceptions(world) == ["solve my homework"]
