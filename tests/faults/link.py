"""A chaos link: a TCP proxy before a database or a provider whose faults are switched while connections are open."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, Self

PATIENCE = 10.0
BLOCK = 64 * 1024
TICK = 0.02  # how soon an open connection notices a switch
SEED = 20_261_121

Direction = Literal["up", "down"]  # to the server, to the client


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What the link does. The default passes everything on.

    `refuse` resets new connections, and `hang` passes nothing on, in either direction, until it is switched off.
    `delay` seconds, give or take `jitter`, go by before each block. `cut_up` and `cut_down` reset both sides after so
    many bytes of a connection in that direction; the bytes before arrive.
    """

    refuse: bool = False
    hang: bool = False
    delay: float = 0.0
    jitter: float = 0.0
    cut_up: int | None = None
    cut_down: int | None = None


class Cut(Exception):
    """The connection ends here, by the link's own will."""


@dataclass(eq=False, slots=True)
class Pipe:
    """One direction of one connection."""

    direction: Direction
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    passed: int = 0
    is_ended: bool = False  # its far side was told that nothing more will come

    def end(self) -> None:
        self.is_ended = True
        with contextlib.suppress(OSError):
            self.writer.write_eof()


class Link:
    """Listens on a port of its own and passes on to `upstream`, an address and a port.

    Runs in a thread; its methods may be called from any other. Use it as a context manager. `counts` has connections
    accepted, refused, cut and unreachable, and bytes up and down.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.port = 0
        self.counts: Counter[str] = Counter()
        self._upstream = upstream
        self._faults = Faults()
        self._random = random.Random(SEED)
        self._pipes: set[Pipe] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="chaos link", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(PATIENCE)

    # For whoever makes trouble

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._tasks)

    def will(self, **faults: Any) -> None:
        """From now on behave like this, on open connections as well. Without arguments: pass everything on."""
        self._faults = Faults(**faults)

    def reset_all(self) -> None:
        """End every open connection with a reset, on both sides; it is done when this returns."""

        async def reset() -> None:
            for pipe in self._pipes:
                _reset(pipe.writer)

        asyncio.run_coroutine_threadsafe(reset(), self._loop).result(PATIENCE)

    # The proxy

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._faults.refuse:
            self.counts["refused"] += 1
            _reset(writer)
            return
        self.counts["accepted"] += 1
        task = asyncio.ensure_future(self._live(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _live(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The life of one connection. When either side breaks, the other is reset."""
        pipes: tuple[Pipe, ...] = ()
        try:
            await self._while_hanging()
            far_reader, far_writer = await self._connect()
            pipes = (Pipe("up", reader, far_writer), Pipe("down", far_reader, writer))
            self._pipes.update(pipes)
            async with asyncio.TaskGroup() as group:
                for pipe in pipes:
                    group.create_task(self._pass_on(pipe))
        except* Cut:
            self.counts["cut"] += 1
        except* OSError:
            pass
        finally:
            self._pipes.difference_update(pipes)
            is_orderly = bool(pipes) and all(pipe.is_ended for pipe in pipes)
            for end in (writer, *(pipe.writer for pipe in pipes)):
                end.close() if is_orderly else _reset(end)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_connection(*self._upstream)
        except OSError:
            self.counts["unreachable"] += 1
            raise

    async def _pass_on(self, pipe: Pipe) -> None:
        """Bytes of one direction until their end, which is passed on, too."""
        pipe.writer.transport.set_write_buffer_limits(high=0)
        while block := await pipe.reader.read(BLOCK):
            await self._wait()
            limit = self._faults.cut_up if pipe.direction == "up" else self._faults.cut_down
            block = block if limit is None else block[: max(0, limit - pipe.passed)]
            pipe.writer.write(block)
            await pipe.writer.drain()
            pipe.passed += len(block)
            self.counts[f"bytes_{pipe.direction}"] += len(block)
            if limit is not None and pipe.passed >= limit:
                raise Cut
        pipe.end()

    async def _wait(self) -> None:
        faults = self._faults
        if seconds := faults.delay + self._random.uniform(-faults.jitter, faults.jitter):
            await asyncio.sleep(max(0.0, seconds))
        await self._while_hanging()

    async def _while_hanging(self) -> None:
        while self._faults.hang:  # noqa: ASYNC110  # switched from any thread, which an asyncio.Event cannot be
            await asyncio.sleep(TICK)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the peer gets a reset instead of an orderly end."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
