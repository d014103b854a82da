"""What a process has open, as the kernel tells it."""

import os
from dataclasses import dataclass
from pathlib import Path

from tests.live import Gateway


@dataclass(frozen=True, slots=True)
class Footprint:
    """Of the web processes of a gateway, together. `memory` is resident, in bytes."""

    sockets: int = 0
    files: int = 0
    threads: int = 0
    memory: int = 0

    @classmethod
    def of(cls, gateway: Gateway) -> "Footprint":
        sockets = files = threads = memory = 0
        for pid in web_processes(gateway):
            links = _links(pid)
            sockets += sum(link.startswith("socket:") for link in links)
            files += sum(link.startswith("/") for link in links)
            status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            threads += int(status["Threads"])
            memory += int(status["VmRSS"].split()[0]) * 1024
        return cls(sockets, files, threads, memory)


def web_processes(gateway: Gateway) -> list[int]:
    return processes_of(gateway, "gateway_project.processes.web")


def processes_of(gateway: Gateway, module: str) -> list[int]:
    """Those children of the supervisor that run this module."""
    found = []
    for pid in gateway.children():
        try:
            if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _links(pid: int) -> list[str]:
    links = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(os.readlink(path))
        except FileNotFoundError:
            continue
    return links
