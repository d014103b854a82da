"""What changed in rows of an audited table, and the entries that tell it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from apps.accounts.audit.recording import course_of, course_path, entry, write

MOST = 200  # rows of one statement that get entries of their own
FIRST_IDS = 20  # of more rows, whose entry names these
LONGEST = 2000  # characters of a value
NOTICED = frozenset({"last_login", "last_used_at"})  # nobody decides about them
SECRET = frozenset({"password", "digest", "ciphertext"})

Row = Any  # of an audited table
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """The rows that a statement is about to write: all of them, or how many there are in each course."""

    rows: Sequence[Row]
    many: Mapping[int | None, Sequence[int]] = field(default_factory=dict)


def sample(queryset: Any) -> Written:
    """Lock and read the rows, as they are before the statement."""
    ids = queryset.order_by().values("pk")
    rows = stored(queryset.model, ids, is_locked=True)
    return Written(rows) if len(rows) <= MOST else Written([], _by_course(queryset))


def stored(model: Any, ids: Any, *, is_locked: bool = False) -> list[Row]:
    """At most MOST + 1 of these rows, with what their labels need.

    The lock is that of an UPDATE. A stronger one would make calls wait that refer to a member.
    """
    rows = model._base_manager.filter(pk__in=ids).order_by("pk").select_related()
    if is_locked:
        rows = rows.select_for_update(of=("self",), no_key=True)
    return list(rows[: MOST + 1])


def _by_course(queryset: Any) -> dict[int | None, list[int]]:
    path = course_path(queryset.model)
    found: dict[int | None, list[int]] = defaultdict(list)
    for pk, course in queryset.order_by("pk").values_list("pk", path or "pk"):
        found[course if path else None].append(pk)
    return found


# Entries


def record_saved(before: Sequence[Row], after: Sequence[Row]) -> None:
    if before:
        write(_changed(before, after))
    else:
        write([_created(row) for row in after])


def record_created(model: Any, rows: Sequence[Row]) -> None:
    if len(rows) <= MOST:
        write([_created(row) for row in rows])
        return
    write(_summaries(model, model.audit_created, _grouped(rows), {}))


def record_updated(model: Any, before: Written, values: Mapping[str, Any]) -> None:
    write(_changed(before.rows, stored(model, [row.pk for row in before.rows])))
    write(_summaries(model, "changed", before.many, _plain(model, values)))


def record_deleted(model: Any, before: Written, counts: Mapping[str, int]) -> None:
    others = Counter({label: count for label, count in counts.items() if count and label != model._meta.label})
    note = "".join(f"With it {count} of {label}. " for label, count in others.most_common(8)).strip()
    write([entry(f"{_noun(row)}.deleted", row, before=_shown(row), note=note) for row in before.rows])
    write(_summaries(model, "deleted", before.many, {}, note))


def record_each(action: str, rows: Sequence[Row], *, after: Values) -> None:
    """The same thing done to each of these rows: an entry a row, or one a course if they are very many."""
    if len(rows) <= MOST:
        write([entry(action, row, after=after) for row in rows])
    elif rows:
        write([summary(action, rows[0], ids, course=course, after=after) for course, ids in _grouped(rows).items()])


def _grouped(rows: Sequence[Row]) -> dict[int | None, list[Any]]:
    courses: dict[int | None, list[Any]] = defaultdict(list)
    for row in rows:
        courses[course_of(row)].append(row.pk)
    return courses


def _created(row: Row) -> models.Model:
    values = {name: value for name, value in _shown(row).items() if value not in (None, "", {}, [])}
    return entry(f"{_noun(row)}.{row.audit_created}", row, after=values)


def _changed(before: Sequence[Row], after: Sequence[Row]) -> list[models.Model]:
    now = {row.pk: row for row in after}
    told = [_difference(row, now[row.pk]) for row in before if row.pk in now]
    return [one for one in told if one is not None]


def _difference(before: Row, after: Row) -> models.Model | None:
    """None if nothing changed that anybody decides."""
    names = [f.name for f in _told(after) if getattr(before, f.attname) != getattr(after, f.attname)]
    if not names:
        return None
    hidden = [name for name in names if name in _hidden(after)]
    old, new = _shown(before), _shown(after)
    return entry(
        f"{_noun(after)}.{type(after).audit_verb(frozenset(names), after)}",
        after,
        before={name: old[name] for name in names if name in old} or None,
        after={name: new[name] for name in names if name in new} or None,
        note=f"Changed, not shown: {', '.join(hidden)}." if hidden else "",
    )


def _summaries(
    model: Any, verb: str, courses: Mapping[int | None, Sequence[int]], values: Values, note: str = ""
) -> list[models.Model]:
    """An entry for each course, in place of one for each row."""
    return [
        summary(f"{_noun(model)}.{verb}", model, ids, course=course, after=values, note=note)
        for course, ids in courses.items()
    ]


def summary(
    action: str, model: Any, ids: Sequence[int], *, course: int | None, after: Values, note: str = ""
) -> models.Model:
    told: Any = entry(action, None, course, after={"rows": len(ids), "first_ids": list(ids[:FIRST_IDS]), **after})
    told.object_type = model._meta.label_lower
    told.object_label = f"{len(ids):,} {model._meta.verbose_name_plural}"
    told.note = note
    return told  # type: ignore[no-any-return]


# Values


def _noun(row: Row) -> str:
    return str(row.audit_noun or str(row._meta.verbose_name).lower().replace(" ", "_"))


def _told(row: Row) -> Iterable[Any]:
    """The columns that somebody decides about: neither the key nor what every save stamps."""
    for column in row._meta.concrete_fields:
        is_stamp = getattr(column, "auto_now", False) or getattr(column, "auto_now_add", False)
        if not (column.primary_key or is_stamp or column.name in NOTICED):
            yield column


def _hidden(row: Row) -> frozenset[str]:
    own: frozenset[str] = row.audit_hidden
    return SECRET | own


def _shown(row: Row) -> Values:
    return {f.name: _short(getattr(row, f.attname)) for f in _told(row) if f.name not in _hidden(row)}


def _plain(model: Any, values: Mapping[str, Any]) -> Values:
    """The values of an UPDATE as far as they are values: rows are referred to by id, expressions not shown."""
    shown = {name: getattr(value, "pk", value) for name, value in values.items() if name not in _hidden(model)}
    return {
        name: "computed" if hasattr(value, "resolve_expression") else _short(value) for name, value in shown.items()
    }


def _short(value: Any) -> Any:
    return f"{value[:LONGEST]}…" if isinstance(value, str) and len(value) > LONGEST else value
