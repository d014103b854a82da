"""A gateway of two web processes, of which one is stopped so that it is known which of them answers."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.chat.world import PATIENCE, PROMPT, World, wait_until
from tests.live import Gateway


def both(gateway: Gateway) -> list[int]:
    """The two web processes. Another test may just have killed one."""
    return wait_until(lambda: len(found := _web_processes(gateway)) == 2 and found, what="Two web processes")


def _web_processes(gateway: Gateway) -> list[int]:
    """Those that run; a child that has not begun yet still has its parent's name."""
    return [pid for pid in gateway.children() if b"gateway_project.processes.web" in _command(pid)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@contextlib.contextmanager
def only(chosen: int, gateway: Gateway) -> Iterator[None]:
    """Stop all web processes but one."""
    others = [pid for pid in both(gateway) if pid != chosen]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(map(_is_stopped, others)), what="The end of what they were doing")
    try:
        yield
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def post(world: World, prompt: str = PROMPT) -> httpx.Response:
    """On a connection of its own."""
    headers = {"authorization": f"Bearer {world.key}"}
    url = f"{world.gateway.base_url}/v1/chat/completions"
    return httpx.post(url, json=world.body(prompt), headers=headers, timeout=PATIENCE)


def knows(world: World) -> bool:
    headers = {"authorization": f"Bearer {world.key}"}
    models = httpx.get(f"{world.gateway.base_url}/v1/models", headers=headers, timeout=PATIENCE).json()
    return world.model.name in [model["id"] for model in models.get("data", [])]


def wait_until_both_know(world: World) -> None:
    for pid in both(world.gateway):
        with only(pid, world.gateway):
            wait_until(lambda: knows(world), what="The process' notice of the world")
