"""Whatever happens in whichever order, two processes count rightly, keep to one trial each, and come to agree."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from apps.common.health.states import Standing, State
from apps.providers.failures import Reason, UpstreamRefused
from apps.providers.health.memory import Health
from apps.providers.health.news import Key, StoredHealth
from apps.providers.routing import Candidate, plan, wait
from tests.providers.test_routing import a_route, a_secret, a_target

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
ROUTE = a_route(
    a_target("checked", deployment_id=1, secrets=(a_secret("one", id=1), a_secret("two", id=2))),
    a_target("unchecked", deployment_id=2, priority=1, secrets=(), probe_path="off"),
)
Open = tuple[int, Candidate]


class Agreement(RuleBasedStateMachine):
    """`rows` are what the database would hold: a judgement counts if it is about the present version."""

    calls: Bundle[Open] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.processes = [Health(rng=random.Random(seed)) for seed in range(2)]
        self.rows: dict[Key, StoredHealth] = {}
        self.under_way: list[Open] = []

    @rule(target=calls, process=st.integers(0, 1), seed=st.integers(0, 99))
    def begin(self, process: int, seed: int) -> Open:
        order = plan(ROUTE, self.processes[process], self.now, random.Random(seed))
        if not order:
            assert wait(ROUTE, self.processes[process], self.now)
            return multiple()  # type: ignore[return-value]
        self.processes[process].began(order[0])
        call = process, order[0]
        self.under_way.append(call)
        return call

    @rule(call=consumes(calls))
    def answer(self, call: Open) -> None:
        self.processes[call[0]].answered(call[1], now=self.now)
        self._end(call)

    @rule(call=consumes(calls), reason=st.sampled_from(get_args(Reason)), seconds=st.none() | st.floats(0, 400))
    def fail(self, call: Open, reason: Reason, seconds: float | None) -> None:
        refused = UpstreamRefused(reason, detail="", retry_after=seconds)
        self.processes[call[0]].failed(call[1], refused, now=self.now)
        self._end(call)

    @rule(call=consumes(calls))
    def leave(self, call: Open) -> None:
        self._end(call)

    def _end(self, call: Open) -> None:
        self.processes[call[0]].ended(call[1])
        # By identity: candidates that differ only in when they were planned are equal.
        self.under_way = [one for one in self.under_way if one is not call]

    @rule(seconds=st.sampled_from((0.1, 1.0, 11.0, 70.0, 331.0)))
    def wait_a_while(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(process=st.integers(0, 1), is_away=st.booleans())
    def write(self, process: int, is_away: bool) -> None:
        health = self.processes[process]
        news = health.news(self.now)
        if is_away:
            health.kept_back(news)
            return
        versions = {}
        for key, version, state in ((each.key, each.version, each.state) for each in news.judgements):
            if version == (self.rows[key].version if key in self.rows else 0):
                versions[key] = version + 1
                self.rows[key] = StoredHealth(state=state, version=version + 1)
        health.written(versions)

    @rule(process=st.integers(0, 1))
    def read(self, process: int) -> None:
        self.processes[process].read(self.rows)

    @rule(deployment=st.integers(1, 2))
    def check(self, deployment: int) -> None:
        """A good health check of an open deployment."""
        row = self.rows.get(("deployment", deployment))
        if row is not None and row.state.standing == Standing.OPEN:
            state = replace(row.state, standing=Standing.PROBATION, since=self.now, until=None, trial_at=None)
            self.rows["deployment", deployment] = StoredHealth(state=state, version=row.version + 1)

    @rule(credential=st.integers(1, 2))
    def put_back(self, credential: int) -> None:
        row = self.rows.get(("credential", credential))
        if row is not None:
            self.rows["credential", credential] = StoredHealth(state=State(since=self.now), version=row.version + 1)

    @invariant()
    def every_call_under_way_is_counted_once(self) -> None:
        for number, health in enumerate(self.processes):
            for target in ROUTE.targets:
                mine = [call for process, call in self.under_way if process == number and call.target == target]
                assert health.in_flight(target) == len(mine)

    @invariant()
    def no_pause_is_longer_than_it_may_be(self) -> None:
        for health in self.processes:
            for target in ROUTE.targets:
                until = health.deployment(target).until
                assert until is None or until - self.now <= timedelta(seconds=330)

    @invariant()
    def where_a_call_is_a_trial_no_other_follows(self) -> None:
        for number, health in enumerate(self.processes):
            for target in ROUTE.targets:
                turn = health.turns(target, None)[0]
                mine = [call for process, call in self.under_way if process == number and call.target == target]
                if health.deployment(target).is_open and any(call.turns[0] == turn for call in mine):
                    assert not health.admits(target, self.now)

    def teardown(self) -> None:
        for process in (0, 1, 0, 1):
            self.write(process, is_away=False)
            self.read(process)
        first, second = self.processes
        for target in ROUTE.targets:
            assert first.deployment(target).turning == second.deployment(target).turning
            for secret in target.secrets:
                assert first.credential(secret).turning == second.credential(secret).turning


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(stateful_step_count=40)
