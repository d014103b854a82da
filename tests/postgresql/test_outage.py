"""A gateway on PostgreSQL as students meet it: processes in any number, a database that goes away and comes back."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chat.world import wait_until
from tests.live import Gateway, manage, start_gateway
from tests.servers import PATIENCE, PostgreSQL

LONG = " ".join(f"word{number}" for number in range(150))  # three seconds of echo
STREAMS = 8  # at once, as the demo course allows


@dataclass(frozen=True, slots=True)
class Installation:
    """A gateway with its demo course, and the server under it."""

    gateway: Gateway
    server: PostgreSQL
    name: str
    key: str

    def ask(self, prompt: str = "one two three", *, stream: bool = False) -> httpx.Response:
        body = {"model": "echo", "messages": [{"role": "user", "content": prompt}], "stream": stream}
        return httpx.post(
            f"{self.gateway.base_url}/v1/chat/completions",
            json=body,
            headers={"authorization": f"Bearer {self.key}"},
            timeout=PATIENCE,
        )

    def rows(self, sql: str) -> list[Any]:
        return self.server.execute(sql, self.name)

    def is_ready(self) -> bool:
        return httpx.get(f"{self.gateway.base_url}/health/ready", timeout=PATIENCE).status_code == 200

    def audit(self) -> str:
        audited = manage("audit_ledger", data_dir=self.gateway.data_dir, DATABASE_URL=self.server.url(self.name))
        return audited.stdout.strip().rpartition(": ")[2]


@pytest.fixture(scope="session")
def template(spare_server: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated database."""
    spare_server.execute("CREATE DATABASE template_stoa")
    url = spare_server.url("template_stoa")
    migrated = manage("migrate", "--verbosity", "0", data_dir=tmp_path_factory.mktemp("template"), DATABASE_URL=url)
    assert migrated.returncode == 0, migrated.stderr
    return "template_stoa"


@pytest.fixture
def installation(
    request: pytest.FixtureRequest, server: PostgreSQL, template: str, tmp_path: Path
) -> Iterator[Installation]:
    """Takes the number of web processes as its parameter; without one there is one."""
    name = f"stoa_{time.monotonic_ns()}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    processes = str(getattr(request, "param", 1))
    with start_gateway(tmp_path, DATABASE_URL=server.url(name), WEB_CONCURRENCY=processes) as gateway:
        demo = json.loads((tmp_path / "demo.json").read_text())
        yield Installation(gateway, server, name, demo["student_key"])
        gateway.stop()


def test_an_outage_costs_refusals_and_nothing_else(installation: Installation) -> None:
    assert installation.ask().status_code == 200
    with ThreadPoolExecutor(1) as thread:
        streaming = thread.submit(installation.ask, LONG, stream=True)
        wait_until(lambda: installation.rows("SELECT 1 FROM quotas_hold WHERE state = 'held'"))
        installation.server.kill()

        refused = installation.ask()
        wait_until(lambda: not installation.is_ready(), seconds=5)  # what was found is kept for a second
        page = httpx.get(f"{installation.gateway.base_url}/admin/", cookies={"sessionid": "a" * 32}, timeout=PATIENCE)
        streamed = streaming.result()

    installation.server.start()
    returned = time.monotonic()
    wait_until(lambda: installation.ask().status_code == 200)
    seconds = time.monotonic() - returned

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "quota_backend_unavailable")
    assert refused.headers["retry-after"] == "1"
    assert (page.status_code, "database is unavailable" in page.text) == (503, True)
    assert streamed.text.rstrip().endswith("data: [DONE]")
    assert seconds < 5  # one, on a machine that has nothing else to do
    wait_until(lambda: installation.rows("SELECT count(*) FROM quotas_hold WHERE state = 'settled'") == [(3,)])
    used = installation.rows("SELECT used, held FROM quotas_weeklyusage WHERE kind = 'student'")
    charged = installation.rows("SELECT sum(charged), count(*) FROM conversations_call WHERE status = 'answered'")
    assert used == [(charged[0][0], 0)]
    assert charged[0][1] == 3
    assert installation.audit() == "drift 0"
    text = (
        "SELECT string_agg(text, '' ORDER BY seq) FROM conversations_turn WHERE role = 'assistant'"
        " GROUP BY call_id HAVING sum(length(text)) > 500"
    )
    wait_until(lambda: installation.rows(text) == [(LONG,)])


def test_streams_hold_no_connection(installation: Installation) -> None:
    with ThreadPoolExecutor(40) as threads:
        streaming = [threads.submit(installation.ask, LONG, stream=True) for _ in range(40)]
        wait_until(lambda: installation.rows("SELECT count(*) FROM quotas_hold WHERE state = 'held'")[0][0] >= STREAMS)
        connections = installation.rows(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{installation.name}'")
        statuses = {one.result().status_code for one in streaming}

    # The ledger's, this one, and a few for looking at changes and for the worker: on a busy machine more than usual.
    assert connections[0][0] < 2 + STREAMS
    assert statuses <= {200, 429}


@pytest.mark.parametrize("installation", [2, 4], indirect=True, ids=["2 processes", "4 processes"])
def test_the_last_tokens_are_given_out_once_however_many_processes_there_are(installation: Installation) -> None:
    held = installation.ask()
    each = int(installation.rows("SELECT amount FROM quotas_hold")[0][0])
    spent = int(installation.rows("SELECT used FROM quotas_weeklyusage WHERE kind = 'student'")[0][0])
    installation.rows(
        f"UPDATE quotas_quotapolicy SET student_weekly_tokens = {spent + 5 * each}, "
        "student_requests_per_minute = NULL, student_concurrent_requests = NULL"
    )
    installation.rows("UPDATE common_revision SET number = number + 1 WHERE topic = 'policies'")
    wait_until(lambda: installation.ask("").headers.get("x-quota-limit-tokens") == str(spent + 5 * each))
    time.sleep(2.0)  # within which every process goes by a change, as is promised: one of them answered just now

    with ThreadPoolExecutor(40) as threads:
        list(threads.map(lambda _: installation.ask(LONG, stream=True).status_code, range(40)))

    assert held.status_code == 200
    assert installation.audit() == "drift 0"
    overdrawn = (
        "SELECT e.usage_id FROM (SELECT usage_id, sum(held_delta + used_delta) OVER (PARTITION BY usage_id ORDER BY id)"
        f" AS total FROM quotas_ledgerentry) e JOIN quotas_weeklyusage w ON w.id = e.usage_id"
        f" WHERE w.kind = 'student' AND e.total > {spent + 5 * each}"
    )
    assert installation.rows(overdrawn) == []


@pytest.mark.parametrize("installation", [2], indirect=True, ids=["2 processes"])
def test_what_a_killed_process_left_is_resolved_by_the_other(installation: Installation) -> None:
    with ThreadPoolExecutor(32) as threads:

        def both_answer() -> bool:
            threads.submit(_ask_and_lose, installation)  # one more: the second process may start later
            return installation.rows("SELECT count(DISTINCT owner) FROM quotas_hold WHERE state = 'held'") == [(2,)]

        wait_until(both_answer)
        _kill_one_web_process(installation.gateway)
        killed = time.monotonic()
        wait_until(lambda: installation.rows("SELECT 1 FROM quotas_hold WHERE state = 'expired'"))
        seconds = time.monotonic() - killed

    assert seconds < 10  # five, on a machine that has nothing else to do
    wait_until(lambda: installation.rows("SELECT count(*) FROM quotas_hold WHERE state = 'held'") == [(0,)])
    assert installation.audit() == "drift 0"


def _ask_and_lose(installation: Installation) -> None:
    with contextlib.suppress(httpx.TransportError):
        installation.ask(LONG, stream=True)


def _kill_one_web_process(gateway: Gateway) -> None:
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in gateway.children()}
    os.kill(
        next(pid for pid, command in commands.items() if b"gateway_project.processes.web" in command), signal.SIGKILL
    )
