"""Who may do what on every page of the admin, in one table. A page that is missing in it fails the test."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client

from apps.accounts.models import ApiKey, Course, Membership, User
from apps.common.models import Job
from apps.conversations.models import Appeal, Call, DeadLetter, Thread
from apps.providers.models import Deployment, Provider, ProviderEvent
from apps.providers.models import Model as ProviderModel
from apps.quotas.models import (
    AllowanceRequest,
    Boost,
    Hold,
    Institution,
    LedgerEntry,
    Override,
    QuotaPolicy,
    RoleAllowance,
    WeeklyUsage,
)
from apps.rules.models import Rule
from tests import factories
from tests.admin.conftest import sign_in
from tests.admin.test_pages import make_operator_rows
from tests.admin.world import CourseWorld, add_page, list_of, page_of

# Roles, as seen from one course. A stranger is instructor of another course; idle staff have no course at all.
ANONYMOUS, STUDENT, IDLE, STRANGER = "anonymous", "student", "idle staff", "stranger"
ASSISTANT, INSTRUCTOR, OPERATOR = "assistant", "instructor", "operator"
ROLES = (ANONYMOUS, STUDENT, IDLE, STRANGER, ASSISTANT, INSTRUCTOR, OPERATOR)

NOBODY: frozenset[str] = frozenset()
OPERATORS = frozenset({OPERATOR})
INSTRUCTORS = OPERATORS | {INSTRUCTOR}
READERS = INSTRUCTORS | {ASSISTANT}
ANY_INSTRUCTOR = INSTRUCTORS | {STRANGER}  # of their own course, that is
ANY_READER = READERS | {STRANGER}


@dataclass(frozen=True)
class May:
    """Who may open the list, add a row, and read, change and delete the row of the course."""

    list: frozenset[str]
    add: frozenset[str]
    read: frozenset[str]
    change: frozenset[str]
    delete: frozenset[str]


SETTINGS = May(list=ANY_READER, add=ANY_INSTRUCTOR, read=READERS, change=INSTRUCTORS, delete=INSTRUCTORS)
WRITTEN = May(list=ANY_READER, add=NOBODY, read=READERS, change=NOBODY, delete=NOBODY)
DECIDED = May(list=ANY_READER, add=ANY_INSTRUCTOR, read=READERS, change=NOBODY, delete=NOBODY)
OPERATION = May(list=OPERATORS, add=OPERATORS, read=OPERATORS, change=OPERATORS, delete=OPERATORS)

TABLE: dict[type[Model], May] = {
    Course: May(list=ANY_READER, add=OPERATORS, read=READERS, change=INSTRUCTORS, delete=OPERATORS),
    Membership: SETTINGS,
    ApiKey: SETTINGS,
    QuotaPolicy: SETTINGS,
    RoleAllowance: SETTINGS,
    Boost: DECIDED,
    Override: DECIDED,
    AllowanceRequest: WRITTEN,
    Rule: SETTINGS,
    Thread: WRITTEN,
    # Students write them; instructors decide them.
    Appeal: May(list=ANY_READER, add=NOBODY, read=READERS, change=INSTRUCTORS, delete=NOBODY),
    Call: WRITTEN,
    WeeklyUsage: WRITTEN,
    LedgerEntry: WRITTEN,
    User: OPERATION,
    Provider: OPERATION,
    ProviderModel: OPERATION,
    Deployment: OPERATION,
    ProviderEvent: May(list=OPERATORS, add=NOBODY, read=OPERATORS, change=NOBODY, delete=NOBODY),
    # There is one, and it is here already.
    Institution: May(list=OPERATORS, add=NOBODY, read=OPERATORS, change=OPERATORS, delete=OPERATORS),
    DeadLetter: May(list=OPERATORS, add=NOBODY, read=OPERATORS, change=NOBODY, delete=OPERATORS),
    # Whoever asked for one sees how far it is: tests/admin/test_jobs.py.
    Job: May(list=OPERATORS, add=NOBODY, read=OPERATORS, change=NOBODY, delete=NOBODY),
    Hold: May(list=OPERATORS, add=NOBODY, read=OPERATORS, change=NOBODY, delete=NOBODY),
}


def test_every_page_is_in_the_table() -> None:
    assert set(TABLE) == set(admin.site._registry)


@pytest.fixture
def clients(world: CourseWorld, foreign: CourseWorld) -> dict[str, Client]:
    return {
        ANONYMOUS: Client(),
        STUDENT: sign_in(world.student.user),
        IDLE: sign_in(factories.make_user(is_staff=True)),
        STRANGER: sign_in(factories.make_instructor(course=foreign.course).user),
        ASSISTANT: sign_in(factories.make_assistant(course=world.course).user),
        INSTRUCTOR: sign_in(factories.make_instructor(course=world.course).user),
        OPERATOR: sign_in(factories.make_operator()),
    }


@pytest.fixture
def rows(world: CourseWorld) -> dict[type[Model], Model]:
    """The row of the course where there is one, or any."""
    make_operator_rows(world)
    return {model: _row(model, world) for model in TABLE}


def _row(model: type[Model], world: CourseWorld) -> Model:
    try:
        return world.row(model)
    except KeyError:
        row = model._default_manager.first()
        assert row is not None
        return row


@pytest.mark.parametrize("role", ROLES)
def test_everybody_may_do_what_the_table_says(
    role: str, clients: dict[str, Client], rows: dict[type[Model], Model]
) -> None:
    found = {
        (model.__name__, action): done for model in TABLE for action, done in tried(clients[role], model, rows[model])
    }

    told = {(model.__name__, action): role in who for model, may in TABLE.items() for action, who in vars(may).items()}
    assert {cell: done for cell, done in found.items() if done != told[cell]} == {}
    assert set(found) == set(told)


def tried(client: Client, model: type[Model], row: Model) -> Iterator[tuple[str, bool]]:
    """What the client gets to see, or to try: an empty form that is refused for its mistakes was open to it."""
    yield "list", _opened(client.get(list_of(model)))
    yield "add", _opened(client.get(add_page(model))) and _opened(client.post(add_page(model), {}))
    yield "read", _opened(client.get(page_of(row))) and _opened(client.get(page_of(row, "history")))
    yield "change", _opened(client.post(page_of(row), {}))
    yield "delete", _opened(client.get(page_of(row, "delete")))


def _opened(answer: Any) -> bool:
    """A page, or on to the next one; who may not is refused, sent to sign in, or to the overview."""
    if answer.status_code == 302:
        return answer.headers["location"] != "/admin/" and not answer.headers["location"].startswith("/admin/login/")
    return bool(answer.status_code == 200)
