"""`python -m bench.services`: relaying to a service, beside chat, nginx as proxy and the bare service.

Everything on means: a key, a limit of requests for it, the request counted and sampled. All are measured in turns. It
needs wrk and nginx.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench import bulk, steady, world
from bench.figures import Row, at_least, at_most, compared, fallen, keep, read_kept, table
from bench.load import Server, load
from bench.run import commit

KEPT = Path(__file__).with_name("kept_services.json")
GIB = 1 << 30
PATH = "/svc/bare"
DECLARED = """
from apps.services.models import Instance, Service
service = Service.objects.create(name="bare", prefix="bare", allow_private_network=True, callers=["student"],
    requests_per_minute=100_000_000, max_body_bytes=2**31)
Instance.objects.create(service=service, url="http://127.0.0.1:{port}")
"""
NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_max_body_size 0; keepalive_requests 100000000;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  upstream bare {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location {path}/ {{
      proxy_pass http://bare/; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off; proxy_max_temp_file_size 0;
    }}
  }}
}}
"""


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.services")
    options.add_argument("--quick", action="store_true", help="shorter and fewer turns")
    options.add_argument("--keep", action="store_true", help="keep the ratios, for later runs to be compared with")
    chosen = options.parse_args()
    for program in ("wrk", "nginx"):
        if shutil.which(program) is None:
            sys.exit(f"The benchmark needs {program}: apt-get install {program}")
    began, turns = datetime.now(UTC), 3 if chosen.quick else 7
    with (
        world.alone(),
        tempfile.TemporaryDirectory(prefix="stoa-bench-") as directory,
        world.upstream() as provider,
        world.process("bench.bare_service") as bare,
        _nginx(Path(directory) / "nginx", upstream=bare.port) as nginx,
    ):
        site = world.site(Path(directory), upstream_port=provider)
        site.manage("shell", "-c", DECLARED.format(port=bare.port))
        with site.run() as stoa:
            rows = _rows(stoa, nginx, bare, turns=turns, size=GIB // 4 if chosen.quick else GIB)
    print(f"load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    kept = read_kept(KEPT)
    print(table(rows, kept))
    for sentence in fallen(rows, kept):
        print(f"FELL: {sentence}")
    if chosen.keep:
        keep(KEPT, rows, about={"measured": began.isoformat(timespec="seconds"), "commit": commit()})


def _rows(stoa: Server, nginx: Server, bare: Server, *, turns: int, size: int) -> list[Row]:
    small = _small(stoa, nginx, bare, turns=turns)
    rate = small[0].value / 2
    return [*small, *_half_load(stoa, nginx, bare, rate=rate, turns=turns), *_large(stoa, nginx, turns=3, size=size)]


def _small(stoa: Server, nginx: Server, bare: Server, *, turns: int) -> list[Row]:
    """Requests a second: relayed, chat, through nginx, and without anything between."""
    load(stoa, clients=8, seconds=1, target=f"{PATH}/")
    load(stoa, clients=8, seconds=1)
    to_chat, to_nginx, to_bare = [], [], []
    for _ in range(turns):
        with world.standing_still(stoa):
            of_nginx, of_bare = (load(one, clients=32, seconds=1, target=f"{PATH}/") for one in (nginx, bare))
        relayed = load(stoa, clients=32, seconds=2, target=f"{PATH}/")
        to_chat.append((load(stoa, clients=32, seconds=2).rps, relayed.rps))
        to_nginx.append((of_nginx.rps, relayed.rps))
        to_bare.append((of_bare.rps, relayed.rps))
        world.wait_until_idle(stoa)
    name = "relay of 1 kB, 32 clients"
    return [
        compared(f"{name}, to chat", to_chat, "/s", at_least(1.2), is_more_better=True),
        compared(f"{name}, to nginx", to_nginx, "/s", is_more_better=True),
        compared(f"{name}, to the bare service", to_bare, "/s", is_more_better=True),
    ]


def _half_load(stoa: Server, nginx: Server, bare: Server, *, rate: float, turns: int) -> list[Row]:
    found = []
    for _ in range(turns):
        with world.standing_still(stoa):
            others = [steady.p95(one, f"{PATH}/", rate=rate, seconds=2) for one in (nginx, bare)]
        world.wait_until_idle(stoa)  # after standing still, whatever it does every second is overdue
        found.append((*others, steady.p95(stoa, f"{PATH}/", rate=rate, seconds=3)))
    added = [(bare, stoa - bare) for _, bare, stoa in found]
    return [
        compared("half load, p95, to nginx", [(nginx, stoa) for nginx, _, stoa in found], "ms", is_tail=True),
        compared("half load, p95 added to the bare service", added, "ms", at_most(5, of_ratio=False), is_tail=True),
    ]


def _large(stoa: Server, nginx: Server, *, turns: int, size: int) -> list[Row]:
    rows, name = [], f"{size / GIB:g} GiB"
    for way, transfer, path in (("up", bulk.up, f"{PATH}/"), ("down", bulk.down, f"{PATH}/{size}")):
        found = []
        for _ in range(turns):
            with world.standing_still(stoa):
                of_nginx = transfer(nginx, path, size=size)
            found.append((of_nginx, transfer(stoa, path, size=size)))
        rates = [(nginx.rate, stoa.rate) for nginx, stoa in found]
        growths = [(max(nginx.growth, 0.1), stoa.growth) for nginx, stoa in found]
        rows.append(compared(f"{name} {way}", rates, "MB/s", at_least(1 / 3), is_more_better=True))
        rows.append(compared(f"{name} {way}, growth", growths, "MB", at_most(40, of_ratio=False), is_tail=True))
    return rows


@contextmanager
def _nginx(directory: Path, *, upstream: int) -> Iterator[Server]:
    directory.mkdir()
    port, file = world.free_port(), directory / "nginx.conf"
    file.write_text(NGINX.format(directory=directory, port=port, upstream=upstream, path=PATH))
    with world.started(["nginx", "-c", str(file), "-p", str(directory)], {}, port=port) as pid:
        yield Server(name="nginx", port=port, key="none", pid=pid)


if __name__ == "__main__":
    main()
