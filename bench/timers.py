"""Who has the event loop: functions of a table are wrapped so that each stage's own time, and calls, are counted.

A stage that calls another one is not charged for it, and a coroutine is not charged while it waits.
"""

import functools
import inspect
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable
from types import FrameType
from typing import Any

from bench.stages import resolve

ELSEWHERE = "uvicorn, the loop, all else"
PREFIXES = ("apps.", "gateway_project.", "ninja.")


class Stages:
    """The time and the calls of each stage so far, for the thread that makes it."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.entered: Counter[str] = Counter()
        self.thread = threading.get_ident()
        self._clock = clock
        self._stack = [ELSEWHERE]
        self._last = clock()

    @property
    def current(self) -> str:
        return self._stack[-1]

    def enter(self, stage: str) -> None:
        now = self._clock()
        self.seconds[self._stack[-1]] += now - self._last
        self.entered[stage] += 1
        self._stack.append(stage)
        self._last = now

    def leave(self) -> None:
        now = self._clock()
        self.seconds[self._stack.pop()] += now - self._last
        self._last = now

    def install(self, table: dict[str, Iterable[str]]) -> None:
        """Wrap the functions wherever a module or a class keeps them. Raises Gone."""
        for stage, names in table.items():
            for name in names:
                place, attribute, function = resolve(name)
                replace_everywhere(place, attribute, function, self.wrapped(stage, function))

    def wrapped(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isasyncgenfunction(function):
            return self._wrapped_generator(stage, function)
        if inspect.iscoroutinefunction(function):
            return self._wrapped_coroutine(stage, function)

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            if threading.get_ident() != self.thread:
                return function(*arguments, **named)
            self.enter(stage)
            try:
                return function(*arguments, **named)
            finally:
                self.leave()

        return timed

    def _wrapped_coroutine(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def timed(*arguments: Any, **named: Any) -> Any:
            return await _Steps(self, stage, function(*arguments, **named))

        return timed

    def _wrapped_generator(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def timed(*arguments: Any, **named: Any) -> AsyncIterator[Any]:
            items = function(*arguments, **named)
            try:
                while True:
                    try:
                        item = await _Steps(self, stage, items.__anext__())
                    except StopAsyncIteration:
                        return
                    yield item
            finally:
                await items.aclose()

        return timed


class _Steps:
    """An awaitable whose steps, from one wait to the next, belong to a stage."""

    def __init__(self, stages: Stages, stage: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._stages, self._stage, self._coroutine = stages, stage, coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        step, value = self._coroutine.send, None
        while True:
            self._stages.enter(self._stage)
            try:
                waiting = step(value)
            except StopIteration as stop:
                return stop.value
            finally:
                self._stages.leave()
            try:
                step, value = self._coroutine.send, (yield waiting)
            except BaseException as error:  # cancelled, or closed: the coroutine is to know
                step, value = self._coroutine.throw, error


def replace_everywhere(place: Any, attribute: str, old: Any, new: Any) -> None:
    """Also where a module has imported the function by its name, and where a class of it has it as a static method."""
    setattr(place, attribute, new)
    for name, module in list(sys.modules.items()):
        if name.startswith(PREFIXES):
            _replace_in(module, old, new)
            for kind in list(vars(module).values()):
                if isinstance(kind, type) and kind.__module__ == name:
                    _replace_in(kind, old, new)


def _replace_in(place: Any, old: Any, new: Any) -> None:
    for attribute, value in list(vars(place).items()):
        if value is old:
            setattr(place, attribute, new)
        elif isinstance(value, staticmethod) and value.__func__ is old:
            setattr(place, attribute, staticmethod(new))


class Calls:
    """Python calls, of each thread by its name and, in the thread of the stages, of each stage.

    `watch` before the threads start. What the wrappers themselves call does not count.
    """

    def __init__(self, stages: Stages | None) -> None:
        self.of_thread: Counter[int] = Counter()
        self.of_stage: Counter[str] = Counter()
        self._stages = stages

    def watch(self) -> None:
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "call" or frame.f_code.co_filename == __file__:
            return
        thread = threading.get_ident()
        self.of_thread[thread] += 1
        if self._stages is not None and thread == self._stages.thread:
            self.of_stage[self._stages.current] += 1
