"""Writing entries. Everything here runs inside the caller's transaction, and never on the path of a student's call."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models, transaction

from apps.accounts.audit.lines import line_of
from apps.common.actors import Actor, actor

logger = logging.getLogger("stoa.audit")
security = logging.getLogger("stoa.security")  # the same line, of what somebody should look at

Values = Mapping[str, Any]


def record(
    action: str,
    *,
    subject: models.Model | None = None,
    course: models.Model | int | None = None,
    before: Values | None = None,
    after: Values | None = None,
    note: str = "",
    is_security: bool = False,
) -> None:
    """Write one entry as the current actor, in the caller's transaction. Secrets must not be among the values.

    Without a `course` it is that of the subject, if it has one.
    """
    write([entry(action, subject, course, before, after, note, is_security=is_security)])


def security_event(
    action: str, *, subject: models.Model | None = None, course: models.Model | int | None = None, note: str = ""
) -> None:
    """Write an entry that somebody should look at, such as guessing. Callers bound how many they write."""
    record(action, subject=subject, course=course, note=note, is_security=True)


def entry(
    action: str,
    subject: models.Model | None,
    course: models.Model | int | None = None,
    before: Values | None = None,
    after: Values | None = None,
    note: str = "",
    *,
    is_security: bool = False,
) -> models.Model:
    """An entry that is not written yet."""
    who = actor()
    return _table()(
        at=datetime.now(UTC),
        actor_kind=who.kind,
        actor_id=who.id,
        actor_name=_one_line(_name(who), 150),
        action=action,
        object_type=subject._meta.label_lower if subject is not None else "",
        object_id="" if subject is None or subject.pk is None else str(subject.pk)[:40],
        object_label="" if subject is None else _one_line(getattr(subject, "audit_label", None) or str(subject), 200),
        course=course_of(subject if course is None else course),
        before=before,
        after=after,
        address=who.address[:45],
        request_id=who.request_id[:32],
        note=_one_line(note, 500),
        is_security=is_security,
    )


def write(entries: Sequence[models.Model]) -> None:
    """Write entries in one statement, and their lines to the log once that is committed."""
    if not entries:
        return
    _table()._default_manager.bulk_create(entries)
    if logger.isEnabledFor(logging.INFO):
        transaction.on_commit(partial(_log, entries), robust=True)
    if alarming := [one for one in entries if getattr(one, "is_security", False)]:
        transaction.on_commit(partial(_alarm, alarming), robust=True)


def _log(entries: Sequence[models.Model]) -> None:
    for one in entries:
        logger.info("%s", line_of(one))


def _alarm(entries: Sequence[models.Model]) -> None:
    for one in entries:
        security.warning("%s", line_of(one))


def _table() -> type[models.Model]:
    """By name, because the tables of accounts import this module."""
    return apps.get_model("accounts", "AuditEntry")


def _name(who: Actor) -> str:
    """Jobs know only the id of the person who asked for them."""
    if who.name or who.kind != "person" or who.id is None:
        return who.name
    person = get_user_model()._default_manager.filter(pk=who.id).first()
    return person.get_username() if person else ""


def course_of(given: Any) -> int | None:
    """The id of a row's course; None if it has none."""
    if given is None or isinstance(given, int):
        return given
    model: Any = given._meta.model  # `request.user` is of another type
    for name in course_path(model).split("__"):
        given = given.pk if name == "pk" else getattr(given, f"{name}_id" if name == "course" else name, None)
    return given if isinstance(given, int) else None


@cache
def course_path(model: type[models.Model]) -> str:
    """The lookup from a row to its course: the row itself, its own, or that of its member, call or rule."""
    if model._meta.label_lower == "accounts.course":
        return "pk"
    names = {field.name for field in model._meta.fields if field.is_relation}
    if "course" in names:
        return "course"
    return next((f"{owner}__course" for owner in ("membership", "call", "rule") if owner in names), "")


def _one_line(text: str, most: int) -> str:
    """Without line breaks and other control characters, which could forge lines of a log."""
    return "".join(character if character.isprintable() else " " for character in text[:most])
