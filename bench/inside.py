"""A server and its only client in one process, to look at the server's threads between two requests.

`bench.profile` starts it as `python -m bench.inside SERVER HOW PORT UPSTREAM_PORT` and reads the JSON that it prints.
SERVER is `stoa` or `floor`. HOW is one of

    cpu      what each thread computes, without anything of ours in its way
    stages   the time of each stage
    calls    Python calls, of each thread and of each stage
    batches  what the ledger's thread computes for batches of each size, while other clients ask
"""

import json
import os
import signal
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import uvloop

from bench.load import thread_seconds
from bench.stages import COMMITS, LEDGER_THREAD, SERVE, STAGES, Gone, resolve
from bench.timers import ELSEWHERE, Calls, Stages, replace_everywhere

WARM, REQUESTS = 50, 800
REST_SECONDS = 0.001  # until the server has done what it does behind an answer
UNDISTURBED = 0.1  # the share of the requests that counts: those that took least
LOOP, LEDGER, OTHERS = "loop", "ledger", "other threads"
PROMPT = "How does a binary search tree stay in balance? " * 8

Figures = dict[str, float]


class Client:
    """One keep-alive connection. Its thread is no thread of the server's."""

    def __init__(self, port: int, key: str) -> None:
        self._socket = _connected(port)
        self._key, self._sent = key, 0

    def ask(self, *, is_stream: bool) -> None:
        """Send a request with a prompt of its own and read the answer to its end."""
        self._sent += 1
        options = {"stream": True, "stream_options": {"include_usage": True}} if is_stream else {}
        tutor = {"role": "system", "content": "You are a tutor."}
        messages = [tutor, {"role": "user", "content": f"{PROMPT}{self._sent}"}]
        body = json.dumps({"model": "mock", "max_tokens": 128, "messages": messages, **options}).encode()
        self._socket.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer %s\r\ncontent-length: %d\r\n\r\n%s" % (self._key.encode(), len(body), body)
        )
        self._read()

    def _read(self) -> None:
        received = b""
        while not _is_whole(received):
            piece = self._socket.recv(2**20)
            if not piece:
                raise ConnectionError("The server closed the connection.")
            received += piece
        if not received.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"The server answered {received[:300]!r}.")


def _connected(port: int) -> socket.socket:
    until = time.monotonic() + 30
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def _is_whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if b"content-length" in fields:
        return len(body) >= int(fields[b"content-length"])
    return body.endswith(b"0\r\n\r\n")


# Looking on


def watched(client: Client, look: Callable[[], Figures], *, is_stream: bool) -> list[Figures]:
    """What each of many requests has added to the figures."""
    seen = []
    for number in range(WARM + REQUESTS):
        before = look()
        client.ask(is_stream=is_stream)
        time.sleep(REST_SECONDS)
        if number >= WARM:
            after = look()
            seen.append({name: after[name] - before.get(name, 0) for name in after})
    return seen


def of_undisturbed(seen: list[Figures], weight: Callable[[Figures], float]) -> Figures:
    """The means over the share of the requests that weigh least."""
    seen = sorted(seen, key=weight)[: int(len(seen) * UNDISTURBED)]
    return {name: statistics.fmean(figures.get(name, 0) for figures in seen) for name in set().union(*seen)}


def of_median(seen: list[Figures]) -> Figures:
    return {name: statistics.median(figures.get(name, 0) for figures in seen) for name in set().union(*seen)}


def _by_thread(figure: Callable[[threading.Thread], float]) -> Figures:
    """A figure of each of the server's threads, summed up under three names."""
    figures = {LOOP: 0.0, LEDGER: 0.0, OTHERS: 0.0}
    for thread in threading.enumerate():
        if thread is threading.main_thread():
            figures[LOOP] += figure(thread)
        elif thread is not threading.current_thread():
            figures[LEDGER if thread.name == LEDGER_THREAD else OTHERS] += figure(thread)
    return figures


def cpu_of_threads() -> Figures:
    """In microseconds."""
    return _by_thread(lambda thread: thread_seconds(thread.native_id) * 1e6)


# The ways to look


def cpu(client: Client) -> Iterator[Figures]:
    for is_stream in (False, True):
        yield of_undisturbed(watched(client, cpu_of_threads, is_stream=is_stream), lambda seen: seen[LOOP])


def stages(client: Client, stages: Stages) -> Iterator[Figures]:
    """In microseconds. What is left of the loop's thread is also what it takes to watch."""

    def look() -> Figures:
        own = {stage: seconds * 1e6 for stage, seconds in stages.seconds.items() if stage != ELSEWHERE}
        return {**own, LOOP: cpu_of_threads()[LOOP]}

    for is_stream in (False, True):
        figures = of_undisturbed(watched(client, look, is_stream=is_stream), lambda seen: sum(seen.values()))
        yield {**figures, ELSEWHERE: 2 * figures[LOOP] - sum(figures.values())}


def calls(client: Client, calls: Calls) -> Iterator[Figures]:
    def look() -> Figures:
        by_thread = _by_thread(lambda thread: calls.of_thread[thread.ident or 0])
        return {**by_thread, **calls.of_stage}

    for is_stream in (False, True):
        yield of_median(watched(client, look, is_stream=is_stream))


def batches(sizes: list[tuple[int, float]]) -> Iterator[Figures]:
    """The CPU of a reserve and a settle in batches of about so many units, while others ask."""
    print("ready", flush=True)
    sys.stdin.readline()
    for name, least, most in (("1", 1, 1), ("4", 3, 5), ("16", 12, 20)):
        each = sorted(2e6 * spent / size for size, spent in sizes if least <= size <= most)
        if each:
            yield {"batch": float(name), "seen": len(each), "pair": statistics.fmean(each[: len(each) // 10 + 1])}


def note_batches(server: str) -> list[tuple[int, float]]:
    """Have the ledger's thread note the size of each batch and what it computed for it."""
    place, attribute, commit = resolve(COMMITS[server])
    sizes: list[tuple[int, float]] = []

    def noted(*arguments: Any, **named: Any) -> Any:
        began = time.thread_time()
        try:
            return commit(*arguments, **named)
        finally:
            sizes.append((len(arguments[-1]), time.thread_time() - began))

    replace_everywhere(place, attribute, commit, noted)
    return sizes


# The servers


def serve_stoa(port: int, upstream: int) -> None:
    resolve(SERVE)[2](sockets=[socket.create_server(("127.0.0.1", port), backlog=4096)], parent=None)


def serve_floor(port: int, upstream: int) -> None:
    from bench import floor

    uvloop.run(floor.serve(port, upstream))


def _prepare(server: str, how: str) -> Callable[[Client], Iterator[Figures]]:
    if how == "cpu":
        return cpu
    if how == "batches":
        sizes = note_batches(server)
        return lambda client: batches(sizes)
    made = Stages()
    if server == "stoa":
        made.install(STAGES)
    if how == "stages":
        return lambda client: stages(client, made)
    counted = Calls(made)
    counted.watch()
    return lambda client: calls(client, counted)


def _ask(port: int, look: Callable[[Client], Iterator[Figures]]) -> None:
    """Told in the client's thread: the server's may end by a signal."""
    sys.setprofile(None)
    try:
        client = Client(port, os.environ["BENCH_KEY"])
        print(json.dumps(list(look(client))), flush=True)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    server, how = sys.argv[1:3]
    port, upstream = map(int, sys.argv[3:5])
    if server == "stoa":
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")
        import django

        django.setup()
        import gateway_project.asgi  # noqa: F401  # everything is there before it is wrapped
    try:
        look = _prepare(server, how)
    except Gone as error:
        sys.exit(str(error))
    threading.Thread(target=_ask, args=(port, look), daemon=True, name="client").start()
    (serve_stoa if server == "stoa" else serve_floor)(port, upstream)


if __name__ == "__main__":
    main()
