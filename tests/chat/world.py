"""The smallest world in which a student can ask something: a course, a key, a model, and providers behind it."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
from django.db import transaction
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from apps.accounts.models import Course, Membership
from apps.conversations.models import Call
from apps.providers.models import Deployment, Model, Provider
from apps.quotas.models import Hold, LedgerEntry, QuotaPolicy, WeeklyUsage
from apps.rules.models import RuleSettings
from tests import factories
from tests.live import Gateway
from tests.provider_stub import ProviderStub

PATIENCE = 30.0  # a bound for a busy machine; nothing here takes long
PROMPT = "Explain recursion to me, please"


def wait_until(
    condition: Callable[[], Any], *, seconds: float = PATIENCE, what: str = "It", every: float = 0.02
) -> Any:
    """Ask again until there is something, and return it."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} seconds."
        time.sleep(every)
    return result


@dataclass(frozen=True, slots=True)
class World:
    """One student in one course who may use one model. Nothing in it is shared with another world."""

    gateway: Gateway
    course: Course
    student: Membership
    key: str
    model: Model
    providers: tuple[Provider, ...]
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(verify=False, timeout=PATIENCE))
    _exit: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> "World":
        self._exit.enter_context(self._http)
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def wait_until_seen(self) -> None:
        """All of a world is committed at once: whoever sees the model and the allowance sees everything."""
        wait_until(self._is_seen, what="The gateway's notice of the new world", every=0.05)

    def _is_seen(self) -> bool:
        models = self.get("/v1/models").json().get("data", [])
        policy = QuotaPolicy.objects.filter(course=self.course).first()
        limit = policy.student_weekly_tokens if policy else 0
        return self.model.name in [model["id"] for model in models] and self.usage()["limit"] == limit

    # Asking

    def openai(self, *, key: str | None = None, **options: Any) -> openai.OpenAI:
        """The official client, which does not repeat unless it is told to."""
        values = {"api_key": key or self.key, "base_url": f"{self.gateway.base_url}/v1", "max_retries": 0}
        return self._exit.enter_context(openai.OpenAI(**{**values, "timeout": PATIENCE, **options}))

    def body(self, prompt: str = PROMPT, **options: Any) -> dict[str, Any]:
        return {"model": self.model.name, "messages": [{"role": "user", "content": prompt}], **options}

    def ask(self, prompt: str = PROMPT, **options: Any) -> ChatCompletion:
        answer: ChatCompletion = self.openai().chat.completions.create(**self.body(prompt, **options))
        return answer

    def stream(self, prompt: str = PROMPT, **options: Any) -> "openai.Stream[ChatCompletionChunk]":
        return self._exit.enter_context(
            self.openai().chat.completions.create(**self.body(prompt, stream=True, **options))
        )

    def post(self, body: Any = None, *, key: str | None = None, **options: Any) -> httpx.Response:
        """A bare request, for what the official client would not send."""
        values = {"headers": {"authorization": f"Bearer {key or self.key}"}}
        content = {"json": self.body() if body is None else body} if "content" not in options else {}
        return self._http.post(f"{self.gateway.base_url}/v1/chat/completions", **{**values, **content, **options})

    def get(self, path: str, *, key: str | None = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {key or self.key}"}
        return self._http.get(f"{self.gateway.base_url}{path}", headers=headers)

    # Looking

    def allow_output(self, tokens: int) -> None:
        """Let the model give answers as long as this."""
        self.model.max_output_tokens = tokens
        self.model.save()
        wait_until(lambda: self.get(f"/v1/models/{self.model.name}").json()["max_output_tokens"] == tokens)

    def usage(self) -> dict[str, Any]:
        usage: dict[str, Any] = self.get("/v1/usage").raise_for_status().json()
        return usage

    def calls(self) -> list[Call]:
        return list(Call.objects.filter(membership=self.student).order_by("id"))

    def call(self) -> Call:
        """The only call, once it is written down."""
        calls = wait_until(self.calls, what="A call record")
        assert len(calls) == 1
        only: Call = calls[0]
        return only

    def holds(self) -> list[Hold]:
        entries = LedgerEntry.objects.filter(usage__kind="student", usage__account=self.student.pk)
        return list(Hold.objects.filter(id__in=entries.values("hold")).order_by("id"))

    def week(self) -> WeeklyUsage | None:
        return WeeklyUsage.objects.filter(kind="student", account=self.student.pk).first()

    def settled(self) -> WeeklyUsage:
        """The student's week, once nothing is held on it any more."""
        week: WeeklyUsage = wait_until(
            lambda: (week := self.week()) and week.held == 0 and week, what="The end of all holds"
        )
        return week


def create_world(
    gateway: Gateway,
    *stubs: ProviderStub,
    used: int = 0,
    rules: Sequence[dict[str, Any]] = (),
    policy: dict[str, Any] | None = None,
    course: dict[str, Any] | None = None,
    model: dict[str, Any] | None = None,
    provider: dict[str, Any] | None = None,
    first: dict[str, Any] | None = None,
    tells_in_answers: bool = False,
) -> World:
    """Make the rows of a world, at once. The stubs are its model's providers in the order in which they are tried.

    `first` is of the first deployment alone.
    """
    with transaction.atomic():
        made = factories.make_course(**(course or {}))
        QuotaPolicy.objects.filter(course=made).update(**(policy or {}))
        student = factories.make_student(course=made)
        if used:
            factories.make_week(student, used=used)
        for rule in rules:
            factories.make_rule(course=made, **rule)
        if tells_in_answers:
            RuleSettings.objects.create(course=made, tells_in_answers=True)
        providers = tuple(factories.make_provider(base_url=stub.base_url, **(provider or {})) for stub in stubs)
        deployed = factories.make_model(*providers, course=made, **(model or {}))
        if first:
            Deployment.objects.filter(model=deployed, provider=providers[0]).update(**first)
        key = factories.make_key(student)
    return World(gateway, made, student, key, deployed, providers)


@contextlib.contextmanager
def make_world(gateway: Gateway, *stubs: ProviderStub, **options: Any) -> Iterator[World]:
    """A world that the gateway has seen. The options are those of `create_world`."""
    with create_world(gateway, *stubs, **options) as world:
        world.wait_until_seen()
        yield world


def text_of(chunks: Sequence[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
