"""Who is at work: the person, command or task on whose behalf the running code changes something. No tables."""

import os
import pwd
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Kind = Literal["person", "student", "command", "task", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """`id` is that of a user for a person, and of a membership for a student. A person without one is unknown."""

    kind: Kind
    id: int | None = None
    name: str = ""
    address: str = ""
    request_id: str = ""


NOBODY = Actor("system", name="Stoa")

_current: ContextVar[Actor | Callable[[], Actor]] = ContextVar("actor", default=NOBODY)


def actor() -> Actor:
    """The current actor; Stoa itself if nobody has said who it is."""
    current = _current.get()
    return current() if callable(current) else current


def acting_person() -> int | None:
    """The id of the user who acts; None for commands, tasks and students."""
    now = actor()
    return now.id if now.kind == "person" else None


def at_work(who: Actor) -> None:
    """Set the actor of this thread from now on, such as that of a worker whenever it begins a task."""
    _current.set(who)


def command(arguments: Sequence[str]) -> Actor:
    """The actor of a command: its name without arguments, which may be secret, and the system's user."""
    name = arguments[1] if len(arguments) > 1 else "help"
    return Actor("command", name=f"{os.environ.get('SUDO_USER') or _system_user()}: manage.py {name}")


def _system_user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # usual in containers
        return str(os.getuid())


@contextmanager
def acting(who: Actor | Callable[[], Actor]) -> Iterator[None]:
    """Set the actor for what runs inside. A function is called whenever the actor is asked for."""
    token = _current.set(who)
    try:
        yield
    finally:
        _current.reset(token)
