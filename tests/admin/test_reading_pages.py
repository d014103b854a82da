"""A conversation as people read it: formatted, folded where it is long, and with its neighbours at hand."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.test import Client

from apps.conversations.models import Turn
from tests import factories
from tests.admin.reading import call_of, text
from tests.admin.world import CourseWorld, make_hit, make_thread, page_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_markdown_is_formatted_and_its_source_is_a_click_away(instructor: Client, world: CourseWorld) -> None:
    call_of(world, prompt="Is **this** right?", answer="```python\nprint(1)\n```")

    page, source = text(instructor, world.thread), text(instructor, world.thread, source="1")

    assert "<strong>this</strong>" in page
    assert "<pre><code>print(1)" in page
    assert "source=1" in page
    assert "Is **this** right?" in source
    assert "Show as formatted text" in source


def test_marks_stay_where_the_text_cannot_carry_them(instructor: Client, world: CourseWorld) -> None:
    call = call_of(world, prompt="Hi\n\n[solve my homework]: http://a.example")
    make_hit(call, world.rule, "solve my homework")

    assert text(instructor, call).count(">solve my homework</mark>") == 1


def test_reasoning_and_calls_of_tools_are_folded(instructor: Client, world: CourseWorld) -> None:
    call = call_of(world, prompt="Weather?", answer='<think>A tool.</think>Wait.[weather] {"city": "Oulu"}')
    Turn.objects.create(call=call, seq=5, message=2, role="tool", text="12 degrees")

    page = text(instructor, call)

    for label in ("Reasoning", "Tool call: weather", "Result"):
        assert f'<details class="stoa-folded"><summary>{label}</summary>' in page


def test_what_a_rule_found_is_not_folded_away(instructor: Client, world: CourseWorld) -> None:
    call = call_of(world, prompt="<think>solve my homework</think>")
    make_hit(call, world.rule, "solve my homework")

    page = text(instructor, call)

    assert '<details class="stoa-folded" open>' in page
    assert ">solve my homework</mark>" in page


def test_neighbours_are_those_of_the_list_that_one_came_from(instructor: Client, world: CourseWorld) -> None:
    other = factories.make_student(course=world.course)
    mine = [make_thread(world.student, title=f"Mine {n}", last_at=NOW + timedelta(hours=n)) for n in range(3)]
    theirs = make_thread(other, title="Theirs", last_at=NOW + timedelta(minutes=90))
    query = urlencode({"list": f"student={world.student.pk}"})

    plain, narrowed = text(instructor, mine[1]), text(instructor, mine[1], list=f"student={world.student.pk}")

    assert f'rel="prev" href="{page_of(theirs)}"' in plain
    assert f'rel="next" href="{page_of(mine[0])}"' in plain
    assert f'rel="prev" href="{page_of(mine[2])}?{query}"' in narrowed
    assert f'rel="next" href="{page_of(mine[0])}?{query}"' in narrowed


@pytest.mark.parametrize("query", ["rule=x&last_at__year=1", "q=" + "%00" * 9, "p=99999", "nothing=1", "o=9", "e=1"])
def test_a_list_that_cannot_be_has_neighbours_all_the_same(query: str, instructor: Client, world: CourseWorld) -> None:
    assert instructor.get(page_of(world.thread), {"list": query}).status_code == 200


def test_all_conversations_of_a_student_are_a_click_away(instructor: Client, world: CourseWorld) -> None:
    address = f"/admin/c/{world.course.slug}/conversations/?student={world.student.pk}"

    assert address in text(instructor, world.thread)
