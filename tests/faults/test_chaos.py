"""Chaos: for a while, anything breaks at any moment under load, and afterwards not a token is off.

Web processes are killed, terminated and frozen, the provider fails in every way; over PostgreSQL, the database and
Redis are cut off, delayed, killed and started again as well. `CHAOS_SEED` repeats a plan; `CHAOS_SECONDS` is how long.
The log of what was done is printed, and kept as `chaos-….log` among the artefacts. It is for the battery alone: the
suite has one fault at a time, and here the tests of the plan and of the judge.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F

from apps.quotas.models import Hold, LedgerEntry, QuotaPolicy, WeeklyUsage
from gateway_project.env import BASE_DIR
from tests.chat.world import wait_until
from tests.faults import chaos
from tests.faults.chaos import KINDS, Log, Part, Providers, Victim, plan
from tests.faults.conftest import BATTERY_SECONDS
from tests.faults.footprint import web_processes
from tests.faults.judge import judge
from tests.faults.load import Transcript, all_at_once, ask, is_after, new_prompt
from tests.faults.scene import Scene, make_scene, pooled
from tests.faults.site import IS_POSTGRESQL, Site, site
from tests.live import Gateway, manage

ARTEFACTS = Path(os.environ.get("STOA_ARTEFACTS") or BASE_DIR / "var" / "artefacts") / "faults"
SECONDS = 300.0
PLENTY = 10**8  # limits that are counted and never reached
LIMITS = {
    "student_requests_per_minute": PLENTY,
    "student_concurrent_requests": 1000,
    "course_tokens_per_minute": PLENTY,
}
A_CALL = 20  # tokens, about
REFUSALS = frozenset(
    {
        "quota_backend_unavailable",
        "database_unavailable",
        "service_unavailable",
        "shutting_down",
        "overloaded",
        "insufficient_quota",
        "allowance_in_use",
        "upstream_error",
        "upstream_interrupted",
        "upstream_rate_limited",
        "upstream_stalled",
    }
)


@dataclass(frozen=True, slots=True)
class Run:
    """How long everything breaks, by which plan, and the log of it."""

    seed: int
    seconds: float
    where: str
    log: Log

    @staticmethod
    def as_told() -> "Run":
        seconds = float(os.environ.get("CHAOS_SECONDS") or SECONDS)
        seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
        where = "postgresql" if IS_POSTGRESQL else "sqlite"
        log = Log(ARTEFACTS / f"chaos-{where}.log")
        log.say(f"seed {seed}, {seconds:g} s over {where}: CHAOS_SEED={seed} CHAOS_SECONDS={seconds:g} repeats it")
        return Run(seed, seconds, where, log)


@pytest.mark.battery
@pytest.mark.timeout(BATTERY_SECONDS)
def test_whatever_breaks_the_accounts_are_right(
    data_dir: Path, report: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.as_told()

    with (
        site(data_dir) as there,
        make_scene(there.gateway, **LIMITS) as calm,
        make_scene(there.gateway, **LIMITS, weekly_tokens=int(run.seconds * A_CALL)) as tight,
    ):
        parts: dict[Part, Victim] = {**there.victims, "provider": Providers(calm.stub, tight.stub)}
        strikes = break_everything(run, there, parts, calm, tight)
        wrong = what_is_wrong(run, calm, tight)
        audited = manage("audit_ledger", data_dir=data_dir, **there.environment)
        there.gateway.stop()

    ends = Counter(said.end for scene in (calm, tight) for said in scene.transcripts)
    run.log.say(f"audit_ledger: {audited.stdout.strip()}\n{sum(ends.values())} requests: {dict(ends)}")
    with capsys.disabled():
        print("", *run.log.lines, sep="\n")
    report(
        f"Chaos over {run.where}: seed {run.seed}, {run.seconds:g} s, {len(strikes)} faults, "
        f"{sum(ends.values())} requests; judge: {wrong or 'silent'}"
    )
    assert wrong == []
    assert audited.returncode == 0 and "drift 0" in audited.stdout, audited.stdout
    assert ends["done"] and ends["whole"] and ends["refused"]
    assert {strike.part for strike in strikes} == set(parts)


def break_everything(run: Run, there: Site, parts: dict[Part, Victim], calm: Scene, tight: Scene) -> list[Any]:
    """All that was done, once both processes are there and answer again."""
    wait_until(lambda: calm.is_known() and tight.is_known(), what="Every process' notice of the courses")
    for scene in (calm, tight):
        scene.stub.always(repeats_prompt=True, text="word " * 15, chunk_delay=0.05)
    strikes = plan(run.seed, seconds=run.seconds, parts=parts)
    asyncio.run(break_under_load(calm, tight, parts, strikes, run.log, seed=run.seed))
    connection.close()  # it may have died with its server
    wait_until(lambda: all(map(is_answering, (calm, tight))) and len(web_processes(there.gateway)) == 2, seconds=60)
    run.log.say("quiet, and answering")
    return strikes


def what_is_wrong(run: Run, calm: Scene, tight: Scene) -> list[str]:
    wrong = judge(
        calm,
        tight,
        cuts=True,
        unanswered=True,
        resent=True,
        attempts=1.5,  # with the repeats that the budget allows, of few calls
        refusals=REFUSALS,
        sockets=4 * pooled() + 40,
        files=60,
    )
    run.log.say(f"judge: {wrong or 'silent'}")
    return wrong


async def break_under_load(
    calm: Scene, tight: Scene, parts: dict[Part, Victim], strikes: list[Any], log: Log, *, seed: int
) -> None:
    over = asyncio.Event()
    asking = [
        asyncio.create_task(student(scene, number, random.Random(f"{seed} {number}"), over))
        for scene, students in ((calm, 8), (tight, 3))
        for number in range(students)
    ]
    await chaos.run(strikes, parts, log)
    over.set()
    log.say("all faults are over")
    await asyncio.gather(*asking)


async def student(scene: Scene, number: int, chance: random.Random, over: asyncio.Event) -> None:
    """Asks one thing after the other; what fails is asked up to twice again, as official clients do."""
    while not over.is_set():
        prompt, stream = new_prompt(), chance.random() < 0.7
        leave = is_after(chance.randrange(1, 15)) if chance.random() < 0.2 else None
        for attempt in range(3):
            asking = ask(scene.student(number), prompt, stream=stream, leave=leave, attempt=attempt, max_tokens=64)
            (said,) = scene.add([await asking])
            if said.end in ("done", "whole", "left"):
                break
            await asyncio.sleep(pause_after(said, chance))
            if over.is_set() or said.headers.get("x-should-retry") == "false":
                break


def pause_after(said: Transcript, chance: random.Random) -> float:
    told = float(said.headers.get("retry-after-ms") or 0) / 1000 or float(said.headers.get("retry-after") or 0)
    return min(told, 1.0) or chance.uniform(0.1, 0.5)


def is_answering(scene: Scene) -> bool:
    """Or refusing for the week, which is an answer of the ledger."""
    scene.stub.reset()
    (said,) = scene.add(asyncio.run(all_at_once([ask(scene.student(0))])))
    return said.end == "done" or said.code == "insufficient_quota"


# The plan


def test_a_seed_makes_the_whole_plan() -> None:
    parts: tuple[Part, ...] = ("web", "provider", "database", "redis")

    assert plan(7, seconds=60, parts=parts) == plan(7, seconds=60, parts=parts)
    assert plan(7, seconds=60, parts=parts) != plan(8, seconds=60, parts=parts)


@pytest.mark.parametrize("seed", range(5))
def test_a_plan_has_every_kind_and_each_part_one_fault_at_a_time(seed: int) -> None:
    strikes = plan(seed, seconds=120, parts=KINDS)

    for part, kinds in KINDS.items():
        own = [strike for strike in strikes if strike.part == part]
        assert {strike.kind for strike in own} == set(kinds)
        assert all(one.at + one.seconds < next_.at for one, next_ in pairwise(own))
    assert max(strike.at + strike.seconds for strike in strikes) <= 120.01


# The judge


@pytest.fixture(scope="module")
def judged(gateway: Gateway, django_db_blocker: Any) -> Iterator[Scene]:
    """A run in which all went well."""
    with django_db_blocker.unblock(), make_scene(gateway) as scene:
        scene.add(asyncio.run(all_at_once(ask(scene.student(number)) for number in range(4))))
        assert scene.findings() == []
        yield scene


def charge_twice(hold: Hold, week: WeeklyUsage) -> None:
    WeeklyUsage.objects.filter(pk=week.pk).update(used=F("used") + hold.charged)


def charge_twice_with_an_entry(hold: Hold, week: WeeklyUsage) -> None:
    charge_twice(hold, week)
    LedgerEntry.objects.create(
        usage=week, hold=hold.pk, kind="adjust", held_delta=0, used_delta=hold.charged, at=hold.created_at
    )


def lose_the_end_of_a_hold(hold: Hold, week: WeeklyUsage) -> None:
    LedgerEntry.objects.filter(hold=hold.pk).exclude(kind="hold").delete()
    Hold.objects.filter(pk=hold.pk).update(state=Hold.State.HELD, charged=None)
    for pk in hold.usage_ids.strip("[]").split(","):
        WeeklyUsage.objects.filter(pk=int(pk)).update(used=F("used") - hold.charged, held=F("held") + hold.amount)


def lower_the_limit(hold: Hold, week: WeeklyUsage) -> None:
    QuotaPolicy.objects.filter(course=week.account).update(weekly_tokens=1)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (charge_twice, "used: stored"),
        (charge_twice_with_an_entry, "used on week"),
        (lose_the_end_of_a_hold, "holds are open"),
        (lower_the_limit, "used of 1"),
    ],
)
def test_the_judge_finds(judged: Scene, wrong: Callable[[Hold, WeeklyUsage], None], told: str) -> None:
    with transaction.atomic():
        others = set(judge(judged, within=0))  # of tests that use the same database
        evidence = judged.evidence()
        week = next(week for week in evidence.weeks if week.kind == WeeklyUsage.Kind.COURSE)
        wrong(evidence.holds[0], week)

        found = set(judge(judged, within=0)) - others

        transaction.set_rollback(True)
    assert any(told in finding for finding in found), found
