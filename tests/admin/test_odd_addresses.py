"""No address of the control plane fails, whatever stands in it: odd ids in every route, odd parameters of every list.

The suite tries the values that once failed, the battery all of them.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client

from apps.accounts.models import Membership
from apps.common.admin import Pages
from apps.conversations.models import Call, Thread
from apps.quotas.models import LedgerEntry
from apps.rules.models import Rule
from tests.admin.test_pages import make_operator_rows
from tests.admin.world import ALL_MODELS, CourseWorld, list_of
from tests.test_routes import APP_INDEX, EXAMPLES, ROUTES, STAFF

HUGE = "9" * 20
BEYOND = str(2**63)  # the first that the database's integers cannot hold
IDS = (HUGE, "%00", "0", "-1", BEYOND, "9" * 5000, "²", "٣", "1e9", "null", "a_2Fb", "%FF", "'\"<b>", "__", "_5F" * 400)
PARTS = [part for part in EXAMPLES if part not in (APP_INDEX, "(?P<url>.*)$", "^calls$", "^api/staff(/.*)?$")]

NUMBERS = (HUGE, "x", "\x00", "0", "-1", BEYOND, f"-{HUGE}", "", "1,2,x", "²", "1.5", "True")
OF_LISTS = {  # what failed comes first
    "course__exact": NUMBERS,
    "id__regex": ("(", "(a+)+$"),
    "created_at__year": (HUGE, "x", "0"),
    "id__in": (",".join([HUGE, "x"]), HUGE, ",".join(map(str, range(5000)))),
    "q": ("a " * 3000, "x" * 20_000, "\x00", "'\"\\%_", '"' * 9, HUGE, "²"),
    "p": ("x", HUGE, "0", "-1", "\x00"),
    "o": ("1.x.-", HUGE, "1", "-1.2", "x", "..", "\x00"),
    "_to_field": ("x", "password", "id", "\x00"),
    "_popup": ("x",),
    "e": ("1",),
    "all": ("",),
    "nothing": ("1",),
    "id": NUMBERS,
    "pk__gt": NUMBERS,
    "id__isnull": ("x", "1", ""),
    "course": NUMBERS,
    "course__id__in": NUMBERS,
    "course__slug__iregex": ("(",),
    "membership__id__exact": NUMBERS,
    "membership__user__password__startswith": ("p",),
    "usage__id__exact": NUMBERS,
    "created_at__gte": ("x", "9999-99-99", "0001-01-01"),
    "created_at__range": ("x", ",", "a,b"),
    "state": ("x", "\x00"),
    "state__exact": ("x", "\x00"),
    "model": NUMBERS,
    "rule": NUMBERS,
    "is_active__exact": ("x", "2", HUGE),
}
COMPLETED = {"app_label": "accounts", "model_name": "apikey", "field_name": "membership", "term": "a"}


def with_odd_ids(*, most: int) -> Iterator[str]:
    """Every route for staff, with odd ids in the place of one of its parts."""
    for route in sorted(route for route, audience in ROUTES.items() if audience == STAFF):
        for part in (part for part in PARTS if part in route):
            for odd in IDS[:most]:
                found = route.replace(part, odd)
                for other, example in EXAMPLES.items():
                    found = found.replace(other, example)
                yield f"/{found}"


def with_odd_parameters(*, most: int) -> Iterator[str]:
    for model in ALL_MODELS:
        wide = {} if most < len(NUMBERS) else dict.fromkeys(_filters(model), NUMBERS)
        named = list(OF_LISTS.items())[: 5 if most < len(NUMBERS) else None]
        for name, values in (*named, *wide.items()):
            yield from (f"{list_of(model)}?{urlencode({name: value})}" for value in values[:most])


def _filters(model: type) -> Iterator[str]:
    for one in admin.site._registry[model].list_filter:
        name = getattr(one, "parameter_name", None) or (one[0] if isinstance(one, tuple) else one)
        yield from (f"{name}{lookup}" for lookup in ("", "__exact", "__in", "__isnull"))


def elsewhere(world: CourseWorld, *, most: int) -> Iterator[str]:
    course, student, rule = world.course.pk, world.student.pk, world.rule.pk
    pages = {
        "/admin/search/": ("page", "s", "extended"),
        "/admin/autocomplete/": ("page", "term", "field_name"),
        "/admin/accounts/apikey/add/": ("membership",),
        "/admin/rules/rule/add/": ("course",),
        f"/admin/c/{world.course.slug}/students/": ("p", "q", "state"),
        f"/admin/quotas/quotapolicy/course/{course}/grant/": ("member", "next"),
        f"/admin/c/{world.course.slug}/students/{student}/": ("week", "p"),
        f"/admin/c/{world.course.slug}/students/{student}/export/": ("week",),
        f"/admin/conversations/call/rules/{rule}/": ("days",),
        f"/admin/conversations/call/rules/{rule}/replay/": ("job",),
        "/api/staff/calls": ("course", "member", "rule", "stream", "search", "cursor", "page_size", "started_after"),
    }
    for page, names in pages.items():
        usual = {"/admin/search/": {"s": "a"}, "/admin/autocomplete/": COMPLETED}.get(page, {})
        for name in names:
            yield from (f"{page}?{urlencode({**usual, name: value})}" for value in (*NUMBERS, "a " * 3000)[:most])
    yield f"/api/staff/calls?{urlencode({'search': 'a ' * 3000})}"
    for instant in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1969-01-01T00:00:00Z"):
        yield from (f"/api/staff/calls?{urlencode({name: instant})}" for name in ("started_after", "started_before"))


def failed(client: Client, addresses: Iterable[str]) -> list[str]:
    client.raise_request_exception = False
    answers = ((address, client.get(address)) for address in addresses)
    return [f"{answer.status_code} {address[:150]}" for address, answer in answers if answer.status_code >= 500]


ALL = pytest.param(100, marks=[pytest.mark.battery, pytest.mark.timeout(1800)])
WHERE = {
    "ids": lambda world, most: with_odd_ids(most=most),
    "parameters": lambda world, most: with_odd_parameters(most=most),
    "elsewhere": lambda world, most: elsewhere(world, most=most),
}


@pytest.mark.parametrize("most", [1, ALL])
@pytest.mark.parametrize("where", WHERE.values(), ids=WHERE.keys())
@pytest.mark.parametrize("who", ["operator", pytest.param("instructor", marks=pytest.mark.battery)])
def test_nothing_that_stands_in_an_address_makes_it_fail(
    who: str, where: Any, most: int, world: CourseWorld, request: pytest.FixtureRequest
) -> None:
    make_operator_rows(world)
    client = request.getfixturevalue(who)

    assert failed(client, where(world, most)) == []


@pytest.mark.parametrize("model", [Membership, Rule, Call, Thread, LedgerEntry])
@pytest.mark.parametrize("term", ["a " * 9, "x" * 65], ids=["words", "letters"])
def test_a_search_that_is_too_long_finds_nothing_and_says_so(
    term: str, model: type[Model], instructor: Client, world: CourseWorld
) -> None:
    page = instructor.get(list_of(model), {"q": term})

    said = " ".join(str(message) for message in page.context["messages"])
    assert "at most 8 words of at most 64 characters" in said
    assert not page.context["cl"].result_list


def test_every_list_bounds_its_searches() -> None:
    assert [page for page in admin.site._registry.values() if not isinstance(page, Pages)] == []


def test_the_staff_api_refuses_a_search_that_is_too_long(instructor: Client) -> None:
    answer = instructor.get("/api/staff/calls", {"search": "a " * 9})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "search")
    assert "at most 8 words" in answer.json()["error"]["message"]
