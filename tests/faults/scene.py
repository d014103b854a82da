"""A scene: a course full of students at a gateway, a provider that repeats prompts, and all the evidence of a run."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from django.db import connection

from apps.accounts.models import Membership
from apps.conversations.models import Call, Turn
from apps.quotas.models import Hold, LedgerEntry, WeeklyUsage
from tests import factories
from tests.chat.world import World, create_world, wait_until
from tests.faults.checker import Evidence, Excuses, findings
from tests.faults.footprint import Footprint
from tests.faults.load import Student, Transcript, ask
from tests.live import Gateway
from tests.provider_stub import ProviderStub

STUDENTS = 10
ALLOWANCE = 10**10
PROVIDER_WORDS = "acct_secret"  # what the stub's errors name


@dataclass(slots=True)
class Scene:
    """Add every transcript to it; then `findings` says whether all went well."""

    gateway: Gateway
    world: World
    stubs: tuple[ProviderStub, ...]  # in the order in which they are asked
    keys: list[str]
    transcripts: list[Transcript] = field(default_factory=list)
    before: Footprint = field(default_factory=Footprint)

    @property
    def stub(self) -> ProviderStub:
        """The first one, and in most scenes the only one."""
        return self.stubs[0]

    @property
    def students(self) -> list[Student]:
        return [Student(self.gateway.port, key, self.world.model.name) for key in self.keys]

    def student(self, number: int) -> Student:
        return self.students[number % len(self.keys)]

    def add(self, transcripts: Iterable[Transcript]) -> list[Transcript]:
        """Note what clients got, and give it back."""
        new = list(transcripts)
        self.transcripts += new
        return new

    def mark(self) -> None:
        """Remember what is open now, once nothing goes on any more."""
        wait_until(lambda: self.connections == 0, what="The end of idle connections to the provider")
        self.before = Footprint.of(self.gateway)

    def is_known(self) -> bool:
        """To whichever process answers, many times over."""
        headers, url = {"authorization": f"Bearer {self.keys[-1]}"}, f"{self.gateway.base_url}/v1/models"
        return all(self.world.model.name in httpx.get(url, headers=headers, timeout=30).text for _ in range(20))

    def first_bytes(self, times: int = 30) -> list[float]:
        """Seconds to the first byte of ordinary calls, one after the other."""

        async def several() -> list[Transcript]:
            return [await ask(self.student(number)) for number in range(times)]

        said = self.add(asyncio.run(several()))
        return [one.first_byte - one.started for one in said if one.first_byte is not None]

    @property
    def connections(self) -> int:
        """Those that providers have open."""
        return sum(stub.connections for stub in self.stubs)

    def evidence(self, excuses: Excuses | None = None) -> Evidence:
        """What can be known now."""
        members = list(Membership.objects.filter(course=self.world.course).values_list("pk", flat=True))
        weeks = [
            *WeeklyUsage.objects.filter(kind="student", account__in=members),
            *WeeklyUsage.objects.filter(kind="course", account=self.world.course.pk),
        ]
        entries = list(LedgerEntry.objects.filter(usage__in=[week.pk for week in weeks]))
        answers: dict[str, str] = {}
        said = Turn.objects.filter(call__course=self.world.course, role="assistant").order_by("call_id", "seq")
        for call, text in said.values_list("call_id", "text"):
            answers[call] = answers.get(call, "") + text
        return Evidence(
            transcripts=self.transcripts,
            journal=sorted((asked for stub in self.stubs for asked in stub.journal), key=lambda asked: asked.begun_at),
            calls=list(Call.objects.filter(course=self.world.course)),
            holds=_holds_of({entry.hold for entry in entries}),
            weeks=weeks,
            entries=entries,
            answers=answers,
            log="".join(log.read_text(errors="replace") for log in self.gateway.data_dir.glob("gateway-*.log")),
            secrets=(PROVIDER_WORDS, "provider-secret"),
            before=self.before,
            after=Footprint.of(self.gateway) if self.gateway.process.poll() is None else self.before,
            connections=self.connections,
            excuses=excuses or Excuses(sockets=pooled()),
        )

    def findings(self, *, within: float = 30.0, **excuses: Any) -> list[str]:
        """What is wrong once the dust has settled: silent as soon as it can be, or what is left after so long."""
        excuses.setdefault("sockets", pooled())
        deadline = time.monotonic() + within
        while found := findings(self.evidence(Excuses(**excuses))):
            if time.monotonic() > deadline:
                return found
            time.sleep(0.2)
        return []


def pooled() -> int:
    """Connections to the database that a process may open when it needs them, and keep."""
    return 11 if connection.vendor == "postgresql" else 0


def _holds_of(calls: Iterable[str]) -> list[Hold]:
    ordered = sorted(calls)
    slices = (ordered[start : start + 500] for start in range(0, len(ordered), 500))  # SQLite takes no more at once
    return [hold for some in slices for hold in Hold.objects.filter(pk__in=some)]


@contextlib.contextmanager
def make_scene(
    gateway: Gateway, *, providers: int = 1, first: dict[str, Any] | None = None, **policy: Any
) -> Iterator[Scene]:
    """A scene that the gateway has seen, with its baseline taken. The policy is the course's.

    `first` is of the first deployment alone.
    """
    values = {"student_weekly_tokens": ALLOWANCE, **policy}
    with contextlib.ExitStack() as stack:
        stubs = tuple(stack.enter_context(ProviderStub()) for _ in range(providers))
        world = stack.enter_context(create_world(gateway, *stubs, policy=values, first=first))
        keys = [world.key]
        keys += [factories.make_key(factories.make_student(course=world.course)) for _ in range(STUDENTS - 1)]
        world.wait_until_seen()
        for stub in stubs:
            stub.always(repeats_prompt=True)
        scene = Scene(gateway, world, stubs, keys)
        scene.mark()
        yield scene
