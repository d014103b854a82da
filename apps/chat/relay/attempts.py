"""Attempts: asks one candidate after the other until an answer begins.

Until then nothing has reached the student, so whatever goes wrong is one failed attempt, and the next candidate is
asked.
"""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from apps.chat.call import Accepted, ChatCall
from apps.chat.dialects.protocol import AnswerReader
from apps.chat.relay import failures, metrics
from apps.chat.relay.beginnings import Patience, begin, refusal
from apps.chat.relay.concurrency import ConcurrencyLimits
from apps.chat.relay.failover import left_after, repeatable
from apps.chat.relay.tracing import end, span_of
from apps.common import spans
from apps.common.errors import GatewayError
from apps.common.retries import RetryBudget
from apps.conversations.call_rows import AttemptRow
from apps.providers import routing
from apps.providers.adapters.protocol import Adapter, AnswerTooLong, Outgoing, UpstreamBroken, UpstreamRefused
from apps.providers.health.memory import Health
from apps.providers.pseudonyms import pseudonym
from apps.providers.routing import Candidate, plan

logger = logging.getLogger(__name__)
LAST_MOMENT = 0.05  # seconds before the limit of the whole call, so that whoever is being asked is known to be slow
_rng = random.Random()  # noqa: S311  # spreads load; it need not be unpredictable


@dataclass(frozen=True, slots=True)
class Providers:
    """The providers to one process: how to ask them, how they are, and what is bounded at each deployment."""

    adapters: Mapping[str, Adapter]
    health: Health
    budgets: defaultdict[int, RetryBudget] = field(default_factory=lambda: defaultdict(RetryBudget))
    limits: ConcurrencyLimits = field(default_factory=ConcurrencyLimits)


class Attempts:
    """The attempts at one answer. `reader` is that of the one under way."""

    def __init__(self, call: ChatCall, providers: Providers, *, output: int, guidance: tuple[str, ...]) -> None:
        self._call, self._output, self._guidance = call, output, guidance
        self._adapters, self._health = providers.adapters, providers.health
        self._budgets, self._limits = providers.budgets, providers.limits
        self._leave: Callable[[], None] | None = None  # gives the place back that the attempt under way has
        self._is_open = False  # an attempt is under way
        self._is_hurried = False  # others left the attempt under way less than half of the time that it may take
        self.was_cut_off = False  # while a provider worked on it, which may have cost something
        self._failed: list[tuple[Candidate, UpstreamRefused]] = []
        self._has_repeated = False
        self._ends_at = self._answer_ends_at = time.monotonic() + call.route.longest - LAST_MOMENT
        self._ended: list[AttemptRow] = []
        self._answering: tuple[Candidate, float] | None = None  # with the seconds to its beginning
        self._seconds = 0.0  # of all attempts, until one of them began to answer
        self._asked_at = 0.0
        self._outcome = "answered"  # of the one who is answering
        self.reader: AnswerReader | None = None
        self._span = spans.NOTHING

    @property
    def has_events(self) -> bool:
        """Whether the candidate that is being asked has sent an event of a stream."""
        return self.reader is not None and self.reader.has_events

    @property
    def seconds_left(self) -> float:
        """For the answer that the candidate gives."""
        return self._answer_ends_at - time.monotonic()

    @property
    def seconds_until_answer(self) -> float:
        """What the providers took, up to the beginning of the answer."""
        return self._seconds

    async def first_answer(self) -> Accepted:
        """Ask until an answer begins, to be closed at its end. Raises the error of a call that nobody answers."""
        route = self._call.route
        left = plan(route, self._health, datetime.now(UTC), _rng)
        if len(left) > 1:
            left = self._limits.order(left)
        while left and time.monotonic() < self._ends_at:
            candidate, *left = left
            try:
                return await self._ask(candidate)
            except UpstreamRefused as error:
                left = await self._next(candidate, error, left)
        wait = routing.wait(route, self._health, datetime.now(UTC))
        raise failures.failure_of(self._call, [refused for _, refused in self._failed], wait=wait)

    def rows(self, failure: GatewayError | None) -> tuple[AttemptRow, ...]:
        """Every attempt that was made, with what came of it. None if the first one has answered without a failure."""
        if self._answering is None or (failure is None and not self._ended):
            return tuple(self._ended)
        candidate, seconds = self._answering
        return (*self._ended, self._row(candidate, self._outcome, 200, seconds))

    def broke_off(self, answer: Accepted, error: UpstreamBroken | asyncio.CancelledError, *, is_stalled: bool) -> None:
        """The answer that had begun broke off: by itself, or since it was ended when the provider `is_stalled`."""
        if isinstance(error, asyncio.CancelledError):
            if not is_stalled:
                return
            error = UpstreamBroken("It said nothing more.")
        if not isinstance(error, AnswerTooLong):  # which was our decision
            self._health.failed(answer.candidate, error, now=datetime.now(UTC))
        self._outcome = "broken"

    def close(self, answer: Accepted) -> None:
        """Nothing of the answer is read any more."""
        end(self._span, answer, outcome=self._outcome)
        answer.upstream.close()
        self._end(answer.candidate)
        provider, model = answer.candidate.target.provider, self._call.route.name
        metrics.ended(provider=provider, model=model, seconds=time.monotonic() - self._asked_at)
        if doubt := answer.reader.doubt:
            self._health.note_doubt(answer.candidate, doubt)

    # After a failure

    async def _next(self, candidate: Candidate, refused: UpstreamRefused, left: list[Candidate]) -> list[Candidate]:
        """Those who are asked after this failure."""
        self._failed.append((candidate, refused))
        provider = candidate.target.provider
        logger.warning("Call %s: %s refused (%s): %s", self._call.id, provider, refused.reason, refused)
        if refused.reason == "added" and refused.param not in self._outgoing(candidate, without=refused.param).body:
            self._health.learned(candidate, refused.param)
            return [candidate, *left]
        found = left_after(refused, candidate, left)
        if found:
            metrics.FAILOVERS.labels(provider).inc()
        return found or await self._repeat()

    async def _repeat(self) -> list[Candidate]:
        """Whom to ask once more, after a pause, since nobody else is left."""
        found = None if self._has_repeated else repeatable(self._failed, _rng)
        if found is None:
            return []
        candidate, pause = found
        if time.monotonic() + pause >= self._ends_at:
            return []
        requests = self._health.recent(candidate.target, now=datetime.now(UTC))
        budget = self._budgets[candidate.target.deployment_id]
        self._has_repeated = budget.take(time.monotonic(), requests=requests)
        if not self._has_repeated:
            return []
        metrics.RETRIES.labels(candidate.target.provider).inc()
        await asyncio.sleep(pause)
        return [replace(candidate, turns=self._health.turns(candidate.target, candidate.secret))]

    # One attempt

    async def _ask(self, candidate: Candidate) -> Accepted:
        """Ask one candidate, and take note of what comes of it. Raises UpstreamRefused."""
        started = self._asked_at = time.monotonic()
        self._span = span_of(self._call, candidate.target)
        try:
            await self._begin(candidate)
            answer = await self._attempt(candidate)
        except BaseException as error:
            refused = error if isinstance(error, UpstreamRefused) else None
            if refused is not None and candidate.secret is not None:
                refused.forget(candidate.secret.text)
            outcome, status = (refused.reason, refused.status) if refused is not None else ("ended", 0)
            self._span.end(error=outcome)
            self._seconds += (seconds := time.monotonic() - started)
            self._ended.append(self._row(candidate, outcome, status, seconds))
            metrics.failed(provider=candidate.target.provider, outcome=outcome)
            if refused is not None and not (refused.reason == "too_slow" and self._is_hurried):
                self._health.failed(candidate, refused, now=datetime.now(UTC))
            self.reader = None
            self.was_cut_off = refused is None and self._is_open
            self._end(candidate)
            raise
        seconds = time.monotonic() - started
        self._seconds += seconds
        self._answering = candidate, seconds
        metrics.began(provider=candidate.target.provider, model=self._call.route.name, seconds=seconds)
        self._health.answered(candidate, now=datetime.now(UTC))
        return answer

    async def _begin(self, candidate: Candidate) -> None:
        """Wait for a place, where they are few."""
        target = candidate.target
        if target.max_concurrent is not None:
            seconds = min(target.first_byte_timeout, self._ends_at - time.monotonic())
            places = target.max_concurrent
            self._leave = await self._limits.enter(target, self._call.principal, places=places, seconds=seconds)
        self._is_open = True
        self._health.began(candidate)

    def _end(self, candidate: Candidate) -> None:
        if self._leave is not None:
            self._leave()
            self._leave = None
        if self._is_open:
            self._is_open = False
            self._health.ended(candidate)

    def _row(self, candidate: Candidate, outcome: str, status: int, seconds: float) -> AttemptRow:
        return AttemptRow(
            call_id=self._call.id,
            number=len(self._ended) + 1,
            provider=candidate.target.provider,
            upstream_model=candidate.target.upstream_model,
            outcome=outcome,
            status=status,
            milliseconds=int(seconds * 1000),
        )

    async def _attempt(self, candidate: Candidate) -> Accepted:
        """Ask one candidate, which has to begin its answer within its limit."""
        now, target = time.monotonic(), candidate.target
        self._answer_ends_at = min(self._ends_at, now + target.total_timeout)
        limit_of_first_byte = target.limit_of_first_byte(is_stream=self._call.is_stream)
        seconds = min(limit_of_first_byte, self._ends_at - now)
        self._is_hurried = bool(self._ended) and seconds < limit_of_first_byte / 2
        try:
            async with asyncio.timeout(seconds) as limit:
                with spans.InSpan(self._span):
                    upstream = await self._adapters[target.adapter].open(candidate, self._outgoing(candidate))
                self.reader = reader = self._new_reader()
                wait = Patience(limit, target.thinking_timeout, ends_at=self._answer_ends_at)
                return await begin(upstream, candidate, reader, wait, attempts=len(self._ended) + 1)
        except TimeoutError as error:
            raise UpstreamRefused("too_slow", detail=f"No answer began within {seconds:.3g} seconds.") from error
        except AnswerTooLong as error:
            raise failures.interrupted(error) from error
        except UpstreamBroken as error:
            raise refusal(error, now=datetime.now(UTC)) from error

    def _new_reader(self) -> AnswerReader:
        dialect = self._call.dialect
        if self._call.is_stream:
            return dialect.stream_reader(wants_usage=self._call.wants_usage)
        return dialect.plain_reader()

    def _outgoing(self, candidate: Candidate, *, without: str = "") -> Outgoing:
        """What leaves, without what the deployment does not understand of what we add."""
        call, target = self._call, candidate.target
        strange = self._health.not_understood(target) | {without}
        adds_cap = target.sends_output_cap or self._output < call.route.max_output_tokens
        body = call.dialect.upstream_body(
            call.body,
            model=target.upstream_model,
            output=self._output,
            output_cap=target.output_cap,
            is_stream=call.is_stream,
            guidance=self._guidance,
            adds_cap=adds_cap and target.output_cap not in strange,
            asks_for_usage=target.stream_options != "no" and "stream_options" not in strange,
            pseudonym=pseudonym(target.pseudonym_key, call.principal.membership_id),
        )
        return Outgoing(
            dialect=call.dialect.name,
            body=body,
            is_stream=call.is_stream,
            request_id=call.id,
            trace=call.trace,
            added=_added(call, body),
        )


def _added(call: ChatCall, sent: Mapping[str, Any]) -> frozenset[str]:
    """What of a body is ours. So is a wish for usage, which many libraries have by themselves and we have always."""
    added = frozenset(sent.keys() - call.body.keys())
    only_usage = call.is_stream and sent.get("stream_options") == {"include_usage": True}
    return added | {"stream_options"} if only_usage else added
