"""Pages on which staff read."""

from typing import Any

from django.test import Client

from apps.conversations.models import Call, SearchProgress
from apps.conversations.search.filling import fill
from tests.admin.world import CourseWorld, make_call, page_of


def text(client: Client, row: Any, **query: str) -> str:
    page = client.get(page_of(row), query)
    assert page.status_code == 200
    return page.content.decode()


def call_of(world: CourseWorld, **values: Any) -> Call:
    return make_call(world.student, thread=world.thread, **values)


def enter_words() -> None:
    """Bring everything that was said into the index of words, which draining does otherwise."""
    SearchProgress.objects.update(before="g")
    fill(seconds=60.0)
