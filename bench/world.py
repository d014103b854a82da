"""The processes of a benchmark: the upstream, the floor and Stoa, each on a free port, stopped at the end."""

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.course import configuration
from bench.load import Server, cpu_seconds
from bench.streams import descendants

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 60.0
IDLE_SECONDS = 10.0
IDLE_SLICE, IDLE_SHARE = 1.0, 0.1
WEB = b"gateway_project.processes.web"  # the module that a web process runs


@contextmanager
def alone() -> Iterator[None]:
    """One benchmark at a time on this machine: two would measure each other."""
    with open(Path(tempfile.gettempdir()) / "stoa-bench.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another benchmark on this machine to end.", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def upstream() -> Iterator[int]:
    """Its port."""
    port = free_port()
    with _process(["-m", "bench.upstream", str(port)], {}, port=port):
        yield port


@contextmanager
def process(module: str) -> Iterator[Server]:
    """A module of the benchmark that takes a port."""
    port = free_port()
    with _process(["-m", module, str(port)], {}, port=port) as pid:
        yield Server(name=module, port=port, key="none", pid=pid)


@contextmanager
def floor(*, upstream_port: int) -> Iterator[Server]:
    port, key = free_port(), secrets.token_hex(16)
    arguments = ["-m", "bench.floor", str(port), str(upstream_port)]
    with _process(arguments, {"BENCH_KEY": key}, port=port) as pid:
        yield Server(name="the floor", port=port, key=key, pid=pid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Stoa's data directory, set up with a course and a student's key."""

    environment: dict[str, str]
    key: str

    @contextmanager
    def run(self, *, role: str = "all") -> Iterator[Server]:
        """Everything of Stoa; the server's process is the web process."""
        port = free_port()
        environment = {**self.environment, "PORT": str(port), "GATEWAY_ROLE": role}
        with _process(["manage.py", "run"], environment, port=port, path="/health/ready") as pid:
            yield Server(name="Stoa", port=port, key=self.key, pid=_web_process(pid))

    def manage(self, *arguments: str) -> str:
        """What a management command prints."""
        command = [sys.executable, "manage.py", *arguments]
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()


def site(directory: Path, *, upstream_port: int) -> Site:
    environment = {
        "GATEWAY_ENV": "development",
        "GATEWAY_DATA_DIR": str(directory / "var"),
        "BENCH_SECRET": secrets.token_hex(16),
        "LOG_LEVEL": "WARNING",
        "STUDENT_REQUESTS_PER_MINUTE": "0",
    }
    bare, file = Site(environment=environment, key=""), directory / "bench.yaml"
    file.write_text(configuration(upstream_port=upstream_port))
    bare.manage("migrate", "--verbosity", "0")
    bare.manage("apply", str(file))
    return Site(environment=environment, key=bare.manage("issue_key", "--course", "bench", "--member", "ada"))


@contextmanager
def standing_still(server: Server) -> Iterator[None]:
    """Nothing of it computes meanwhile: not the server, nor the supervisor and the worker beside it."""
    processes = {server.pid, *_family(server.pid)}
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def wait_until_idle(server: Server) -> None:
    """Until the processes beside the server, such as the worker, compute next to nothing; not for ever, though."""
    until = time.monotonic() + IDLE_SECONDS
    while time.monotonic() < until:
        before = _beside(server)
        time.sleep(IDLE_SLICE)
        if _beside(server) - before < IDLE_SHARE * IDLE_SLICE:
            return


def _beside(server: Server) -> float:
    """The CPU seconds of everybody else in the server's family."""
    return sum(cpu_seconds(pid) for pid in _family(server.pid) if pid != server.pid)


def _family(pid: int) -> list[int]:
    """The supervisor and whatever it has started, if the process has one."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return [] if parent == os.getpid() else [parent, *descendants(parent)]


@contextmanager
def _process(arguments: list[str], environment: dict[str, str], *, port: int, path: str = "") -> Iterator[int]:
    with started([sys.executable, *arguments], environment, port=port, path=path) as pid:
        yield pid


@contextmanager
def started(command: list[str], environment: dict[str, str], *, port: int, path: str = "") -> Iterator[int]:
    """A program, as soon as it serves, and until the end."""
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    try:
        _wait_until_ready(process, port, path)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, path: str) -> None:
    """Until it answers at the path with success, or takes connections if there is no path."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if path:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).close()
            else:
                socket.create_connection(("127.0.0.1", port), timeout=2).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{process.args!r} did not become ready.")


def _web_process(pid: int) -> int:
    """The supervisor's web process among its children."""
    for child in descendants(pid):
        if WEB in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    sys.exit("The web process was not found.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
