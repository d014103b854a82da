"""Instances of deploy/examples/users as processes: they fail when they are told to, and keep a journal."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from gateway_project.env import BASE_DIR

EXAMPLE = BASE_DIR / "deploy/examples/users"
PATIENCE = 30.0


class UsersInstance:
    """One instance, on a port that it keeps. Use it as a context manager; it can be killed and started in between."""

    def __init__(self, file: Path) -> None:
        """Instances with the same file have the same users."""
        self.port = _free_port()
        self._file = file
        self._log = file.with_name(f"users-{self.port}.log")
        self._process: subprocess.Popen[bytes] | None = None
        once = httpx.Limits(max_keepalive_connections=0)  # it closes idle connections when it likes
        self._http = httpx.Client(base_url=self.url, timeout=PATIENCE, verify=False, trust_env=False, limits=once)

    def __enter__(self) -> "UsersInstance":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._http.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # Its life

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        command = ["uvicorn", "--app-dir", str(EXAMPLE), "failing:app", "--port", str(self.port), "--no-access-log"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command, "--log-level", "warning", "--backlog", "1024"],
                env={"PATH": os.environ["PATH"], "USERS_FILE": str(self._file)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._accepts():
            assert self.is_running and time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """Its connections end; new ones are refused."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)

    def freeze(self) -> None:
        """It accepts connections, and then says nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _accepts(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    # What it is to do, as deploy/examples/users/failing.py describes it

    def will(self, how: str, **options: Any) -> None:
        """To the next request, or the next `times`, and after that nothing."""
        self.plan({"how": how, **options})

    def always(self, how: str, **options: Any) -> None:
        self.plan({"how": how, **options, "times": 0})

    def plan(self, *failures: dict[str, Any], checks: tuple[dict[str, Any], ...] = (), repeats: bool = False) -> None:
        """What happens to the next requests, and to the next health checks, in place of what was planned before."""
        plan = {"requests": failures, "checks": checks, "repeats": repeats}
        self._http.put("/_failures", json=plan).raise_for_status()

    def renew(self) -> None:
        """As if it had just been started, whatever a test did to it."""
        if self.is_running:
            self.resume()
        else:
            self.start()
        self.forget()

    def forget(self) -> None:
        """All plans and the journal."""
        self._http.delete("/_failures").raise_for_status()

    # What arrived

    @property
    def journal(self) -> list[dict[str, Any]]:
        """The requests since `forget`, without health checks."""
        told: list[dict[str, Any]] = self._told()["requests"]
        return told

    @property
    def checks(self) -> int:
        return int(self._told()["checks"])

    @property
    def open(self) -> int:
        """Requests in flight there."""
        return int(self._told()["open"])

    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = self._http.get("/_failures").raise_for_status().json()
        return told


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
