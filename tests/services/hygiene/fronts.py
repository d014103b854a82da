"""Servers in front of a service, to be asked the same: Stoa, and nginx and HAProxy where they are installed."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.services.hygiene.rows import Row
from tests.services.instances import UsersInstance

PATIENCE = 2.0  # seconds without any answer

NGINX = """
daemon off; master_process off; worker_processes 1; pid {home}/pid; error_log {home}/log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
  uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
  server {{
    listen 127.0.0.1:{port};
    location {prefix}/ {{ proxy_pass {upstream}/; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""
HAPROXY = """
global
  maxconn 1000
defaults
  mode http
  timeout connect 2s
  timeout client 2s
  timeout server 2s
frontend door
  bind 127.0.0.1:{port}
  default_backend service
backend service
  http-request replace-path {prefix}(/.*)? \\1
  server only {address}
"""


@contextlib.contextmanager
def nginx(home: Path, *, prefix: str, users: UsersInstance) -> Iterator[int]:
    configuration = NGINX.format(home=home, port=(port := _free_port()), prefix=prefix, upstream=users.url)
    (home / "nginx.conf").write_text(configuration)
    with _running(["nginx", "-p", str(home), "-c", str(home / "nginx.conf")], port):
        yield port


@contextlib.contextmanager
def haproxy(home: Path, *, prefix: str, users: UsersInstance) -> Iterator[int]:
    address = users.url.removeprefix("http://")
    (home / "haproxy.cfg").write_text(HAPROXY.format(port=(port := _free_port()), prefix=prefix, address=address))
    with _running(["haproxy", "-db", "-f", str(home / "haproxy.cfg")], port):
        yield port


def is_installed(name: str) -> bool:
    return _path(name) is not None


def is_version(name: str, version: str) -> bool:
    path = _path(name)
    assert path is not None
    told = subprocess.run([path, "-v"], capture_output=True, text=True, timeout=10, check=False)
    return version in (told.stdout + told.stderr).partition("\n")[0]


def _path(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    path = _path(command[0])
    assert path is not None
    process = subprocess.Popen([path, *command[1:]], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_it_listens(port)
        yield
    finally:
        process.kill()
        process.wait(10)


def _wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline
        time.sleep(0.02)


def outcomes(rows: Sequence[Row], *, port: int, prefix: str, key: str, users: UsersInstance) -> dict[str, str]:
    """Ask all of them at once, and see what reached the service."""
    users.forget()
    users.always("echo")
    requests = [row.sent(number, prefix=prefix, key=key) for number, row in enumerate(rows)]
    asyncio.run(_ask(requests, port))
    journal = users.journal
    users.forget()
    return {row.name: row.outcome(number, journal) for number, row in enumerate(rows)}


def differing(seen: dict[str, str], expected: dict[str, str]) -> dict[str, tuple[str, str]]:
    """What came out otherwise than expected, and both.

    Where a service is to get a beginning it may get nothing as well: which is known first, the mistake in what follows
    or that the service takes the connection, is a race at each of the three.
    """
    also = {"cut": "refused"}
    pairs = {name: (seen[name], outcome) for name, outcome in expected.items()}
    return {name: (was, outcome) for name, (was, outcome) in pairs.items() if was not in {outcome, also.get(outcome)}}


async def _ask(requests: Sequence[bytes], port: int) -> None:
    """Until all are answered, or none has been for a while: some servers wait for more of some requests."""
    asking = {asyncio.create_task(_ask_one(request, port)) for request in requests}
    while asking:
        done, asking = await asyncio.wait(asking, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            break
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def _ask_one(request: bytes, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with contextlib.suppress(OSError):
            writer.write(request)
            await writer.drain()
            while await reader.read(65_536):
                pass
    finally:
        writer.transport.abort()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
