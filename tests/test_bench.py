"""The benchmark itself: what it names is there, and its arithmetic is right. Speed is never tested."""

import ast
import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from bench import bulk, steady, world
from bench.figures import Bound, Row, at_least, at_most, compared, fallen
from bench.stages import COMMITS, SERVE, STAGES, Gone, resolve
from bench.timers import Stages, replace_everywhere

BENCH = Path(__file__).parent.parent / "bench"


@pytest.mark.parametrize("name", [*(name for names in STAGES.values() for name in names), *COMMITS.values(), SERVE])
def test_every_name_of_the_profile_is_there(name: str) -> None:
    assert callable(resolve(name)[2])


def test_a_name_that_has_gone_is_said_aloud() -> None:
    with pytest.raises(Gone, match=r"apps\.chat\.nowhere\.parse is gone"):
        resolve("apps.chat.nowhere.parse")


@pytest.mark.parametrize("file", ["floor.py", "floor_store.py", "course.py"])
def test_the_floor_shares_no_code_with_stoa(file: str) -> None:
    tree = ast.parse((BENCH / file).read_text())

    imported = [
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    ]

    assert not [name for name in imported if name.split(".")[0] in ("apps", "gateway_project")]


class Ticks:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_stage_is_not_charged_for_the_stages_that_it_calls() -> None:
    clock = Ticks()
    stages = Stages(clock)

    def inner() -> None:
        clock.now += 5

    timed_inner = stages.wrapped("inner", inner)

    def outer() -> None:
        clock.now += 1
        timed_inner()
        clock.now += 2

    stages.wrapped("outer", outer)()

    assert (stages.seconds["outer"], stages.seconds["inner"]) == (3, 5)


async def test_a_coroutine_is_not_charged_while_it_waits() -> None:
    clock = Ticks()
    stages = Stages(clock)

    async def stage() -> str:
        clock.now += 1
        await asyncio.sleep(0)
        clock.now += 2
        return "done"

    timed = asyncio.ensure_future(stages.wrapped("stage", stage)())
    await asyncio.sleep(0)
    clock.now += 100

    assert await timed == "done"
    assert stages.seconds["stage"] == 3


async def test_a_generator_is_charged_for_what_it_makes_and_closed_at_its_end() -> None:
    clock, closed = Ticks(), []
    stages = Stages(clock)

    async def pieces() -> AsyncIterator[int]:
        try:
            for number in range(3):
                clock.now += 1
                yield number
        finally:
            closed.append(True)

    seen = []
    async for piece in stages.wrapped("relay", pieces)():
        clock.now += 10
        seen.append(piece)

    assert (seen, stages.seconds["relay"], closed) == ([0, 1, 2], 3, [True])


async def test_what_is_thrown_into_a_timed_coroutine_reaches_it() -> None:
    caught = []

    async def stage() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            caught.append(True)
            raise

    task = asyncio.ensure_future(Stages().wrapped("stage", stage)())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert caught


def row(ratio: float, *, value: float = 1.0, bound: Bound | None = None, is_more_better: bool = True) -> Row:
    return Row(
        name="row", value=value, unit="/s", yardstick=1.0, ratio=ratio, bound=bound, is_more_better=is_more_better
    )


TURNS = [(100, 50), (90, 60), (10, 9), (80, 40), (70, 20), (60, 30)]


@pytest.mark.parametrize(
    ("kind", "yardstick", "value"),
    [({"is_more_better": True}, 95, 55), ({"is_more_better": False}, 35, 14.5), ({"is_tail": True}, 75, 35)],
)
def test_of_each_side_its_best_third_counts_and_of_a_tail_the_median(
    kind: dict[str, bool], yardstick: float, value: float
) -> None:
    made = compared("row", TURNS, "/s", **kind)

    assert (made.yardstick, made.value, made.ratio) == (yardstick, value, value / yardstick)


@pytest.mark.parametrize(
    ("bound", "ratio", "value", "holds"),
    [
        (at_least(0.85), 0.85, 1, True),
        (at_least(0.85), 0.84, 1, False),
        (at_least(0.6, enough=20_000), 0.5, 20_000, True),
        (at_most(1.2), 1.2, 99, True),
        (at_most(1.2), 1.3, 1, False),
        (at_most(110, of_ratio=False), 2.0, 110, True),
        (at_most(110, of_ratio=False), 0.5, 111, False),
    ],
)
def test_a_bound_is_of_the_ratio_or_of_the_figure(bound: Bound, ratio: float, value: float, holds: bool) -> None:
    assert bound.holds(row(ratio, value=value)) is holds


@pytest.mark.parametrize(
    ("ratio", "is_more_better", "is_named"),
    [(0.71, True, False), (0.71, False, False), (0.62, True, True), (0.78, False, True), (2.0, True, False)],
)
def test_what_fell_by_more_than_a_tenth_is_named(ratio: float, is_more_better: bool, is_named: bool) -> None:
    assert bool(fallen([row(ratio, is_more_better=is_more_better)], {"row": 0.7, "another": 9.0})) is is_named


def test_a_function_is_replaced_where_it_was_imported_and_where_it_is_a_static_method(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def old() -> str:
        return "old"

    home, importer = ModuleType("apps.home"), ModuleType("apps.importer")
    kind = type("Kind", (), {"made": staticmethod(old), "__module__": "apps.importer"})
    vars(home).update(made=old)
    vars(importer).update(made=old, Kind=kind)
    for module in (home, importer):
        monkeypatch.setitem(sys.modules, module.__name__, module)

    replace_everywhere(home, "made", old, lambda: "new")

    assert [home.made(), importer.made(), kind.made()] == ["new"] * 3  # type: ignore[attr-defined]


def test_large_bodies_and_steady_rates_are_measured_at_the_bare_service() -> None:
    with world.process("bench.bare_service") as server:
        down = bulk.down(server, f"/{3 << 20}", size=3 << 20)
        up = bulk.up(server, "/", size=3 << 20)
        p95 = steady.p95(server, "/", rate=200, seconds=0.2)

    assert min(down.rate, up.rate, p95) > 0
