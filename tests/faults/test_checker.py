"""The checker is silent about a good run, and finds each kind of wrong that is put into it."""

import asyncio
import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.quotas.models import Hold
from tests.faults.checker import Evidence, Excuses, findings
from tests.faults.footprint import Footprint
from tests.faults.load import all_at_once, ask, is_after
from tests.faults.scene import make_scene
from tests.live import Gateway


@pytest.fixture(scope="module")
def good(gateway: Gateway, django_db_blocker: Any) -> Iterator[Evidence]:
    """The evidence of a run in which all went well: streams, plain answers, and students who left."""
    with django_db_blocker.unblock(), make_scene(gateway) as scene:
        scene.stub.will(times=2, repeats_prompt=True, text="word " * 20, pause_after=15)
        leaving = [ask(scene.student(0), leave=is_after(5)) for _ in range(2)]
        scene.add(asyncio.run(all_at_once(leaving)))
        whole = [ask(scene.student(number), stream=number % 2 == 0) for number in range(6)]
        scene.add(asyncio.run(all_at_once(whole)))
        assert scene.findings() == []
        yield scene.evidence()


@pytest.fixture
def evidence(good: Evidence) -> Evidence:
    """A copy that a test may spoil."""
    journal = [copy.copy(exchange) for exchange in good.journal]
    return replace(copy.deepcopy(replace(good, journal=[])), journal=journal)


def test_a_good_run_has_no_findings(evidence: Evidence) -> None:
    assert findings(evidence) == []


def test_the_good_run_has_something_of_everything(evidence: Evidence) -> None:
    assert {said.end for said in evidence.transcripts} == {"done", "whole", "left"}
    assert {call.status for call in evidence.calls} == {"answered", "left"}
    assert all(evidence.answers[call.pk] for call in evidence.calls)


def test_a_provider_that_reads_a_request_too_late_is_not_taken_for_the_one_that_answered(evidence: Evidence) -> None:
    call = evidence.calls[answered(evidence)]
    late = copy.copy(next(exchange for exchange in evidence.journal if exchange.call == call.pk))
    late.sent, late.usage, late.finished = [], None, False
    evidence.journal.append(late)
    call.attempts = 2

    assert findings(replace(evidence, excuses=Excuses(attempts=2.0))) == []


def answered(evidence: Evidence) -> int:
    """The position of a call that was answered in a stream."""
    done = {said.call for said in evidence.transcripts if said.end == "done"}
    return next(position for position, call in enumerate(evidence.calls) if call.pk in done)


def hold_of(evidence: Evidence) -> Hold:
    call = evidence.calls[answered(evidence)]
    return next(hold for hold in evidence.holds if hold.pk == call.pk)


def transcript_of(evidence: Evidence) -> Any:
    return next(said for said in evidence.transcripts if said.end == "done")


def lose_a_call(evidence: Evidence) -> None:
    del evidence.calls[answered(evidence)]


def lose_a_hold(evidence: Evidence) -> None:
    evidence.holds.remove(hold_of(evidence))


def double_a_call(evidence: Evidence) -> None:
    evidence.calls.append(evidence.calls[0])


def drop_a_charge(evidence: Evidence) -> None:
    hold_of(evidence).charged = 0


def double_an_entry(evidence: Evidence) -> None:
    evidence.entries.append(evidence.entries[-1])


def leave_a_hold(evidence: Evidence) -> None:
    hold_of(evidence).state = Hold.State.HELD


def leave_a_week_held(evidence: Evidence) -> None:
    evidence.weeks[0].held = 5


def charge_something_else(evidence: Evidence) -> None:
    """Consistently, so that only the provider's journal knows better."""
    call, hold = evidence.calls[answered(evidence)], hold_of(evidence)
    call.charged, hold.charged = call.charged + 1, call.charged + 1


def charge_nothing_for_leaving(evidence: Evidence) -> None:
    call = next(call for call in evidence.calls if call.status == "left")
    call.charged = next(hold for hold in evidence.holds if hold.pk == call.pk).charged = 0


def lose_text(evidence: Evidence) -> None:
    call = evidence.calls[answered(evidence)].pk
    evidence.answers[call] = evidence.answers[call][:-1]


def change_text(evidence: Evidence) -> None:
    call = evidence.calls[answered(evidence)].pk
    evidence.answers[call] = evidence.answers[call].replace("stub", "stab")


def ask_a_provider_twice(evidence: Evidence) -> None:
    evidence.journal.append(evidence.journal[-1])


def answer_a_repeat_anew(evidence: Evidence) -> None:
    said = transcript_of(evidence)
    again = copy.deepcopy(said)
    again.headers["x-request-id"] = "another"
    said.repeat_key = again.repeat_key = "key"
    evidence.transcripts.append(again)


def ask_a_provider_without_a_hold(evidence: Evidence) -> None:
    stray = copy.copy(evidence.journal[0])
    stray.headers = {**stray.headers, "x-request-id": "stray"}
    evidence.journal.append(stray)


def leak_a_connection(evidence: Evidence) -> None:
    most = evidence.before.sockets + evidence.excuses.sockets
    evidence.after = replace(evidence.after, sockets=most + 1)


def leak_files(evidence: Evidence) -> None:
    evidence.after = Footprint(files=evidence.before.files + 100)


def keep_a_provider_waiting(evidence: Evidence) -> None:
    evidence.connections = 1


def put_a_key_into_the_log(evidence: Evidence) -> None:
    evidence.log += f"Refused {evidence.transcripts[0].key}\n"


def put_a_prompt_into_the_log(evidence: Evidence) -> None:
    evidence.log += evidence.transcripts[0].prompt


def pass_on_what_a_provider_said(evidence: Evidence) -> None:
    transcript_of(evidence).body += b'data: {"error": "acct_secret"}\n\n'


def mix_up_two_students(evidence: Evidence) -> None:
    done = [said for said in evidence.transcripts if said.end == "done"]
    done[0].body, done[1].body = done[1].body, done[0].body


def end_without_done(evidence: Evidence) -> None:
    transcript_of(evidence).end = "clean"


def cut_somebody_off(evidence: Evidence) -> None:
    transcript_of(evidence).end = "cut"


def let_somebody_wait_for_ever(evidence: Evidence) -> None:
    transcript_of(evidence).end = "stuck"


def fail_by_a_mistake_of_ours(evidence: Evidence) -> None:
    said = transcript_of(evidence)
    said.end, said.status, said.body = "refused", 500, bytearray(b'{"error": {"code": "internal_error"}}')


WRONGS: list[tuple[Callable[[Evidence], None], str]] = [
    (lose_a_call, "has 0 records"),
    (lose_a_call, "has no call record"),
    (lose_a_hold, "has 0 holds"),
    (lose_a_hold, "and has no hold"),
    (double_a_call, "has 2 records"),
    (drop_a_charge, "its holds were charged"),
    (drop_a_charge, "its hold 0"),
    (double_an_entry, "its entries say"),
    (leave_a_hold, "still holds"),
    (leave_a_week_held, "are still held"),
    (charge_something_else, "the provider reported"),
    (charge_nothing_for_leaving, "bytes of text were relayed"),
    (lose_text, "kept, or others"),
    (lose_text, "bytes that the student saw were lost"),
    (change_text, "is not what the provider said"),
    (ask_a_provider_twice, "reached providers 2 times"),
    (ask_a_provider_twice, "Providers were asked"),
    (answer_a_repeat_anew, "was answered by 2 calls"),
    (ask_a_provider_without_a_hold, "Call stray was admitted and has 0 holds"),
    (leak_a_connection, "more sockets"),
    (leak_files, "more files"),
    (keep_a_provider_waiting, "connections open"),
    (put_a_key_into_the_log, "The log contains the secret"),
    (put_a_prompt_into_the_log, "The log contains words of a student"),
    (pass_on_what_a_provider_said, "contains a secret"),
    (mix_up_two_students, "somebody else's words"),
    (end_without_done, "as if complete"),
    (cut_somebody_off, "nobody had cut it"),
    (let_somebody_wait_for_ever, "never ended"),
    (fail_by_a_mistake_of_ours, "internal_error"),
]


@pytest.mark.parametrize(("wrong", "told"), WRONGS, ids=[f"{wrong.__name__}: {told}" for wrong, told in WRONGS])
def test_it_finds(evidence: Evidence, wrong: Callable[[Evidence], None], told: str) -> None:
    wrong(evidence)

    assert any(told in finding for finding in findings(evidence)), findings(evidence)
