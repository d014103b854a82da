"""What scrapers read, with the token that opens it."""

import re

import httpx

from tests.chat.world import wait_until
from tests.conftest import METRICS_TOKEN
from tests.live import Gateway


def scrape(gateway: Gateway, *, token: str = METRICS_TOKEN) -> httpx.Response:
    return httpx.get(f"{gateway.base_url}/metrics", headers={"authorization": f"Bearer {token}"})


def counted(gateway: Gateway, status: int) -> int:
    found = re.findall(rf'stoa_requests_total{{.*status="{status}".*}} (\S+)', scrape(gateway).text)
    return int(sum(map(float, found)))


def test_the_states_of_deployments_and_credentials_are_shown(two_processes: Gateway) -> None:
    def shown() -> set[str]:
        return set(
            re.findall(r'(stoa_(?:deployments|credentials)){.*state="well".*} [1-9]', scrape(two_processes).text)
        )

    # Echo, which every new gateway has, needs no credential.
    wait_until(lambda: "stoa_deployments" in shown(), what="The gauge")


def test_whichever_process_is_asked_answers_for_all(two_processes: Gateway) -> None:
    before = counted(two_processes, 401)
    for _ in range(40):  # each on a connection of its own, which either process may take
        assert httpx.get(f"{two_processes.base_url}/v1/models").status_code == 401
    counts = {counted(two_processes, 401) - before for _ in range(6)}

    two_processes.kill_child("gateway_project.processes.web")
    two_processes.wait_until_ready()
    httpx.get(f"{two_processes.base_url}/v1/models")

    assert counts == {40}
    wait_until(lambda: counted(two_processes, 401) == before + 41, what="The count of all processes, past and present")
    wait_until(lambda: "stoa_calls_live 0.0" in scrape(two_processes).text, what="The end of all calls")
    assert scrape(two_processes, token="wrong").status_code == 404
