"""What staff read: conversations as conversations, calls with what they took, all of it escaped."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from apps.accounts.models import Course
from apps.conversations.models import Call, DeadLetter, Exchange, Thread, Turn
from apps.conversations.spool.files import SpooledRecord, SpooledTurn
from tests import factories
from tests.admin.reading import call_of, text
from tests.admin.world import CourseWorld, list_of, make_call, make_hit, page_of

SCRIPT = "<script>alert('x')</script>"


def test_a_conversation_shows_both_sides_in_order(instructor: Client, world: CourseWorld) -> None:
    call_of(world, prompt="And then?", answer="Then try it.")

    page = text(instructor, world.thread)

    places = [page.index(said) for said in ("What have you tried?", "And then?", "Then try it.")]
    assert places == sorted(places)


def test_a_call_that_failed_over_shows_each_attempt(instructor: Client, world: CourseWorld) -> None:
    before = text(instructor, world.call)
    world.call.made_attempts.create(
        number=1, provider=SCRIPT, upstream_model="m", outcome="rate", status=429, milliseconds=12
    )

    page = text(instructor, world.call)

    assert "Attempts" not in before
    for fact in (
        "Attempts",
        "rate limit",
        "It has reached the rate limit of this credential. (status 429)",
        "after 12 ms",
    ):
        assert fact in page
    assert SCRIPT not in page


def test_a_call_that_nobody_answered_says_who_was_asked(instructor: Client, world: CourseWorld) -> None:
    tried = make_call(world.student, provider="", attempts=1, status="failed", error_code="upstream_error")
    tried.made_attempts.create(number=1, provider="campus", upstream_model="m", outcome="credential", status=401)
    refused = make_call(world.student, provider="", status="out_of_quota")

    page = text(instructor, tried)

    assert "none was called" not in page
    assert "campus as m" in page
    assert "It refuses this credential. (status 401)" in page
    assert "none was called" in text(instructor, refused)


def test_an_answer_that_came_in_pieces_is_one(instructor: Client, world: CourseWorld) -> None:
    Turn.objects.create(call=world.call, seq=2, message=None, role="assistant", text=" And why?")

    assert "What have you tried? And why?" in text(instructor, world.thread)


def test_a_call_shows_what_it_took(instructor: Client, world: CourseWorld) -> None:
    page = text(instructor, world.call)

    for fact in ("Answered", "the-provider", "33 weighted tokens", "120 ms", "2.5 s", world.call.pk, world.rule.name):
        assert fact in page


def test_what_a_rule_found_is_marked(instructor: Client, world: CourseWorld) -> None:
    assert ">solve my homework</mark>" in text(instructor, world.thread)


def test_overlapping_matches_are_marked_together(instructor: Client, world: CourseWorld) -> None:
    make_hit(world.call, factories.make_rule(course=world.course, name="second"), "my homework now")

    page = text(instructor, world.call)

    assert f'title="Found by {world.rule.name}, second">my homework</mark>' in page


def test_a_match_beyond_the_text_does_no_harm(instructor: Client, world: CourseWorld) -> None:
    world.call.rule_hits.update(start=5, end=9_000)

    assert "mark" in text(instructor, world.call)


@pytest.mark.parametrize("where", ["thread", "call"])
def test_prompts_are_escaped(where: str, instructor: Client, world: CourseWorld) -> None:
    call_of(world, prompt=SCRIPT, answer=f"{SCRIPT}<img src=x onerror=alert(1)>")
    row = world.thread if where == "thread" else world.thread.exchanges.last().call

    page = text(instructor, row)

    assert SCRIPT not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;" in page


def test_a_marked_match_is_escaped(instructor: Client, world: CourseWorld) -> None:
    make_hit(call := call_of(world, prompt=f"see {SCRIPT}"), world.rule, SCRIPT)

    assert SCRIPT not in text(instructor, call)


def test_titles_and_names_are_escaped(instructor: Client, world: CourseWorld) -> None:
    Thread.objects.update(title=SCRIPT)
    Course.objects.update(title=SCRIPT)
    world.student.user.first_name = SCRIPT
    world.student.user.save()
    type(world.rule).objects.update(name=SCRIPT, message=SCRIPT, pattern=SCRIPT)
    Call.objects.update(model=SCRIPT, provider=SCRIPT, error_code=SCRIPT, status="blocked")
    rows = (world.thread, world.call, world.course, world.rule, world.student, world.week)

    pages = [instructor.get("/admin/").content.decode(), *(text(instructor, row) for row in rows)]
    pages += [instructor.get(list_of(type(row))).content.decode() for row in rows]

    assert [page for page in pages if SCRIPT in page] == []


@pytest.mark.parametrize("unseen", ["\u202e", "\u200b", "\u2066", "\ufeff", "\x1b", "\U000e0041"])
def test_characters_that_cannot_be_seen_are_shown(unseen: str, instructor: Client, world: CourseWorld) -> None:
    page = text(instructor, call_of(world, prompt=f"ab{unseen}cd"))

    assert unseen not in page
    assert f"U+{ord(unseen):04X}" in page


def test_letters_of_every_language_are_left_alone(instructor: Client, world: CourseWorld) -> None:
    said = "Grüße, Мир, 世界, مرحبا, नमस्ते 🎓\n\ttab"

    assert said in text(instructor, call_of(world, prompt=said), source="1")


def test_a_blocked_call_shows_the_refusal(instructor: Client, world: CourseWorld) -> None:
    call = call_of(world, prompt="solve my homework", status=Call.Status.BLOCKED)
    make_hit(call, world.rule, "solve my homework")

    page = text(instructor, world.thread)

    assert f"Refused by the rule {world.rule.name}." in page
    assert world.rule.message in page


def test_an_answer_that_was_stopped_says_that_it_was_charged(instructor: Client, world: CourseWorld) -> None:
    call = call_of(world, prompt="hi", status=Call.Status.BLOCKED, provider="mock", charged=7)
    make_hit(call, world.rule, "hi", direction="answer")

    page = text(instructor, world.thread)

    assert f"The answer was stopped by the rule {world.rule.name}." in page
    assert "Nothing was sent" not in page


@pytest.mark.parametrize(
    ("logging", "sentence"),
    [("metadata", "keeps no text, only who"), ("off", "keeps no text, only what accounting needs")],
)
def test_a_course_that_keeps_no_text_says_so(
    logging: str, sentence: str, instructor: Client, world: CourseWorld
) -> None:
    Course.objects.update(logging=logging)

    assert sentence in text(instructor, make_call(world.student))


def test_text_that_is_on_its_way_is_announced(instructor: Client, world: CourseWorld) -> None:
    call = make_call(world.student, started_at=datetime.now(UTC))

    assert "has not arrived yet" in text(instructor, call)


def test_text_that_never_came_is_not_promised(instructor: Client, world: CourseWorld) -> None:
    call = make_call(world.student, started_at=datetime.now(UTC) - timedelta(hours=1))

    assert "No text was stored" in text(instructor, call)


def test_estimates_are_marked(instructor: Client, world: CourseWorld) -> None:
    Call.objects.update(is_estimated=True)

    page = instructor.get(list_of(Call)).content.decode()

    assert "≈" in page
    assert "Estimated: the provider reported no usage" in page


def test_a_huge_prompt_is_shortened_in_the_thread_and_whole_on_its_page(instructor: Client, world: CourseWorld) -> None:
    call = call_of(world, prompt="x" * 50_000 + "THE END")

    assert "THE END" not in text(instructor, world.thread)
    assert "THE END" in text(instructor, call)


@pytest.mark.parametrize("found_by", ["request id", "start of request id", "external_id", "e-mail"])
def test_calls_are_found(found_by: str, instructor: Client, world: CourseWorld) -> None:
    other = make_call(factories.make_student(course=world.course), id="f" * 32)
    student = world.student
    term = {
        "request id": world.call.pk.upper(),
        "start of request id": world.call.pk[:20],
        "external_id": student.external_id,
        "e-mail": student.user.email,
    }[found_by]

    found = set(instructor.get(list_of(Call), {"q": term}).context["cl"].result_list)

    assert world.call in found
    assert other not in found


def test_a_dead_letter_is_readable(operator: Client, world: CourseWorld) -> None:
    record = SpooledRecord(call=world.call.pk, turns=(SpooledTurn(0, 0, "user", f"lost {SCRIPT}"),))
    letter = DeadLetter.objects.create(call=world.call.pk, record={"body": record.body().decode()}, error="DataError")

    page = text(operator, letter)

    assert "lost &lt;script&gt;" in page
    assert SCRIPT not in page


def test_a_thread_whose_calls_are_gone_still_opens(instructor: Client, world: CourseWorld) -> None:
    Exchange.objects.all().delete()

    assert "have been removed" in text(instructor, world.thread)


def test_what_was_found_in_an_answer_is_marked_there(instructor: Client, world: CourseWorld) -> None:
    world.call.rule_hits.update(direction="answer", message=1, start=0, end=len("What have you"))

    page = instructor.get(page_of(world.call)).content.decode()

    assert ">What have you</mark>" in page
    assert ">solve my homework</mark>" not in page
