"""Scopes narrow, and are the same after a journey through a token or a row."""

from typing import Any

import pytest

from apps.accounts.scopes import ALL, SURFACES, Scopes, stored

NARROW = Scopes(frozenset({"small", "large"}), frozenset({"chat", "usage"}), "essay-1", True)
ONE_SERVICE = Scopes(services=frozenset({"users"}))


def test_everything_is_admitted_by_default() -> None:
    assert ALL.is_everything
    assert ALL.admits_model("any") and all(ALL.admits_surface(surface) for surface in SURFACES)
    assert ALL.admits_service("any")


def test_an_empty_set_admits_nothing() -> None:
    nothing = Scopes(models=frozenset(), surfaces=frozenset())

    assert not nothing.admits_model("small")
    assert not Scopes(services=frozenset()).admits_service("users")
    assert not any(nothing.admits_surface(surface) for surface in SURFACES)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (ALL, NARROW),
        (Scopes(models=frozenset({"large", "huge"})), Scopes(frozenset({"large"}), NARROW.surfaces, "essay-1", True)),
        (Scopes(models=frozenset({"huge"})), Scopes(frozenset(), NARROW.surfaces, "essay-1", True)),
        (Scopes(surfaces=frozenset({"staff"})), Scopes(NARROW.models, frozenset(), "essay-1", True)),
        (Scopes(assignment="essay-1"), NARROW),
        (ONE_SERVICE, Scopes(NARROW.models, NARROW.surfaces, "essay-1", True, frozenset({"users"}))),
        (Scopes(assignment="essay-2"), Scopes(NARROW.models, frozenset(), "essay-1", True)),
    ],
)
def test_narrowing_keeps_what_both_admit(other: Scopes, expected: Scopes) -> None:
    assert NARROW.narrowed(other) == expected


@pytest.mark.parametrize("other", [ALL, NARROW, Scopes(models=frozenset()), Scopes(reads_only=True), ONE_SERVICE])
def test_narrowing_is_the_same_either_way_round(other: Scopes) -> None:
    assert NARROW.narrowed(other) == other.narrowed(NARROW)


@pytest.mark.parametrize("scopes", [ALL, NARROW, Scopes(models=frozenset()), Scopes(surfaces=frozenset()), ONE_SERVICE])
def test_scopes_survive_a_token(scopes: Scopes) -> None:
    assert Scopes.from_claim(scopes.to_claim()) == scopes


def test_the_services_of_two_are_those_of_both() -> None:
    two = Scopes(services=frozenset({"users", "library"}))

    assert two.narrowed(ONE_SERVICE) == ONE_SERVICE
    assert two.narrowed(Scopes(services=frozenset({"lab"}))).services == frozenset()


def test_everything_is_an_empty_claim() -> None:
    assert ALL.to_claim() == {}


@pytest.mark.parametrize(
    "claim",
    [
        None,
        [],
        "chat",
        {"scope": "chat"},
        {"models": "small"},
        {"models": {"small": True}},
        {"models": [1]},
        {"surfaces": ["admin"]},
        {"surfaces": 7},
        {"services": "users"},
        {"services": [None]},
        {"assignment": ["essay-1"]},
        {"assignment": "x" * 61},
        {"reads_only": "false"},
        {"reads_only": 1},
    ],
)
def test_a_claim_that_is_not_understood_is_refused(claim: Any) -> None:
    with pytest.raises(ValueError):
        Scopes.from_claim(claim)


def test_a_row_without_scopes_costs_no_new_object() -> None:
    assert stored(models="", surfaces="", assignment="", reads_only=False) is ALL


def test_a_row_lists_names() -> None:
    row = stored(models="small\nlarge\n", surfaces="chat usage", assignment="essay-1", reads_only=True)

    assert row == NARROW
    assert stored(models="", surfaces="", assignment="", reads_only=False, services="users") == ONE_SERVICE
