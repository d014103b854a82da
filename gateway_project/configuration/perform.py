"""Makes changes. The caller's transaction makes them all or none."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models

from apps.accounts.models import User
from apps.providers.models import Credential
from gateway_project.configuration.changes import Change
from gateway_project.configuration.kinds import field_name


def perform(changes: Iterable[Change]) -> None:
    for change in changes:
        {"+": _add, "~": _change, "-": _delete}[change.sign](change)


def _add(change: Change) -> None:
    row = change.kind.model(**_resolved(change.kind.model, {**change.key, **change.values}))
    if isinstance(row, User):
        row.set_unusable_password()
    row.save(force_insert=True)
    _keep_secret(change, row)


def _change(change: Change) -> None:
    row = change.kind.model._base_manager.get(**change.key)
    values = _resolved(change.kind.model, change.values)
    for name, value in values.items():
        setattr(row, name, value)
    if values:
        stamps = {field.name for field in row._meta.fields if getattr(field, "auto_now", False)}
        row.save(update_fields={*values, *stamps})
    _keep_secret(change, row)


def _delete(change: Change) -> None:
    row = change.kind.find(change.key)
    if row is not None:  # it may have gone with the row that it belonged to
        row.delete()


def _keep_secret(change: Change, row: models.Model) -> None:
    if change.secret is not None and isinstance(row, Credential):
        row.set_secret(change.secret.get_secret_value())


def _resolved(model: type[models.Model], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with references by name, such as `course__slug`, replaced by the rows that they name."""
    return {
        field_name(name): _referred(model, name, value) if "__" in name else value for name, value in values.items()
    }


def _referred(model: type[models.Model], lookup: str, value: Any) -> models.Model:
    name, _, attribute = lookup.partition("__")
    related: Any = model._meta.get_field(name).related_model
    found: models.Model = related._base_manager.get(**{attribute: value})
    return found
