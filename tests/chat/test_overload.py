"""More calls than can be started: some wait, the others are told at once when to come back, and nobody pays for it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from apps.dataplane.admission import MOST_STARTING
from tests.chat.test_locked_database import locked
from tests.chat.test_mutations import UNLIMITED
from tests.chat.world import PATIENCE, make_world, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub

SURPLUS = 40


@pytest.mark.usefixtures("committed_db")
def test_what_cannot_start_in_time_is_told_to_come_back(gateway: Gateway, stub: ProviderStub) -> None:
    """Nothing can be reserved while the database is locked, so the first calls hold all the places."""
    policy = {**UNLIMITED, "student_concurrent_requests": None}
    with make_world(gateway, stub, policy=policy) as world, ThreadPoolExecutor(MOST_STARTING + SURPLUS) as pool:
        with locked(PATIENCE):
            asked = [pool.submit(world.post, timeout=2 * PATIENCE) for _ in range(MOST_STARTING + SURPLUS)]
            meanwhile = [world.get("/v1/models").status_code, httpx.get(f"{gateway.base_url}/health/ready").status_code]
            wait_until(
                lambda: sum(one.done() for one in asked) >= SURPLUS, what="The refusal of those who cannot start"
            )
        answers = [one.result() for one in asked]

        assert Counter(answer.status_code for answer in answers) == {200: MOST_STARTING, 503: SURPLUS}
        assert meanwhile[1] == 200  # whatever students are told, health is never refused
        assert world.settled().held == 0
        assert len(world.calls()) == MOST_STARTING
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert refused.json()["error"]["code"] == "overloaded"
        assert refused.json()["error"]["charged"] == 0
        assert 1 <= int(refused.headers["retry-after"]) <= 3
        assert 1_000 <= int(refused.headers["retry-after-ms"]) <= 3_000
        assert len(stub.journal) == MOST_STARTING
        assert world.ask().choices[0].message.content  # and then it is over
