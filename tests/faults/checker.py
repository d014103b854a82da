"""The checker: compares, after a run, what clients saw, what the provider did, and what the database says.

Each check is a function from the evidence to findings, which are sentences. All is well when there are none. The checks
stand for the nine promises that every fault must leave whole; a fault that excuses something says so in `Excuses`.

Models in the runs weigh each token as one, and courses record everything.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from apps.conversations.models import Call
from apps.quotas.models import Hold, LedgerEntry, WeeklyUsage
from tests.faults.footprint import Footprint
from tests.faults.load import MARK, Transcript
from tests.provider_stub import Exchange

CHECKPOINT_BYTES = 4096
SHARE_OF_TEXT = 8  # no token of an estimate covers more bytes than this
MOST_CALLS = 1.10  # at providers, for each call
SPARE_FILES = 8  # each thread that asks the database keeps a connection of its own

Findings = Iterator[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuses:
    """What a fault makes unavoidable. The default excuses nothing."""

    cuts: bool = False  # we cut connections or killed processes, so answers may break off, and calls be interrupted
    refusals: frozenset[str] = frozenset()  # codes of errors that may be met, before or within an answer
    unanswered: bool = False  # we shut the door for a while
    lost_bytes: int = CHECKPOINT_BYTES  # of an answer, when its process was killed
    attempts: float = MOST_CALLS
    unreached: bool = False  # attempts may have reached no provider
    resent: bool = False  # we cut kept connections, after which a request is sent again over a new one
    sockets: int = 0  # of a pool that fills as it is needed
    files: int = SPARE_FILES


@dataclass(slots=True, kw_only=True)
class Evidence:
    """Everything that three witnesses say of a run. Calls are those of the run's own course."""

    transcripts: list[Transcript]
    journal: list[Exchange]
    calls: list[Call]
    holds: list[Hold]
    weeks: list[WeeklyUsage]
    entries: list[LedgerEntry]
    answers: dict[str, str]  # the text that was written down, by call
    log: str = ""
    secrets: tuple[str, ...] = ()
    before: Footprint = field(default_factory=Footprint)
    after: Footprint = field(default_factory=Footprint)
    connections: int = 0  # that providers still have open
    excuses: Excuses = field(default_factory=Excuses)

    @property
    def exchanges(self) -> dict[str, list[Exchange]]:
        """What providers were asked, by call."""
        found: dict[str, list[Exchange]] = {}
        for exchange in self.journal:
            found.setdefault(exchange.call, []).append(exchange)
        return found

    @property
    def answering(self) -> dict[str, Exchange]:
        """The exchange that answered each call: the last in which the provider said something, or else the last one.

        On a busy machine, a provider may read a request only after the gateway gave up on it and another one answered.
        """
        return {
            call: next((one for one in reversed(asked) if one.sent), asked[-1])
            for call, asked in self.exchanges.items()
        }

    @property
    def heard(self) -> dict[str, Transcript]:
        """What clients got, by call."""
        return {said.call: said for said in self.transcripts if said.call}


def one_record_each(evidence: Evidence) -> Findings:
    """C1: whatever was admitted has one hold and one call, and the other way round."""
    holds, calls = Counter(hold.pk for hold in evidence.holds), Counter(call.pk for call in evidence.calls)
    admitted = {said.call for said in evidence.transcripts if said.status == 200} | set(evidence.exchanges)
    for call in sorted(admitted):
        if holds[call] != 1:
            yield f"Call {call} was admitted and has {holds[call]} holds."
        if calls[call] != 1:
            yield f"Call {call} was admitted and has {calls[call]} records."
    for call in sorted(set(holds) - set(calls)):
        yield f"Hold {call} has no call record."
    refused = (Call.Status.BLOCKED, Call.Status.OUT_OF_QUOTA)
    for record in evidence.calls:
        if record.pk not in holds and record.status not in refused:
            yield f"Call {record.pk} is {record.status} and has no hold."


def used_is_what_was_charged(evidence: Evidence) -> Findings:
    """C2: the weeks are the sums of charges, and of their entries."""
    for week in evidence.weeks:
        drawn = [hold for hold in evidence.holds if week.pk in json.loads(hold.usage_ids)]
        entries = [entry for entry in evidence.entries if entry.usage_id == week.pk]
        charged = sum(hold.charged or 0 for hold in drawn)
        entered = sum(entry.used_delta for entry in entries)
        if week.used != charged:
            yield f"{week}: used is {week.used}, its holds were charged {charged}."
        if week.used != entered:
            yield f"{week}: used is {week.used}, its entries say {entered}."
        if week.held != (held := sum(entry.held_delta for entry in entries)):
            yield f"{week}: held is {week.held}, its entries say {held}."


def nothing_is_held(evidence: Evidence) -> Findings:
    """C3: once the dust has settled."""
    for hold in evidence.holds:
        if hold.state == Hold.State.HELD:
            yield f"Call {hold.pk} still holds {hold.amount} tokens."
    for week in evidence.weeks:
        if week.held:
            yield f"{week}: {week.held} tokens are still held."


def charges_are_true(evidence: Evidence) -> Findings:
    """C4: what the provider reported where it did, else the documented estimate."""
    holds, answering, heard = {hold.pk: hold for hold in evidence.holds}, evidence.answering, evidence.heard
    for call in evidence.calls:
        hold = holds.get(call.pk)
        if hold is None:
            continue
        if call.charged != (hold.charged or 0):
            yield f"Call {call.pk} says it cost {call.charged}, its hold {hold.charged}."
        yield from _wrong_charge(call, hold, answering.get(call.pk), heard.get(call.pk))


def _wrong_charge(call: Call, hold: Hold, asked: Exchange | None, said: Transcript | None) -> Findings:
    reported = _tokens(asked.usage) if asked is not None and asked.finished else None
    relayed = len(said.text.encode()) if said is not None else 0
    if asked is None:
        if call.charged and call.status not in ("left", "interrupted"):
            yield f"Call {call.pk} reached no provider and cost {call.charged}."
    elif call.status == "interrupted":
        if hold.charged != (due := max(hold.floor, hold.checkpoint)):
            yield f"Call {call.pk} was interrupted and cost {hold.charged} instead of {due}, its last checkpoint."
    elif call.status == "answered" and reported is not None:
        if call.charged != reported:
            yield f"Call {call.pk} cost {call.charged}, the provider reported {reported}."
    elif reported is not None and call.status == "left" and call.charged < reported:
        yield f"Call {call.pk} was left and cost {call.charged}, the provider reported {reported}."
    elif relayed and call.charged < relayed / SHARE_OF_TEXT:
        yield f"Call {call.pk} cost {call.charged}, though {relayed} bytes of text were relayed."
    elif call.status == "left" and not call.charged:
        yield f"Call {call.pk} was left and cost nothing, though the provider was asked."


def _tokens(usage: dict[str, int] | None) -> int | None:
    return usage["prompt_tokens"] + usage["completion_tokens"] if usage else None


def text_is_kept(evidence: Evidence) -> Findings:
    """C5: what was relayed is what was written down, up to the last checkpoint when a process was killed."""
    answering, heard = evidence.answering, evidence.heard
    for call in evidence.calls:
        said, asked = heard.get(call.pk), answering.get(call.pk)
        if said is None or said.status != 200:
            continue
        kept, relayed = evidence.answers.get(call.pk, ""), said.text
        if said.end in ("done", "whole", "error") and call.status != "interrupted" and kept != relayed:
            yield f"Call {call.pk}: {len(relayed)} characters were relayed, {len(kept)} kept, or others."
        if asked is not None and not asked.text.startswith(kept):
            yield f"Call {call.pk}: the text that was kept is not what the provider said."
        lost = len(relayed.encode()) - len(kept.encode())
        if lost > (evidence.excuses.lost_bytes if call.status == "interrupted" else 0):
            yield f"Call {call.pk}: {lost} bytes that the student saw were lost."


def nobody_was_asked_twice(evidence: Evidence) -> Findings:
    """C6: a provider is asked as often as the call says, over all hardly more than once a call, and for one
    Idempotency-Key by one call."""
    exchanges = evidence.exchanges
    answered: dict[tuple[str, str], set[str]] = {}
    for said in evidence.transcripts:
        if said.repeat_key and said.end in ("done", "whole"):
            answered.setdefault((said.key, said.repeat_key), set()).add(said.call)
    for (_, key), calls in sorted(answered.items()):
        if len(calls) > 1:
            yield f"The Idempotency-Key {key} was answered by {len(calls)} calls."
    for call in evidence.calls:
        times = len(exchanges.get(call.pk, ()))
        least = 0 if evidence.excuses.unreached else call.attempts
        most = call.attempts * (2 if evidence.excuses.resent else 1)
        if call.status == "answered" and not least <= times <= most:
            yield f"Call {call.pk} reached providers {times} times, its record says {call.attempts}."
    if len(evidence.journal) > evidence.excuses.attempts * max(1, len(exchanges)):
        yield f"Providers were asked {len(evidence.journal)} times for {len(exchanges)} calls."


def nothing_stays_open(evidence: Evidence) -> Findings:
    """C7: sockets, files and connections are back where they were."""
    before, after = evidence.before, evidence.after
    if after.sockets > before.sockets + evidence.excuses.sockets:
        yield f"{after.sockets - before.sockets} more sockets are open than before."
    if after.files > before.files + evidence.excuses.files:
        yield f"{after.files - before.files} more files are open than before."
    if evidence.connections:
        yield f"Providers still have {evidence.connections} connections open."


def secrets_stay_secret(evidence: Evidence) -> Findings:
    """C8: no key and no student's words in any log; no secret and nobody else's words in any answer."""
    keys = {said.key for said in evidence.transcripts}
    for secret in sorted({*evidence.secrets, *keys}):
        if secret in evidence.log:
            yield f"The log contains the secret {secret[:8]}…"
    for mark in sorted(set(MARK.findall(evidence.log))):
        yield f"The log contains words of a student: {mark}"
    for said in evidence.transcripts:
        seen = said.body.decode(errors="replace") + json.dumps(said.headers)
        if any(secret in seen for secret in chain(evidence.secrets, keys)):
            yield f"The answer to call {said.call} contains a secret."
        if set(MARK.findall(seen)) - set(MARK.findall(said.prompt)):
            yield f"The answer to call {said.call} contains somebody else's words."


def ends_are_honest(evidence: Evidence) -> Findings:
    """C9: a stream ends with [DONE], with a typed error, or by a cut that we made; and no error is one of ours."""
    excuses = evidence.excuses
    for said in evidence.transcripts:
        name = f"Call {said.call}" if said.call else "A request"
        if said.end == "clean":
            yield f"{name} ended as if complete, without [DONE] or an error."
        elif said.end == "stuck":
            yield f"{name} never ended."
        elif (said.end == "cut" and not excuses.cuts) or (said.end == "unanswered" and not excuses.unanswered):
            yield f"{name} was {said.end}, and nobody had cut it."
        elif said.code and said.code not in excuses.refusals:
            yield f"{name} ended with the error {said.code} ({said.status})."


CHECKS: tuple[Callable[[Evidence], Findings], ...] = (
    one_record_each,
    used_is_what_was_charged,
    nothing_is_held,
    charges_are_true,
    text_is_kept,
    nobody_was_asked_twice,
    nothing_stays_open,
    secrets_stay_secret,
    ends_are_honest,
)


def findings(evidence: Evidence) -> list[str]:
    """Everything that is wrong. Empty when all is well."""
    return [finding for check in CHECKS for finding in check(evidence)]
