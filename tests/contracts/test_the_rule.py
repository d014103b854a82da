"""Every way of counting against the rule written down: everything kept for ever, and added up anew each time."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.quotas.rate_limits.limits import WINDOW, Scope, Unit
from tests.contracts.rates import Limiter, course, student, told


class Rule:
    def __init__(self) -> None:
        self.kept: dict[str, tuple[tuple[Scope, ...], int, int]] = {}
        self.open: set[str] = set()

    def fits(self, scopes: tuple[Scope, ...], amount: int, now: int) -> bool:
        return not self.is_busy(scopes) and all(
            scope.per_minute is None or self._used(scope, now) + amount <= scope.per_minute for scope in scopes
        )

    def is_busy(self, scopes: tuple[Scope, ...]) -> bool:
        return any(
            scope.at_once is not None and sum(scope in self.kept[id][0] for id in self.open) >= scope.at_once
            for scope in scopes
        )

    def _used(self, scope: Scope, now: int) -> int:
        return sum(amount for scopes, amount, at in self.kept.values() if scope in scopes and now - WINDOW < at <= now)


limits = st.none() | st.integers(1, 5)
steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "leave", "wait"]),
        st.integers(0, 2),
        st.integers(0, 120),
        st.integers(0, 30_000_999),
    ),
    min_size=1,
    max_size=50,
)


@pytest.mark.parametrize("unit", ["requests", "tokens"])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(own=st.tuples(limits, limits), common=st.tuples(limits, limits), steps=steps)
async def test_it_admits_what_the_rule_admits_and_tells_the_exact_wait(
    limiter: Limiter,
    unit: Unit,
    own: tuple[int | None, int | None],
    common: tuple[int | None, int | None],
    steps: list[tuple[str, int, int, int]],
) -> None:
    """Each example has accounts of its own. Requests leave; calls end, and then cost what they cost."""
    if unit == "tokens":
        own, common = (20 * (own[0] or 5), None), (20 * (common[0] or 10), None)
    students, together = [student(*own, unit=unit) for _ in range(3)], course(*common, unit=unit)
    rule = Rule()
    for what, who, amount, microseconds in steps:
        if what == "wait":
            await limiter.wait(milliseconds=microseconds / 1000)
        elif what == "leave" and rule.open:
            await leave(limiter, rule, sorted(rule.open)[who % len(rule.open)], amount)
        elif what == "ask":
            await ask(limiter, rule, (students[who], together), amount if unit == "tokens" else 1)
    await limiter.leave(*rule.open)


async def leave(limiter: Limiter, rule: Rule, id: str, amount: int) -> None:
    rule.open.discard(id)
    scopes, _, at = rule.kept[id]
    if scopes[0].unit == "tokens":
        await limiter.end(id, *scopes, amount=amount)
        rule.kept[id] = (scopes, amount, at)
    else:
        await limiter.leave(id)


async def ask(limiter: Limiter, rule: Rule, scopes: tuple[Scope, ...], amount: int) -> None:
    now = limiter.clock.now
    id = await limiter.ask(*scopes, amount=amount)
    assert (id is not None) is rule.fits(scopes, amount, now)
    if id is not None:
        rule.kept[id] = (scopes, amount, now)
        rule.open.add(id)
    elif not rule.is_busy(scopes) and all(amount <= (scope.per_minute or amount) for scope in scopes):
        wait = told(await limiter.refusal(*scopes, amount=amount)) * 1000
        assert 0 < wait <= WINDOW
        assert rule.fits(scopes, amount, now + wait)
        assert not rule.fits(scopes, amount, now + wait - 1000)
