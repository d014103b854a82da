"""The ledger's whole life against a model of it, step by step, on every database of the run."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.quotas.books import Books, all_books
from tests.quotas.life import ACCOUNTS, IDS, OWNERS, Life

pytestmark = pytest.mark.django_db

MOST = 400

Step = tuple[str, dict[str, Any]]  # a rule of a life, and its values


@pytest.fixture
def books(db: None) -> Iterator[list[Books]]:
    with all_books() as books:
        yield books


@pytest.mark.timeout(900)
def test_every_life_of_the_ledger_is_that_of_its_model(books: list[Books]) -> None:
    """Some hundred steps in the suite; in the battery some ten thousand."""
    look = settings(max_examples=min(settings.default.max_examples // 2, MOST), stateful_step_count=40)

    run_state_machine_as_test(type("Life", (Life,), {"books": books}), settings=look)


def replay(books: list[Books], *steps: Step) -> None:
    """A life that was found, kept as a plain test."""
    life = type("Life", (Life,), {"books": books})()
    for name, values in steps:
        getattr(life, name)(**values)
        life.the_books_are_those_of_the_model()
        life.nothing_is_below_nothing()
        life.a_hold_ends_once()
        life.what_goes_beyond_a_hold_is_flagged()
    life.teardown()


def wander(random: Random, steps: int) -> list[Step]:
    """A life at random, in which most movements find something to do: hypothesis varies the lives that it had."""
    fates = ["commit", "commit", "commit", "commit", "wait", "wait", "before", "after"]
    life: list[Step] = []
    for _ in range(steps):
        number, fate = random.randrange(len(IDS) + 1), random.choice(fates)
        steps_to_take: dict[str, dict[str, Any]] = {
            "reserve": {
                "places": random.sample(ACCOUNTS, random.randint(1, 3)), "amount": random.randint(0, 60),
                "least": random.randint(0, 60), "floor": random.randint(0, 20), "owner": random.choice(OWNERS),
            },
            "checkpoint": {"number": number, "relayed": random.randint(0, 120)},
            "settle": {"number": number, "charge": random.choice([random.randint(0, 20), random.randint(0, 240)])},
            "release": {"number": number},
            "sweep": {"died": random.choice([(), ("left",), OWNERS])},
            "deliver_again": {"picks": [random.random() for _ in range(random.randint(1, 3))]},
            "make_up": {},
            "book": {
                "kind": random.choice(["grant", "correct"]), "place": random.choice(ACCOUNTS),
                "amount": random.choice([-60, random.randint(-60, 40)]),
            },
            "change_the_limit": {
                "place": random.choice(ACCOUNTS), "limit": random.choice([0, 30, 100, None]),
                "boost": random.choice([1, 2]),
            },
        }  # fmt: skip
        name = random.choice(["reserve", "settle", *steps_to_take, "pass_time"])
        if name == "pass_time":
            edge = {"place": random.choice(ACCOUNTS), "offset": random.choice([-1, 0, 1])}
            life.append((name, {"hours": random.randint(-1, 30), "is_edge": random.random() < 0.3, **edge}))
        else:
            life.append((name, {**steps_to_take[name], "fate": fate}))
    return life


@pytest.mark.timeout(900)
def test_lives_at_random_are_those_of_the_model(books: list[Books]) -> None:
    """Fifty in the suite, and two thousand in the battery."""
    for seed in range(settings.default.max_examples):
        life = wander(Random(seed), 30)
        try:
            replay(books, *life)
        except BaseException as error:
            error.add_note(f"Life {seed}: {life}")
            raise


def test_a_refund_of_what_a_zombie_then_reports_as_less_leaves_nothing_used(books: list[Books]) -> None:
    place = ACCOUNTS[0]
    replay(
        books,
        ("reserve", {"places": [place], "amount": 50, "least": 0, "floor": 20, "owner": "left", "fate": "commit"}),
        ("sweep", {"died": ("left",), "fate": "commit"}),
        ("book", {"kind": "correct", "place": place, "amount": -20, "fate": "commit"}),
        ("settle", {"number": 0, "charge": 5, "fate": "commit"}),
    )
