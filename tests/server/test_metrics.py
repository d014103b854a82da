"""What scrapers read, with the token that opens it."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.chat.world import wait_until
from tests.live import Gateway, start_gateway

TOKEN = "scraper-" + "x" * 32


@pytest.fixture
def two_processes(data_dir: Path) -> Iterator[Gateway]:
    with start_gateway(data_dir, METRICS_TOKEN=TOKEN, WEB_CONCURRENCY="2") as gateway:
        yield gateway
        gateway.stop()


def scrape(gateway: Gateway, *, token: str = TOKEN) -> httpx.Response:
    return httpx.get(f"{gateway.base_url}/metrics", headers={"authorization": f"Bearer {token}"})


def counted(gateway: Gateway, status: int) -> int:
    found = re.findall(rf'stoa_requests_total{{.*status="{status}".*}} (\S+)', scrape(gateway).text)
    return int(sum(map(float, found)))


def test_whichever_process_is_asked_answers_for_all(two_processes: Gateway) -> None:
    for _ in range(40):  # each on a connection of its own, which either process may take
        assert httpx.get(f"{two_processes.base_url}/v1/models").status_code == 401
    before = [counted(two_processes, 401) for _ in range(6)]

    two_processes.kill_child("gateway_project.processes.web")
    two_processes.wait_until_ready()
    httpx.get(f"{two_processes.base_url}/v1/models")

    assert before == [40] * 6
    assert wait_until(lambda: counted(two_processes, 401)) == 41
    assert "stoa_calls_live 0.0" in scrape(two_processes).text
    assert scrape(two_processes, token="wrong").status_code == 404
