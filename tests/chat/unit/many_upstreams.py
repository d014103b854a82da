"""Attempts at providers that follow a script."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from apps.chat.call import Accepted, ChatCall
from apps.chat.relay.attempts import Attempts, Providers
from apps.providers.adapters.protocol import Outgoing, Reason, UpstreamRefused
from apps.providers.catalogue import Target
from apps.providers.health.memory import Health
from apps.providers.routing import Candidate
from tests.chat.unit.upstreams import DONE, FINISH, completion, event, piece
from tests.chat.unit.values import a_target

SECRET_WORDS = "acct_secret"
ROLE = event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})


class Script(list[bytes | Exception]):
    """What an upstream says. Without an end it then says nothing more, without end."""

    has_end = True


class OneUpstream:
    """An upstream that says what it was given."""

    provider_request_id = ""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.is_closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        for item in self._script:
            if isinstance(item, Exception):
                raise item
            yield item
        if not self._script.has_end:
            await asyncio.sleep(3600)

    def close(self) -> None:
        self.is_closed = True


GOOD = Script([completion("Hello")])
STREAM = Script([piece("Hello"), FINISH, DONE])


class ManyAdapter:
    """Refuses or answers as it was given, one for each call, and then answers well."""

    def __init__(self, *outcomes: UpstreamRefused | Script) -> None:
        self._outcomes = list(outcomes)
        self.tried: list[tuple[str, str]] = []
        self.sent: list[Outgoing] = []
        self.upstreams: list[OneUpstream] = []

    async def open(self, candidate: Candidate, outgoing: Outgoing) -> OneUpstream:
        self.tried.append((candidate.target.provider, candidate.secret.label if candidate.secret else ""))
        self.sent.append(outgoing)
        outcome = self._outcomes.pop(0) if self._outcomes else STREAM if outgoing.is_stream else GOOD
        if isinstance(outcome, UpstreamRefused):
            raise outcome
        self.upstreams.append(OneUpstream(outcome))
        return self.upstreams[-1]


def attempts_at(call: ChatCall, **adapters: ManyAdapter) -> Attempts:
    return Attempts(call, Providers(adapters, Health()), output=10, guidance=())


async def first_answer(call: ChatCall, **adapters: ManyAdapter) -> Accepted:
    return await attempts_at(call, **adapters).first_answer()


def refusal(reason: Reason, **fields: Any) -> UpstreamRefused:
    return UpstreamRefused(reason, detail=SECRET_WORDS, **fields)


def targets(count: int) -> tuple[Target, ...]:
    """Targets one behind the other: first, second and so on."""
    names = ["first", "second", "third"][:count]
    return tuple(a_target(deployment_id=at, provider=name, priority=at) for at, name in enumerate(names))
