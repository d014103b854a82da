"""Boosts of courses and overrides of members.

These are created and ended, never changed, and each has a line in the ledger. Changing one in the file creates a new
one and ends the previous one.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError

from apps.accounts.models import Course, Membership
from apps.quotas import decisions
from apps.quotas.models import Boost, Decision, Override
from gateway_project.apply import kinds
from gateway_project.apply.changes import Change
from gateway_project.apply.document import Document
from gateway_project.apply.mistakes import Mistake, Path
from gateway_project.apply.schema import BoostSection, CourseSection, File, MemberSection, OverrideSection

Outcome = Change | Mistake
KINDS = (kinds.BOOST, kinds.OVERRIDE)


def plan(document: Document, file: File, *, prune: bool, now: datetime) -> tuple[list[Change], list[Mistake]]:
    """The decisions to create and to end, and the mistakes in those that the file asks for."""
    outcomes = [
        outcome
        for number, course in enumerate(file.courses or ())
        for outcome in (
            *_boosts(document, course, ("courses", number, "boosts"), prune=prune, now=now),
            *_overrides(document, course, ("courses", number, "members"), now=now),
        )
    ]
    changes = [outcome for outcome in outcomes if isinstance(outcome, Change)]
    return changes, [outcome for outcome in outcomes if isinstance(outcome, Mistake)]


def _boosts(document: Document, course: CourseSection, path: Path, *, prune: bool, now: datetime) -> Iterator[Outcome]:
    """A stored boost with the same start as one of the file's is an earlier version of it."""
    if course.boosts is None:
        return
    stored: list[Boost] = list(Boost.objects.filter(course__slug=course.slug))
    kept: list[Boost] = []
    for position, asked in enumerate(course.boosts):
        draft = Boost(**asked.given)
        mistakes = list(_wrong(document, draft, (*path, position)))
        yield from mistakes
        same = [boost for boost in stored if all(_equal(boost, draft, name) for name in BoostSection.model_fields)]
        kept += same
        if not mistakes and not same and not draft.is_over(now=now):
            yield Change("+", kinds.BOOST, _boost_key(course.slug, draft), asked.given)
    starts = {asked.starts_at for asked in course.boosts}
    for boost in stored:
        is_replaced = prune or boost.starts_at in starts
        if boost not in kept and is_replaced and not boost.is_over(now=now):
            yield Change("-", kinds.BOOST, {**_boost_key(course.slug, boost), "id": boost.pk})


def _boost_key(slug: str, boost: Boost) -> dict[str, Any]:
    return {"course__slug": slug, "starts_at": f"{boost.starts_at:%Y-%m-%d %H:%M %Z}"}


def _overrides(document: Document, course: CourseSection, path: Path, *, now: datetime) -> Iterator[Outcome]:
    told = {p: member for p, member in enumerate(course.members or ()) if "override" in member.model_fields_set}
    if not told:
        return
    stored: dict[str, list[Override]] = {}
    rows = Override.objects.filter(membership__course__slug=course.slug).unfinished(now=now)
    for row in rows.select_related("membership").order_by("-pk"):
        stored.setdefault(row.membership.external_id, []).append(row)
    for position, member in told.items():
        found = stored.get(member.external_id, [])
        yield from _override(document, course.slug, member, found, (*path, position, "override"), now=now)


def _override(
    document: Document, slug: str, member: MemberSection, stored: list[Override], path: Path, *, now: datetime
) -> Iterator[Outcome]:
    key, asked = {"course__slug": slug, "external_id": member.external_id}, member.override
    ends = [Change("-", kinds.OVERRIDE, {**key, "id": override.pk}) for override in stored]
    if asked is None:
        yield from ends
        return
    values = asked.given
    draft = Override(**{"starts_at": now, **values})
    mistakes = list(_wrong_override(document, asked, draft, path))
    yield from mistakes
    is_stored = bool(stored) and all(_equal(stored[0], draft, name) for name in {**values, "ends_at": None})
    if mistakes or is_stored or draft.is_over(now=now):
        return
    yield from ends
    yield Change("+", kinds.OVERRIDE, key, values)


def _wrong_override(document: Document, asked: OverrideSection, draft: Override, path: Path) -> Iterator[Mistake]:
    if "weekly_tokens" not in asked.model_fields_set:
        yield document.mistake((*path, "weekly_tokens"), "is required; null is no limit.")
    yield from _wrong(document, draft, path)


def _wrong(document: Document, draft: Decision, path: Path) -> Iterator[Mistake]:
    hidden = {field.name for field in draft._meta.fields if field.is_relation or not field.editable}
    try:
        draft.full_clean(exclude=hidden, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        for name, sentences in error.message_dict.items():
            yield document.mistake((*path, name), sentences[-1])


def _equal(stored: Decision, draft: Decision, name: str) -> bool:
    return bool(getattr(stored, name) == getattr(draft, name))


def perform(changes: Iterable[Change], *, now: datetime) -> None:
    """Create and end decisions, and write all of their ledger lines together."""
    changes = list(changes)
    made = [_made(change, now) for change in changes if change.sign == "+"]
    ended = [change.kind.model._default_manager.get(pk=change.key["id"]) for change in changes if change.sign == "-"]
    decisions.record(new=made, ended=ended, by=None, now=now)  # type: ignore[arg-type]  # rows of these two kinds


def _made(change: Change, now: datetime) -> Decision:
    slug = change.key["course__slug"]
    if change.kind is kinds.BOOST:
        return Boost(course=Course.objects.get(slug=slug), **change.values)
    member = Membership.objects.select_related("course").get(course__slug=slug, external_id=change.key["external_id"])
    return Override(membership=member, **{"starts_at": now, **change.values})
