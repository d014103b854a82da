"""In which limits a request to a service counts."""

import pytest

from apps.accounts.principals import Principal
from apps.quotas.rate_limits.limits import SECOND, WINDOW
from apps.services.rates import scopes_of
from apps.services.registry import Entry, Rates, RouteLimit
from tests.services.entries import caller, entry

LIMITED = entry(
    key_rates=Rates(per_minute=60, burst=5),
    user_rates=Rates(per_minute=100),
    address_rates=Rates(per_minute=10, burst=2),
    route_limits=(
        RouteLimit(methods=frozenset({"POST"}), path="/reports", rates=Rates(per_minute=3)),
        RouteLimit(methods=frozenset(), path="/reports/big", rates=Rates(burst=1)),
        RouteLimit(methods=frozenset({"GET"}), path="/Statistics", rates=Rates(per_minute=3)),
    ),
)


def policies(
    principal: Principal | None, *, address: str = "", method: str = "GET", rest: str = "", entry: Entry = LIMITED
) -> dict[str, tuple[int | str, int | None, int]]:
    scopes = scopes_of(entry, principal, address=address, method=method, rest=rest)
    return {scope.policy: (scope.id, scope.per_minute, scope.window) for scope in scopes}


def test_a_caller_counts_by_key_and_member() -> None:
    assert policies(caller(), address="192.0.2.1") == {
        "key": ("7:3", 60, WINDOW),
        "key-burst": ("7:3:burst", 5, SECOND),
        "user": ("7:5", 100, WINDOW),
    }


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_a_caller_without_a_key_counts_by_address(address: str, counted: str) -> None:
    assert policies(None, address=address) == {
        "address": (f"7:{counted}", 10, WINDOW),
        "address-burst": (f"7:{counted}:burst", 2, SECOND),
    }


@pytest.mark.parametrize(
    ("method", "rest", "routes"),
    [
        ("POST", "/reports", {"route-1"}),
        ("GET", "/reports", set()),
        ("POST", "/reports/big", {"route-1", "route-2-burst"}),
        ("DELETE", "/reports/big/7", {"route-2-burst"}),
        ("POST", "/r%65ports", {"route-1"}),
        ("POST", "//reports", {"route-1"}),
        ("POST", "/%2f/reports", {"route-1"}),
        ("POST", "/r%2565ports", {"route-1"}),
        ("POST", "/;a/reports;b=1/big", {"route-1", "route-2-burst"}),
        ("POST", "/reports%3Bb", {"route-1"}),
        ("POST", "/REports", {"route-1"}),
        ("POST", "/%52eports", {"route-1"}),
        ("HEAD", "/statistics", {"route-3"}),
        ("POST", "/other/reports", set()),
        ("POST", "", set()),
    ],
)
def test_routes_are_those_that_the_service_will_see(method: str, rest: str, routes: set[str]) -> None:
    found = policies(caller(), method=method, rest=rest)

    assert {name for name in found if name.startswith("route")} == routes


def test_a_route_counts_all_callers_together() -> None:
    mine, theirs = caller(), caller(key_id=4, membership_id=6)

    found = [policies(who, method="POST", rest="/reports")["route-1"] for who in (mine, theirs, None)]

    assert found == [("7:POST:/reports", 3, WINDOW)] * 3


def test_without_limits_nothing_counts() -> None:
    assert policies(caller(), entry=entry()) == {}
