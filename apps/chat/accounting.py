"""Accounting: what chat writes in one transaction: a movement of the ledger and the record of the call."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from apps.chat import claims
from apps.chat.claims import Kept
from apps.chat.parsing import ChatCall
from apps.chat.repeats import Claim, Taken
from apps.common.cursor import Cursor
from apps.conversations import calls
from apps.conversations.calls import CallRow, HitRow, Record
from apps.quotas import ledger
from apps.quotas.movements import ADJUSTED, Ended, Expire, Held, Movement, Outcome
from apps.quotas.weights import Tokens, Weights


@dataclass(frozen=True, slots=True)
class Unit:
    """A movement, a record, or both. The record of a movement that comes too late is dropped with it.

    `claim`: only if it can be had is the movement made, a reservation; else the outcome is Taken. `kept` ends a claim.
    """

    movement: Movement | None = None
    record: Record | None = None
    claim: Claim | None = None
    kept: Kept | None = None


def apply(cursor: Cursor, units: Sequence[Unit]) -> list[Outcome | Taken]:
    """A function for the writer: claims, then the ledger's batch, then the records of what it changed."""
    taken = _claim(cursor, units)
    moving = [unit for unit in units if unit.movement is not None and id(unit) not in taken]
    outcomes = dict(zip(map(id, moving), ledger.apply(cursor, [u.movement for u in moving if u.movement]), strict=True))
    records: list[Record] = []
    corrected: list[Record] = []
    for unit in units:
        outcome = outcomes.get(id(unit))
        if unit.record is None or (isinstance(outcome, Ended) and not outcome.changed):
            continue
        is_late = isinstance(outcome, Ended) and outcome.state == ADJUSTED
        (corrected if is_late else records).append(unit.record)
    calls.insert(cursor, records)
    calls.correct(cursor, corrected)
    _end_claims(cursor, units, outcomes)
    return [taken.get(id(unit)) or outcomes.get(id(unit)) for unit in units]


def _claim(cursor: Cursor, units: Sequence[Unit]) -> dict[int, Taken]:
    """Make the claims there are; by unit, those that could not be had."""
    wanted = [unit.claim for unit in units if unit.claim is not None]
    taken = claims.take(cursor, wanted) if wanted else {}
    return {id(unit): taken[unit.claim.call] for unit in units if unit.claim is not None and unit.claim.call in taken}


def _end_claims(cursor: Cursor, units: Sequence[Unit], outcomes: dict[int, Outcome]) -> None:
    """End those that are over, and take back those whose reservation was refused."""
    claims.end(cursor, [unit.kept for unit in units if unit.kept is not None])
    made = [unit for unit in units if unit.claim is not None and id(unit) in outcomes]
    claims.drop(cursor, [u.claim.call for u in made if u.claim and not isinstance(outcomes[id(u)], Held)])


def expire(cursor: Cursor, units: Sequence[tuple[str, datetime]]) -> list[bool]:
    """A function for the writer: charge holds that nobody answers for, and record their calls as interrupted."""
    outcomes = ledger.apply(cursor, [Expire(hold=hold, now=now) for hold, now in units])
    done = [isinstance(outcome, Ended) and outcome.changed for outcome in outcomes]
    records = [
        _interrupted(hold, outcome, now)
        for (hold, now), outcome, changed in zip(units, outcomes, done, strict=True)
        if changed and isinstance(outcome, Ended)
    ]
    calls.insert(cursor, records)
    claims.drop(cursor, [hold for (hold, _), changed in zip(units, done, strict=True) if changed])
    return done


def identity(row: CallRow, hits: Sequence[HitRow]) -> str:
    """What `expire` needs to write a call down, as the hold keeps it."""
    return orjson.dumps({"call": row, "hits": hits}).decode()


def _interrupted(hold: str, ended: Ended, now: datetime) -> Record:
    kept = orjson.loads(ended.identity)
    started_at = datetime.fromisoformat(kept["call"].pop("started_at"))
    row = CallRow(**kept["call"], started_at=started_at)
    row = replace(
        row,
        status="interrupted",
        error_code="gateway_crashed",
        charged=ended.charged,
        is_estimated=True,
        duration_ms=int((now - started_at).total_seconds() * 1000),
    )
    return Record(row, tuple(HitRow(**hit) for hit in kept["hits"]))


def weights_of(call: ChatCall) -> Weights:
    route = call.route
    return Weights(input=route.input_weight, cached_input=route.cached_input_weight, output=route.output_weight)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call may cost: token counts, and the weighted amounts to hold and to insist on."""

    input: int
    output: int
    amount: int
    least: int
    floor: int

    @classmethod
    def of(
        cls, call: ChatCall, *, input: int, default_output: int, least_output: int, most_output: int | None = None
    ) -> "Estimate":
        """`input` is the likely prompt in tokens; a quarter is held on top of it, as estimates err.

        No answer gets longer than the client, the course (`most_output`) and the model allow.
        """
        weights = weights_of(call)
        output = min(call.max_output or default_output, call.route.max_output_tokens)
        output = output if most_output is None else min(output, most_output)
        held = input + input // 4
        return cls(
            input=held,
            output=output,
            amount=weights.weigh(Tokens(input=held, output=output * call.choices)),
            least=weights.weigh(Tokens(input=held, output=min(output, least_output) * call.choices)),
            floor=weights.weigh(Tokens(input=input)),
        )

    def output_within(self, amount: int, call: ChatCall) -> int:
        """The output tokens of each choice that the held amount pays for."""
        weights = weights_of(call)
        affordable = weights.affordable_output(amount - weights.weigh(Tokens(input=self.input)))
        return self.output if affordable is None else max(1, min(self.output, affordable // call.choices))
