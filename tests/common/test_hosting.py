"""Which providers a demand admits."""

import pytest

from apps.common.hosting import ANYWHERE, Demand

CLASSES = ["own", "contracted", "external"]


@pytest.mark.parametrize(
    ("demanded", "admitted"),
    [("", CLASSES), ("own", CLASSES[:1]), ("contracted", CLASSES[:2]), ("external", CLASSES)],
)
def test_a_class_admits_itself_and_what_is_closer(demanded: str, admitted: list[str]) -> None:
    demand = Demand(hosting=demanded)

    assert [hosting for hosting in CLASSES if demand.admits(hosting=hosting, region="")] == admitted


@pytest.mark.parametrize(
    ("demanded", "region", "admitted"),
    [
        ("", "", True),
        ("", "us", True),
        ("eu", "eu", True),
        ("eu", "EU-north", True),
        ("eu", "europe", False),
        ("eu", "us", False),
        ("eu", "", False),
        ("eu-north", "eu", False),
    ],
)
def test_a_region_admits_itself_and_its_parts(demanded: str, region: str, admitted: bool) -> None:
    assert Demand(region=demanded).admits(hosting="external", region=region) is admitted


def test_both_must_hold() -> None:
    demand = Demand(hosting="contracted", region="eu")

    assert demand.admits(hosting="own", region="eu")
    assert not demand.admits(hosting="external", region="eu")
    assert not demand.admits(hosting="own", region="us")


def test_a_demand_for_anywhere_is_none() -> None:
    assert ANYWHERE.is_empty and Demand(hosting="external").is_empty
    assert not Demand(hosting="contracted").is_empty and not Demand(region="eu").is_empty
