"""The permission table against the standard pages of the admin: every role, every registered model, every verb, in the
own and in a foreign course.

What is expected comes from `permissions.py`, and the pages from the registry: a page whose model is missing there is
expected to be open to nobody, and fails here.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client

from apps.accounts import permissions
from apps.accounts.models import StaffKey
from apps.accounts.permissions import Verb
from apps.common.models import Job
from apps.operations.models import LiveSettings
from apps.quotas.models import Institution
from tests.admin.world import COURSE_MODELS, add_page, list_of, page_of
from tests.permissions.cast import (
    ASSISTANT,
    COURSES,
    DEPARTMENT,
    FOREIGN,
    INSTRUCTOR,
    OPERATOR,
    OUTSIDERS,
    OWN,
    POSITIONS,
    ROLES,
    STRANGER,
    Cast,
    may,
    may_anywhere,
    pages,
    told,
)

Cell = tuple[str, str, str]  # thing, channel, whose
SIGN_IN, PAGE, REFUSED, MISSING = "sign in", "page", "refused", "missing"


def found(client: Client, cast: Cast, model: type[Model]) -> Iterator[tuple[Cell, str]]:
    thing = model.__name__
    missing = told(client.get(page_of(type(cast.row(model))(pk="987654"))))

    def outcome(answer: Any) -> str:
        """What is missing is answered to the byte like a row that does not exist, but for what differs in any two.

        A form that is shown again with its mistakes was open, and so was one that leads on.
        """
        if answer.status_code == 302:
            return SIGN_IN if answer.headers["location"].startswith("/admin/login/") else PAGE
        if answer.status_code == 404:
            return MISSING if told(answer) == missing else "another 404 than that of a missing row"
        return {200: PAGE, 403: REFUSED}.get(answer.status_code, str(answer.status_code))

    yield (thing, "list", ""), outcome(client.get(list_of(model)))
    yield (thing, "add", ""), outcome(client.get(add_page(model)))
    for where in COURSES if model in COURSE_MODELS else (OWN,):
        row = cast.row(model, where)
        yield (thing, "read", where), outcome(client.get(page_of(row)))
        yield (thing, "history", where), outcome(client.get(page_of(row, "history")))
        yield (thing, "change", where), outcome(client.post(page_of(row), {}))
        yield (thing, "delete", where), outcome(client.get(page_of(row, "delete")))


def expected(role: str, model: type[Model], channel: str, where: str) -> str:
    """What the table says, and the pages that are not for everybody who may see a row."""
    thing = model.__name__
    if role in OUTSIDERS:
        return SIGN_IN
    if model is StaffKey:
        return own_keys(role, channel)
    if model is Job and role != OPERATOR:  # they have a progress widget instead
        return REFUSED if channel in ("list", "add") else MISSING
    if channel == "list":
        return PAGE if may_anywhere(role, Verb.SEE, thing) else REFUSED
    if channel == "add":
        is_taken = model in (Institution, LiveSettings)  # there is one, and it is here already
        return PAGE if may_anywhere(role, Verb.ADD, thing) and not is_taken else REFUSED
    if not may(role, Verb.SEE, thing, where=where):
        return MISSING
    verb = {"change": Verb.CHANGE, "delete": Verb.DELETE}.get(channel, Verb.SEE)
    return PAGE if may(role, verb, thing, where=where) else REFUSED


def own_keys(role: str, channel: str) -> str:
    """Everybody has a list of their own keys. The one in the world is the instructor's, and nobody edits keys."""
    if channel in ("list", "add"):
        return PAGE
    if role not in (INSTRUCTOR, OPERATOR):
        return MISSING
    return PAGE if channel in ("read", "history") else REFUSED


@pytest.mark.parametrize("role", ROLES)
def test_everybody_may_do_what_the_table_says(role: str, cast: Cast) -> None:
    client = cast.client(role)
    by_name = {model.__name__: model for model in pages()}

    cells = dict(cell for model in pages() for cell in found(client, cast, model))

    wrong = {cell: (is_so, expected(role, by_name[cell[0]], *cell[1:])) for cell, is_so in cells.items()}
    assert {cell: pair for cell, pair in wrong.items() if pair[0] != pair[1]} == {}
    assert len(cells) * len(ROLES) > 2_000


def test_every_page_is_in_the_table() -> None:
    assert {model.__name__ for model in pages()} <= set(permissions.TABLE)


@pytest.mark.parametrize("role", (ASSISTANT, INSTRUCTOR, STRANGER, DEPARTMENT))
def test_no_list_search_or_filter_finds_a_row_that_may_not_be_seen(role: str, cast: Cast) -> None:
    client, leaks = cast.client(role), []
    closed = FOREIGN if POSITIONS.get((role, OWN)) else OWN
    world, opened = cast.world(closed), cast.world(OWN if closed == FOREIGN else FOREIGN)
    for model in (model for model in COURSE_MODELS if may_anywhere(role, Verb.SEE, model.__name__)):
        terms = (world.student.external_id, world.course.slug)
        lists = [listed(client, model, **query) for query in ({}, *({"q": term} for term in terms))]
        lists.append(listed(client, model, course=str(world.course.pk)))
        if world.row(model).pk in set().union(*lists) or opened.row(model).pk not in lists[0]:
            leaks.append(model.__name__)

    assert leaks == []


def listed(client: Client, model: type[Model], **query: str) -> set[Any]:
    answer: Any = client.get(list_of(model), query)
    if answer.status_code == 302:  # a parameter that this list does not know
        return set()
    return {row.pk for row in answer.context_data["cl"].result_list}
