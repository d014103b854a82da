"""Makes changes, in the caller's transaction.

New rows of a kind are written in bulk: the first import of a large roster must not lock the database for seconds.
"""

import itertools
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import models

from apps.accounts.models import Issuer, User
from apps.providers.models import Credential, Provider
from gateway_project.apply import decisions
from gateway_project.apply.changes import Change
from gateway_project.apply.kinds import field_name

Values = Mapping[str, Any]


def perform(changes: Iterable[Change], *, now: datetime) -> None:
    changes = list(changes)
    rows = [change for change in changes if change.kind not in decisions.KINDS]
    for (sign, _), group in itertools.groupby(rows, key=lambda change: (change.sign, change.kind)):
        {"+": _add, "~": _change, "-": _delete}[sign](list(group))
    decisions.perform([change for change in changes if change.kind in decisions.KINDS], now=now)  # last: locks weeks


def _add(changes: list[Change]) -> None:
    model = changes[0].kind.model
    values = _resolved(model, [{**change.key, **change.values} for change in changes])
    rows = model._default_manager.bulk_create([_new(model, own) for own in values])
    for change, row in zip(changes, rows, strict=True):
        _keep_secret(change, row)


def _new(model: type[models.Model], values: Values) -> models.Model:
    row = model(**values)
    if isinstance(row, User):
        row.set_unusable_password()
    return row


def _change(changes: list[Change]) -> None:
    for change in changes:
        _change_one(change)


def _change_one(change: Change) -> None:
    row = change.kind.model._base_manager.get(**change.key)
    [values] = _resolved(change.kind.model, [change.values])
    for name, value in values.items():
        setattr(row, name, value)
    if values:
        stamps = {field.name for field in row._meta.fields if getattr(field, "auto_now", False)}
        row.save(update_fields={*values, *stamps})
    if isinstance(row, Provider) and row.moved_from(change.before.get("base_url", row.base_url)):
        row.forget_secrets(keep_headers="extra_headers" in change.before)
    if isinstance(row, Issuer) and row.moved_from(change.before.get("issuer", row.issuer)):
        row.forget_secret()
    _keep_secret(change, row)


def _delete(changes: list[Change]) -> None:
    for change in changes:
        row = change.kind.find(change.key)
        if row is not None:  # somebody else may have deleted it meanwhile
            row.delete()


def _keep_secret(change: Change, row: models.Model) -> None:
    if change.secret is not None and isinstance(row, Credential | Issuer):
        row.set_secret(change.secret.get_secret_value())


def _resolved(model: type[models.Model], rows: list[Values]) -> list[Values]:
    """Rows whose references by name, such as `course__slug`, are replaced by the objects that they name."""
    lookups = {name for values in rows for name in values if "__" in name}
    found = {lookup: _named(model, lookup, {row[lookup] for row in rows if lookup in row}) for lookup in lookups}
    return [
        {field_name(name): found[name][value] if name in found else value for name, value in values.items()}
        for values in rows
    ]


def _named(model: type[models.Model], lookup: str, asked: set[str | None]) -> dict[str | None, models.Model | None]:
    """The related rows by name. None names none."""
    names = asked - {None}
    field, _, attribute = lookup.partition("__")
    related: Any = model._meta.get_field(field).related_model
    found: dict[str | None, models.Model | None] = related._base_manager.in_bulk(names, field_name=attribute)
    if len(found) < len(names):
        raise related.DoesNotExist(f"{names - set(found)} went away meanwhile.")
    return {None: None, **found}
