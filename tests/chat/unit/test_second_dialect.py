"""A second format, of another shape and with another end, through the whole chat path.

What it passes through knows no format: quota, rules, record and ledger work on it as on the first.
"""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.chat import pipeline
from apps.chat.pipeline import Answer, Arrival
from apps.chat.runtime import ChatRuntime
from apps.common import tracing
from apps.common.errors import BlockedByRule, InvalidRequest, OutOfQuota
from apps.common.ids import new_id
from apps.conversations.models import Call, RuleHit
from apps.providers.adapters.protocol import UpstreamBroken
from apps.quotas.models import Hold, QuotaPolicy
from tests import factories
from tests.chat.unit.conftest import reload
from tests.chat.unit.desk import Desk
from tests.chat.unit.test_pipeline import SECONDS, blocks_of, in_thread, over, principal_of
from tests.chat.unit.test_transcripts import spooled
from tests.chat.unit.tiny_dialect import TINY, event
from tests.chat.unit.upstreams import ScriptedAdapter

FULL = event("full", cost=[3, 2])
BYE = event("bye")


class Student:
    """One who asks in this format, of a model that the course allows."""

    def __init__(self, runtime: ChatRuntime, adapter: ScriptedAdapter, desk: Desk, model: str) -> None:
        self.runtime, self.adapter, self.model, self._desk = runtime, adapter, model, desk

    async def ask(self, *words: str, live: bool = False, **more: Any) -> Answer:
        asked = [{"who": "machine" if n % 2 else "pupil", "words": one} for n, one in enumerate(words)]
        return await self.send({"model": self.model, "ask": asked, "live": live, **more})

    async def send(self, body: dict[str, Any]) -> Answer:
        self.call = new_id()
        arrival = Arrival(
            id=self.call,
            dialect=TINY,
            principal=principal_of(self._desk, logging="full"),
            raw=json.dumps(body).encode(),
            now=datetime.now(UTC),
            trace=tracing.begun(),
        )
        async with asyncio.timeout(SECONDS):
            return await pipeline.chat(self.runtime, arrival)

    def will_get(self, *chunks: bytes) -> None:
        self.adapter.upstream.say(*chunks)
        self.adapter.upstream.end()

    async def rule(self, pattern: str, action: str, **more: Any) -> None:
        values = {"pattern": pattern, "action": action, "message": "Not that.", "replacement": "[x]", **more}
        await in_thread(lambda: factories.make_rule(course=self._desk.student.course, **values))
        await reload(self.runtime)

    async def allow(self, tokens: int) -> None:
        own = QuotaPolicy.objects.filter(course=self._desk.student.course)
        await in_thread(lambda: own.update(student_weekly_tokens=tokens))
        await reload(self.runtime)

    async def record(self) -> Call:
        await over(self.runtime)
        return await in_thread(lambda: Call.objects.get(pk=self.call))

    async def found(self) -> list[tuple[str, int, int, int]]:
        hits = await in_thread(lambda: list(RuleHit.objects.filter(call=self.call)))
        return [(hit.direction, hit.message, hit.start, hit.end) for hit in hits]

    async def text(self) -> list[str]:
        """What was spooled of all calls; nothing more can be asked afterwards."""
        await over(self.runtime)
        records = await asyncio.to_thread(spooled, self.runtime)
        return [turn.text for record in records for turn in record.turns]


@pytest.fixture
async def student(adapter: ScriptedAdapter, ledger: ChatRuntime, desk: Desk) -> Student:
    def make() -> str:
        return factories.make_model(factories.make_provider(), course=desk.student.course).name

    model = await in_thread(make)
    await reload(ledger)
    return Student(ledger, adapter, desk, model)


# Answers


async def test_a_plain_answer_passes_as_it_came_and_costs_what_it_says(student: Student) -> None:
    reply = json.dumps({"said": "Hello", "novelty": [1.50], "cost": [3, 2]}).encode()
    student.will_get(reply)

    answer = await student.ask("Hi", novelty={"deep": [None]})

    record = await student.record()
    assert answer.body == reply
    assert (record.status, record.input_tokens, record.output_tokens) == ("answered", 3, 2)
    assert await in_thread(lambda: Hold.objects.get(pk=student.call).state) == Hold.State.SETTLED
    assert await student.text() == ["Hi", "Hello"]


async def test_what_leaves_is_the_student_s_body_in_its_format(student: Student) -> None:
    student.will_get(json.dumps({"said": "Hello"}).encode())

    await student.ask("Hi", novelty={"deep": [None]}, longest=7)

    (sent,) = student.adapter.sent
    assert (sent.dialect, sent.body["longest"], sent.body["novelty"]) == ("tiny", 7, {"deep": [None]})
    assert sent.body["ask"] == [{"who": "pupil", "words": "Hi"}]
    await student.record()


async def test_a_stream_passes_and_ends_with_the_mark_of_its_format(student: Student) -> None:
    events = [event("said", w="Hel"), event("said", w="lo"), FULL]
    student.will_get(*events, BYE)

    answer = await student.ask("Hi", live=True)

    assert b"".join(await blocks_of(answer)) == b"".join([*events, TINY.end_mark])
    record = await student.record()
    assert (record.status, record.output_tokens) == ("answered", 2)
    assert await student.text() == ["Hi", "Hello"]


async def test_a_stream_that_breaks_off_ends_with_an_error_of_its_format(student: Student) -> None:
    student.adapter.upstream.say(event("said", w="Hel"))
    student.adapter.upstream.fail(UpstreamBroken("reset"))

    answer = await student.ask("Hi", live=True)

    assert (await blocks_of(answer))[-1] == event("oops", code="upstream_interrupted")
    assert (await student.record()).status == "failed"


async def test_a_history_is_recognised_and_not_recorded_again(student: Student) -> None:
    student.will_get(json.dumps({"said": "Hello"}).encode())
    await student.ask("Hi")
    await student.record()
    student.will_get(json.dumps({"said": "Bye"}).encode())

    await student.ask("Hi", "Hello", "And now?")

    assert await student.text() == ["Hi", "Hello", "And now?", "Bye"]


# Refusals


async def test_a_request_of_the_wrong_shape_is_refused(student: Student) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await student.send({"model": "any", "messages": []})

    assert caught.value.param == "ask"


async def test_who_has_used_up_the_week_is_refused_and_nothing_is_sent(student: Student) -> None:
    await student.allow(1)

    with pytest.raises(OutOfQuota):
        await student.ask("Hi")

    assert (student.adapter.asked, (await student.record()).status) == (0, "out_of_quota")


# Rules on prompts


async def test_a_prompt_is_blocked(student: Student) -> None:
    await student.rule("EXAM-[0-9]", "block")

    with pytest.raises(BlockedByRule) as caught:
        await student.ask("It is EXAM-1")

    assert (caught.value.param, student.adapter.asked) == ("ask", 0)
    assert (await student.record()).status == "blocked"
    assert await student.found() == [("prompt", 0, 6, 12)]


async def test_a_prompt_is_redacted_before_anybody_sees_it(student: Student) -> None:
    await student.rule("EXAM-[0-9]", "redact")
    student.will_get(json.dumps({"said": "Hello"}).encode())

    await student.ask("It is EXAM-1", note={"deep": ["EXAM-2"]})

    (sent,) = student.adapter.sent
    assert (sent.body["ask"][0]["words"], sent.body["note"]) == ("It is [x]", {"deep": ["[x]"]})
    assert await student.text() == ["It is [x]", "Hello"]


async def test_what_is_cut_over_messages_of_one_speaker_is_found(student: Student) -> None:
    await student.rule("EXAM-[0-9]", "block")
    halves = [{"who": "pupil", "words": words} for words in ("EXA", "M-1")]

    with pytest.raises(BlockedByRule):
        await student.send({"model": student.model, "ask": halves})


async def test_guidance_is_given_in_the_format(student: Student) -> None:
    await student.rule("EXAM", "guide", guidance="Give hints only.")
    student.will_get(json.dumps({"said": "Hello"}).encode())

    await student.ask("EXAM?")

    assert student.adapter.sent[0].body["ask"][0] == {"who": "teacher", "words": "Give hints only."}
    await student.record()


# Rules on answers


async def test_a_plain_answer_is_redacted(student: Student) -> None:
    await student.rule("EXAM-[0-9]", "redact", direction="answer")
    student.will_get(json.dumps({"said": "It is EXAM-1."}).encode())

    answer = await student.ask("Hi")

    assert json.loads(answer.body or b"") == {"said": "It is [x]."}
    await student.record()
    assert await student.found() == [("answer", 1, 6, 9)]


async def test_a_match_over_events_of_a_stream_is_redacted(student: Student) -> None:
    await student.rule("EXAM-[0-9]", "redact", direction="answer")
    student.will_get(*(event("said", w=letter) for letter in "Before this it was EXAM-1."), FULL, BYE)

    answer = await student.ask("Hi", live=True)

    *events, full, bye = b"".join(await blocks_of(answer)).removesuffix(b"\n\n").split(b"\n\n")
    said = [json.loads(one.partition(b"data: ")[2])["w"] for one in events]
    assert ("".join(said), len(said) > 1) == ("Before this it was [x].", True)
    assert (full + b"\n\n", bye + b"\n\n") == (FULL, TINY.end_mark)
    await student.record()
    assert await student.found() == [("answer", 1, 19, 22)]
    assert await student.text() == ["Hi", "Before this it was [x]."]


async def test_what_is_of_use_only_whole_goes_out_whole(student: Student) -> None:
    await student.rule("EXAM-[0-9]", "redact", direction="answer")
    pieces = [event("deed", w=piece) for piece in ("look up EX", "AM-1")]
    student.will_get(*pieces, FULL, BYE)

    answer = await student.ask("Hi", live=True)

    assert b"".join(await blocks_of(answer)) == event("deed", w="look up [x]") + FULL + TINY.end_mark
    assert await student.text() == ["Hi", "look up [x]"]


async def test_a_stream_that_a_rule_stops_ends_with_an_error_of_its_format(student: Student) -> None:
    await student.rule("EXAM-[0-9]", "block", direction="answer")
    student.will_get(event("said", w="It is EXAM-1, I think"), FULL, BYE)

    answer = await student.ask("Hi", live=True)

    raw = b"".join(await blocks_of(answer))
    record = await student.record()
    assert raw.endswith(event("oops", code="blocked_by_rule"))
    assert b"EXAM" not in raw and TINY.end_mark not in raw
    assert (record.status, record.charged > 0) == ("blocked", True)


async def test_rules_that_only_take_note_change_nothing(student: Student) -> None:
    await student.rule("EXAM-[0-9]", "flag", direction="answer")
    events = [event("said", w="It is EX"), event("said", w="AM-1"), FULL]
    student.will_get(*events, BYE)

    answer = await student.ask("Hi", live=True)

    assert b"".join(await blocks_of(answer)) == b"".join([*events, TINY.end_mark])
    await student.record()
    assert await student.found() == [("answer", 1, 6, 12)]
