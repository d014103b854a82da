"""The real product as processes of its own, started as `make run` starts it."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
from django.conf import settings
from django.db import connection

from gateway_project.env import BASE_DIR, Env
from tests import probes

PATIENCE = 60.0  # a bound for a busy machine; nothing here takes long
COMMAND_SECONDS = 100.0  # for a command: migrating a new database takes longest
# For gateways of whose calls no text is read: as if a Celery process ran elsewhere. Starting one costs two seconds.
WITHOUT_CELERY = {"CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
SECRETS = ("DJANGO_SECRET_KEY", "GATEWAY_KEY_PEPPER", "GATEWAY_SECRET_KEYS")  # what production asks for
# What no line of a log may have, whatever a test did: keys, secrets, what students ask and providers say.
LEAKS = re.compile(
    r"stoa_(?:sk|svc|stf)_[0-9A-Za-z]{8}|provider-secret|whsec_[0-9A-Za-z]|hunter-7741|EXAM-1234"
    r"|Explain recursion|Solve my homework|solve my homework|correct horse battery"
)
PASSED_ON_SECONDS = 0.01  # how long `make` takes to pass a signal on
MAKE_FAILED = "] Error "


def manage(*arguments: str, data_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of manage.py in a process of its own."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env=_environment(data_dir, environment),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


@contextlib.contextmanager
def empty_data_dir(directory: Path) -> Iterator[Path]:
    """A data directory with the tests' own secrets and a copy of their database, in which there is nothing yet."""
    shutil.copy(settings.DATA_DIR / "secrets.json", directory)
    connection.close()
    if connection.vendor == "sqlite":
        shutil.copy(settings.DATA_DIR / "stoa.sqlite3", directory)
    with _database_of(directory, template=settings.DATA_DIR):
        yield directory


@contextlib.contextmanager
def copied_data_dir(original: Path, parent: Path) -> Iterator[Path]:
    """A copy of a data directory that nobody works with, and of its database."""
    directory = Path(shutil.copytree(original, parent / "data"))
    with _database_of(directory, template=original):
        yield directory


@contextlib.contextmanager
def own_data_dir(pristine: Path, parent: Path) -> Iterator[Path]:
    """A copy of a pristine data directory, with whose database this thread's models work for a while."""
    with copied_data_dir(pristine, parent) as directory, models_on(directory):
        yield directory


@contextlib.contextmanager
def _database_of(directory: Path, *, template: Path) -> Iterator[None]:
    """On PostgreSQL, make the directory's database, and drop it in the end. SQLite's is a file in the directory."""
    if connection.vendor != "postgresql":
        yield
        return
    name, origin = _database_name(directory), _database_name(template)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {origin}".encode())
        try:
            yield
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextlib.contextmanager
def models_on(directory: Path) -> Iterator[None]:
    """This thread's models work with the database of this data directory for a while."""
    usual = connection.settings_dict["NAME"]
    use_database(database_in(directory))
    try:
        yield
    finally:
        use_database(usual)


def use_database(name: Any) -> None:
    """From here on, whoever connects in this process connects to this one."""
    connection.close()
    connection.settings_dict["NAME"] = name


def database_in(directory: Path) -> Any:
    """What Django calls the database of this data directory."""
    return _database_name(directory) if connection.vendor == "postgresql" else directory / "stoa.sqlite3"


def _database_name(directory: Path) -> str:
    """The run's database belongs to its data directory; a directory of a test's own has one of its own."""
    if directory == settings.DATA_DIR:
        return str(connection.settings_dict["NAME"])
    return f"stoa_{hashlib.sha256(str(directory).encode()).hexdigest()[:16]}"


def _database_url(directory: Path) -> dict[str, str]:
    """What a process that works in this directory is to be told about the database."""
    if connection.vendor != "postgresql":
        return {}
    return {"DATABASE_URL": postgresql_url(directory)}


def postgresql_url(directory: Path) -> str:
    """Where the database of this data directory is. Over PostgreSQL only."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{_database_name(directory)}").geturl()


@dataclass(eq=False, slots=True)
class Gateway:
    """A running Stoa, with a process group of its own. `process` is the supervisor, or the `make` that runs it."""

    process: subprocess.Popen[bytes]
    port: int
    data_dir: Path
    log: Path
    stopped_status: int = 0  # of a clean end
    _is_told: bool = False

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def children(self) -> list[int]:
        """The processes that it started, and those that they started."""
        parents = {pid: _parent(pid) for pid in _all_processes()}

        def of(parent: int) -> list[int]:
            found = [pid for pid in parents if parents[pid] == parent]
            return [*found, *(pid for child in found for pid in of(child))]

        return of(self.process.pid)

    def terminate(self) -> None:
        """SIGTERM to the process group, and once more as `make` passes it on. It is sent only once per gateway, because
        a later signal makes the supervisor kill the web processes."""
        if not self._is_told:
            self._is_told = True
            os.killpg(self.process.pid, signal.SIGTERM)
            time.sleep(PASSED_ON_SECONDS)
            self.process.send_signal(signal.SIGTERM)

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends SIGINT to the process group, and `make` does not pass it on."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """kill -9, for every process at once."""
        children = self.children()
        for pid in (self.process.pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        _wait_until(lambda: not self.running(children))

    def kill_child(self, module: str) -> None:
        """kill -9 for the process that runs this module alone; the supervisor is to replace it."""
        for pid in self.children():
            if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)

    @staticmethod
    def running(processes: list[int]) -> list[int]:
        """Those of them that have not ended."""
        return [pid for pid in processes if _is_running(pid)]

    def stop(self) -> None:
        """SIGTERM, and proof that the end was clean."""
        children = self.children()
        if self.process.poll() is None:
            self.terminate()
        status = self.process.wait(PATIENCE)
        log = self.log.read_text()
        assert status == self.stopped_status, f"Exit code {status}; its log:\n{log}"
        assert "Traceback" not in log, log
        assert MAKE_FAILED not in log, log
        assert probes.BLOCKING not in log, log
        leaks = [line for line in log.splitlines() if line[:2] in ("20", '{"') and LEAKS.search(line)]
        assert not leaks, leaks[:3]  # what is printed at a first start, a key among it, is no log
        lags = probes.Lags().read(self.data_dir)
        probes.seen.add(lags.late, lags.held)
        assert lags.is_bearable, str(lags)
        assert not self.running(children), "Processes were left behind."

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            assert self.process.poll() is None, f"It ended at once; its log:\n{self.log.read_text()}"
            return self._is_ready()

        try:
            _wait_until(is_ready)
        except TimeoutError:
            raise AssertionError(f"It is not ready; its log:\n{self.log.read_text()}") from None

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.base_url}/health/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False


def start_gateway(data_dir: Path, **environment: str) -> AbstractContextManager[Gateway]:
    """A gateway in a data directory whose database is migrated. If nobody stops it, it is killed."""
    return _start([sys.executable, "manage.py", "run"], data_dir, environment)


def make_run(data_dir: Path, **environment: str) -> AbstractContextManager[Gateway]:
    """The same, started by `make run`, which installs nothing here. `make` ends by the signal that stopped it."""
    installed = ["-o", ".venv/.runtime", "VENV=.venv", f"MANAGE={sys.executable} manage.py"]
    return _start(["make", *installed, "run"], data_dir, environment, stopped_status=-signal.SIGTERM)


@contextlib.contextmanager
def _start(
    command: list[str], data_dir: Path, environment: dict[str, str], *, stopped_status: int = 0
) -> Iterator[Gateway]:
    port = _free_port()
    log = data_dir / f"gateway-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=BASE_DIR,
            env=_environment(data_dir, {"PORT": str(port), **environment}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a shell gives each command a process group of its own, too
        )
    gateway = Gateway(process, port, data_dir, log, stopped_status)
    try:
        gateway.wait_until_ready()
        yield gateway
    finally:
        if process.poll() is None:
            gateway.kill()


@contextlib.contextmanager
def separate_gateway(pristine: Path, parent: Path, **environment: str) -> Iterator[Gateway]:
    """A gateway with a data directory and a database of its own, which must end cleanly."""
    with copied_data_dir(pristine, parent) as directory, start_gateway(directory, **environment) as gateway:
        yield gateway
        gateway.stop()


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


def _all_processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _is_running(pid: int) -> bool:
    return _stat(pid)[0] not in "XZ"


def _stat(pid: int) -> list[str]:
    """State, parent and so on, behind the name, which is in parentheses and may contain anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["X", "0"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _environment(data_dir: Path, extra: dict[str, str]) -> dict[str, str]:
    """This process's environment without its settings, so that only `extra` decides."""
    ours = {"DJANGO_SETTINGS_MODULE", *(name.upper() for name in Env.model_fields)}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    told = {"GATEWAY_ENV": "development", "GATEWAY_DATA_DIR": str(data_dir), **_database_url(data_dir)}
    told["STUDENT_REQUESTS_PER_MINUTE"] = "0"  # tests say themselves how fast their students may be
    told["UNKNOWN_REQUESTS_PER_MINUTE"] = "100000"  # all of them come from one address
    probed = probes.environment(data_dir, os.environ.get("PYTHONPATH", ""))
    return {**kept, **told, **probed, **extra}
