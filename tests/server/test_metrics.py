"""What scrapers read, with the token that opens it."""

import json
import math
import re
from concurrent.futures import ThreadPoolExecutor

import httpx

from gateway_project.observability import showing
from gateway_project.reference.metrics import known_metrics
from tests.chat.world import wait_until
from tests.conftest import METRICS_TOKEN
from tests.live import Gateway
from tests.monitoring.promtool import promtool

# What some installations do not have: figures of Redis and PostgreSQL.
OF_A_CALL = {
    *("stoa_component", "stoa_connections", "stoa_credentials", "stoa_deployments", "stoa_model_deployments_answering"),
    *("stoa_calls_total", "stoa_provider_check_failed", "stoa_requests_total", "stoa_request_seconds"),
    *("stoa_tokens_total", "stoa_upstream_attempts_total", "stoa_upstream_first_byte_seconds", "stoa_upstream_seconds"),
}
NOT_HERE = {"stoa_rate_limits_local", "stoa_clock_offset_seconds"}


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


def families(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (stoa_\w+) ", text, re.MULTILINE))


def test_a_running_installation_shows_what_dashboards_and_alerts_ask_for(two_processes: Gateway) -> None:
    """After one call; what did not happen is not shown. `make check` compares all names with the code."""
    demo = json.loads((two_processes.data_dir / "demo.json").read_text())
    body = {"model": demo["model"], "messages": [{"role": "user", "content": "Hello"}]}
    key = {"authorization": f"Bearer {demo['student_key']}"}
    answer = httpx.post(f"{two_processes.base_url}/v1/chat/completions", json=body, headers=key)
    wanted = {metric.name for metric in known_metrics() if not metric.labels} | OF_A_CALL

    assert answer.status_code == 200
    wait_until(lambda: wanted - NOT_HERE <= families(scrape(two_processes).text), what="Every metric")


def test_promtool_has_nothing_to_complain_of(two_processes: Gateway) -> None:
    done = promtool("check", "metrics", given=scrape(two_processes).text)

    assert (done.returncode, done.stderr) == (0, "")


def test_two_scrapers_at_once_read_the_same_of_the_installation(two_processes: Gateway) -> None:
    with ThreadPoolExecutor(2) as scrapers:
        texts = list(scrapers.map(lambda _: scrape(two_processes).text, range(6)))

    components = [set(re.findall(r"^stoa_component{.*} 1\.0$", text, re.MULTILINE)) for text in texts]
    assert all('stoa_component{component="database",condition="healthy"} 1.0' in found for found in components)
    assert all(text.count("# TYPE stoa_holds_open gauge") == 1 for text in texts)


def test_guessed_addresses_and_methods_add_no_series(two_processes: Gateway) -> None:
    def series() -> set[str]:
        return {line.rpartition(" ")[0] for line in scrape(two_processes).text.splitlines() if not line.startswith("#")}

    def guess(client: httpx.Client, name: object) -> None:
        for prefix in ("/v1/", "/svc/", "/admin/", "/"):
            client.request(f"M{name}", f"{two_processes.base_url}{prefix}{name}")
            client.get(f"{two_processes.base_url}{prefix}{name}")

    with httpx.Client() as client:
        for _ in range(4):
            guess(client, "first")
        before = series()
        for number in range(40):
            guess(client, number)

    assert len(series() - before) < 40  # one for each name would be as many


def test_a_model_that_is_gone_has_no_number() -> None:
    """0 would say for ever that nobody is left to answer."""
    showing._show(showing.ANSWERING, {}, {("removed",): 2}, gone=math.nan)

    assert math.isnan(showing.ANSWERING.labels("removed")._value.get())
