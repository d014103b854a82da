"""`make bench`: Stoa with everything on, beside the bare upstream that it relays to.

Everything on means: a key, ten rules, three limited accounts in the ledger, calls recorded, text spooled and drained.
Starts its own upstream and its own Stoa with a data directory of its own, on free ports, and stops both at the end.
"""

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.streams import Streams, hold, resident_kb

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SECONDS = int(os.environ.get("BENCH_SECONDS", "8"))
CONFIGURATION = """
institution: {{timezone: Europe/Helsinki, week_starts: monday, weekly_tokens: 1000000000000}}
providers:
  - {{name: mock, adapter: openai, base_url: "http://127.0.0.1:{port}/v1", allow_private_network: true,
     credentials: [{{label: main, secret_env: BENCH_SECRET}}]}}
models:
  - {{name: mock, deployments: [{{provider: mock, upstream_model: mock}}]}}
  - {{name: slow, deployments: [{{provider: mock, upstream_model: mock-c50-d100}}]}}
courses:
  - slug: bench
    title: Bench
    timezone: Europe/Helsinki
    weekly_tokens: 100000000000
    student_weekly_tokens: 10000000000
    models: [mock, slow]
    rules:
{rules}
    members: [{{external_id: ada, role: student}}]
"""
RULE = """\
      - {{name: rule-{n}, pattern: '(?i)forbidden\\s+phrase{n}', action: block, stage: enforce,
         message: Not here.}}"""


def main() -> None:
    if shutil.which("wrk") is None:
        sys.exit("The benchmark needs wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory() as directory, _upstream() as upstream_port:
        environment = _environment(Path(directory), upstream_port)
        key = _set_up(environment, Path(directory), upstream_port)
        with _stoa(environment) as process:
            report = _measure(int(environment["PORT"]), upstream_port, key, process.pid)
        report["ledger drift"] = _manage(environment, "audit_ledger").splitlines()[-1]
    _print(report)


def _measure(port: int, upstream_port: int, key: str, pid: int) -> dict[str, Any]:
    web = _web_process(pid)
    rest = resident_kb(web)
    _wrk(port, key, clients=8, seconds=2)
    report: dict[str, Any] = {
        "bare upstream, 1 client": _wrk(upstream_port, key, clients=1),
        "plain, 1 client": _wrk(port, key, clients=1),
        "plain, 32 clients": _wrk(port, key, clients=32),
        "80-chunk streams, 32 clients": _wrk(port, key, clients=32, stream=True),
        "plain, 1 client, while the spool drains": _wrk(port, key, clients=1),
    }
    added = report["plain, 1 client"]["p50"] - report["bare upstream, 1 client"]["p50"]
    report["added p50, 1 client"] = f"{added:.2f} ms"
    report["memory at rest, web process"] = f"{rest / 1024:.0f} MB"
    spike = asyncio.run(hold(port=port, key=key, model="slow", count=200, within=10, pid=web))
    many = asyncio.run(hold(port=port, key=key, model="slow", count=1000, within=2, pid=web))
    most = asyncio.run(
        hold(port=port, key=key, model="slow", count=2000, within=4, pid=web, is_official=True, rest_kb=rest)
    )
    report["200 streams in 10 s"] = spike
    report["1,000 open streams"] = many
    report["2,000 of official clients"] = most
    return report


def _wrk(port: int, key: str, *, clients: int, seconds: int = SECONDS, stream: bool = False) -> dict[str, float]:
    environment = {**os.environ, "KEY": key, "MODEL": "mock", **({"STREAM": "1"} if stream else {})}
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}", "-s", str(HERE / "chat.lua"), f"http://127.0.0.1:{port}"]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    result: dict[str, float] = json.loads(line.removeprefix("RESULT "))
    if result["bad"]:
        sys.exit(f"{result['bad']:.0f} requests of {clients} clients failed: figures of failures are worth nothing.")
    return result


def _print(report: dict[str, Any]) -> None:
    for name, value in report.items():
        print(f"{name:42} {_line(value)}")


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['rps']:7.0f}/s   p50 {value['p50']:6.2f} ms   p99 {value['p99']:6.2f} ms"
    if isinstance(value, Streams):
        return (
            f"{value.complete} of {value.opened} complete, first byte p50 {value.first_byte_p50:.0f} ms,"
            f" p95 {value.first_byte_p95:.0f} ms, {value.per_stream_kb:.0f} kB each"
        )
    return str(value)


# The world


def _environment(directory: Path, upstream_port: int) -> dict[str, str]:
    own = {"GATEWAY_ENV": "development", "GATEWAY_DATA_DIR": str(directory / "var"), "PORT": str(_free_port())}
    return {**os.environ, **own, "BENCH_SECRET": secrets.token_hex(16), "LOG_LEVEL": "WARNING"}


def _set_up(environment: dict[str, str], directory: Path, upstream_port: int) -> str:
    rules = "\n".join(RULE.format(n=n) for n in range(10))
    file = directory / "bench.yaml"
    file.write_text(CONFIGURATION.format(port=upstream_port, rules=rules))
    _manage(environment, "migrate", "--verbosity", "0")
    _manage(environment, "apply", str(file))
    return _manage(environment, "issue_key", "--course", "bench", "--member", "ada").strip()


def _manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


@contextmanager
def _upstream() -> Iterator[int]:
    port = _free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.upstream", str(port)], cwd=ROOT)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def _stoa(environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "manage.py", "run"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait_until_ready(int(environment["PORT"]))
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait_until_ready(port: int) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2)
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("Stoa did not become ready.")


def _web_process(pid: int) -> int:
    """The supervisor's web process among its children."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"gateway_project.processes.web" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    sys.exit("The web process was not found.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
