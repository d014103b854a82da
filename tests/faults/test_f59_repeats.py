"""F59: requests are sent again with the same Idempotency-Key: at once, after success, after failure. One executes."""

import asyncio
import itertools
from collections.abc import Callable

from apps.common.ids import new_id
from tests.faults.conftest import Scale
from tests.faults.load import Transcript, all_at_once, ask, new_prompt
from tests.faults.scene import Scene

TWINS = 4
REFUSALS = frozenset({"idempotency_in_flight", "upstream_error"})


def send(scene: Scene, keys: list[tuple[str, str]], *, times: int = 1) -> list[Transcript]:
    """Each prompt with its key so many times at once, half of them as streams."""
    asking = [
        ask(scene.student(number), prompt, stream=number % 2 == 0, repeat_key=key)
        for number, (prompt, key) in enumerate(keys)
        for _ in range(times)
    ]
    return scene.add(asyncio.run(all_at_once(asking)))


def test_one_of_many_alike_is_carried_out(scene: Scene, scale: Scale, report: Callable[[str], None]) -> None:
    rounds, times = scale.rounds(battery=50), scale.pick(10, 50)
    executed = replayed = failed = 0

    for _ in range(rounds):
        keys = [(new_prompt(), new_id()) for _ in range(times)]
        scene.stub.will(times=times // 5, body=b"")
        before = len(scene.stub.journal)
        first = send(scene, keys, times=TWINS)
        again = list(itertools.chain.from_iterable(send(scene, keys) for _ in range(2)))
        executed += len(scene.stub.journal) - before
        failed += len({said.call for said in first if said.status == 502})
        replayed += sum("x-gateway-replayed" in said.headers for said in again)
        assert [said.status for said in again] == [200] * len(again)

    findings = scene.findings(refusals=REFUSALS, attempts=2.0)
    asked = rounds * times
    report(
        f"F59: {asked} keys, {executed} executed, {failed} of them failed, {replayed} replayed; {findings or 'silent'}"
    )
    assert findings == []
    assert executed == asked + failed
    assert replayed >= asked
