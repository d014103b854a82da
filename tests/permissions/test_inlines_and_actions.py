"""The permission table against inlines, autocompletion and actions. An inline that is missing here fails."""

from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from apps.accounts import permissions
from apps.accounts.models import StaffKey
from apps.accounts.permissions import Verb
from apps.common.admin import OperatorOnly
from tests.admin.world import COURSE_MODELS, list_of
from tests.permissions.cast import (
    COURSES,
    INSTRUCTOR,
    OPERATOR,
    OWN,
    STAFF,
    Cast,
    may,
    pages,
)

SEE, CHANGE, ACT = Verb.SEE, Verb.CHANGE, Verb.ACT


# Inlines


def inlines() -> list[tuple[Any, Any]]:
    return [(page, inline) for page in pages().values() for inline in page.inlines]


def test_every_inline_is_in_the_table_or_for_operators() -> None:
    unknown = [
        inline.__name__
        for _, inline in inlines()
        if not issubclass(inline, OperatorOnly) and inline.model.__name__ not in permissions.TABLE
    ]

    assert unknown == []


@pytest.mark.parametrize("role", STAFF)
def test_inlines_of_a_course_allow_what_the_table_says(role: str, cast: Cast) -> None:
    wrong = []
    for page, inline in inlines():
        if page.model is not type(cast.own.course):
            continue
        for where in COURSES:
            shown, thing = inline(page.model, admin.site), inline.model.__name__
            request, course = _request(cast, role), cast.world(where).course
            allowed = {
                SEE: shown.has_view_permission(request, course),
                CHANGE: shown.has_change_permission(request, course),
                Verb.DELETE: shown.has_delete_permission(request, course),
            }
            wrong += [
                (inline.__name__, where, verb)
                for verb, is_allowed in allowed.items()
                if is_allowed != may(role, verb, thing, where=where)
            ]

    assert wrong == []


@pytest.mark.parametrize("role", [role for role in STAFF if role != OPERATOR])
def test_inlines_of_operators_allow_nobody_else(role: str, cast: Cast) -> None:
    request, opened = _request(cast, role), []
    for page, inline in inlines():
        if page.model.__name__ != "Course":
            shown, row = inline(page.model, admin.site), page.model._default_manager.first()
            rights = (shown.has_view_permission, shown.has_add_permission, shown.has_change_permission)
            opened += [inline.__name__ for right in rights if right(request, row)]

    assert opened == []


def _request(cast: Cast, role: str) -> HttpRequest:
    request = HttpRequest()
    request.user = cast.people[role]
    return request


# Autocompletion and choices


@pytest.mark.parametrize("role", STAFF)
def test_autocompletion_offers_only_what_may_be_chosen(role: str, cast: Cast) -> None:
    client, wrong = cast.client(role), []
    for model, page in pages().items():
        for field in page.autocomplete_fields:
            target = model._meta.get_field(field).related_model
            meta = model._meta
            query = {"app_label": meta.app_label, "model_name": meta.model_name, "field_name": field}
            answer = client.get("/admin/autocomplete/", query)
            offered = {row["id"] for row in answer.json()["results"]} if answer.status_code == 200 else set()
            if target not in COURSE_MODELS:
                if offered and role != OPERATOR:
                    wrong.append((model.__name__, field, "offered"))
                continue
            for where in COURSES:
                is_offered = str(cast.row(target, where).pk) in offered
                if is_offered != may(role, SEE, target.__name__, where=where):
                    wrong.append((model.__name__, field, where, is_offered))

    assert wrong == []


# Actions


def stored(row: Model) -> Any:
    return type(row)._default_manager.filter(pk=row.pk).values().first()


@pytest.mark.parametrize("role", [role for role in STAFF if role != OPERATOR])
def test_no_action_reaches_a_row_that_may_not_be_acted_on(role: str, cast: Cast) -> None:
    client, reached = cast.client(role), []
    for model, page in pages().items():
        whose = COURSES if model in COURSE_MODELS else (OWN,)
        rows = {where: cast.row(model, where) for where in whose}
        kept = {
            where: stored(row)
            for where, row in rows.items()
            if not may(role, ACT, model.__name__, where=where) and not (model is StaffKey and role == INSTRUCTOR)
        }
        for action in (*(page.actions or ()), "delete_selected"):
            selected = {"action": action, "_selected_action": [row.pk for row in rows.values()], "post": "yes"}
            client.post(list_of(model), selected)
        reached += [(model.__name__, where) for where, before in kept.items() if stored(rows[where]) != before]

    assert reached == []


def test_an_action_reaches_the_rows_of_a_department(cast: Cast) -> None:
    client = cast.client("department admin")

    client.post(list_of(type(cast.own.student)), {"action": "deactivate", "_selected_action": [cast.own.student.pk]})

    cast.own.student.refresh_from_db()
    assert not cast.own.student.is_active
