"""Compares a valid file with the database. Only reads."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from pydantic import SecretStr

from apps.accounts.models import GivenRole, Issuer
from apps.common.encryption import CannotDecrypt
from apps.providers.models import Credential, Provider
from apps.providers.validation import is_key
from apps.quotas.models import QuotaPolicy, RoleAllowance
from gateway_project.apply import decisions, kinds, people, services, wanted
from gateway_project.apply.changes import Change
from gateway_project.apply.document import Document
from gateway_project.apply.kinds import FILE_NAMES, stored_value
from gateway_project.apply.mistakes import Mistakes, Path
from gateway_project.apply.references import dangling
from gateway_project.apply.schema import File
from gateway_project.apply.wanted import Row


def plan(document: Document, file: File, *, environment: Mapping[str, str], prune: bool, now: datetime) -> list[Change]:
    """The changes that make the database agree with the file, in order. Raises Mistakes, with all of them."""
    rows = list(wanted.rows(file))
    members, mistakes = people.rows(document, file, prune=prune)
    decided, wrong = decisions.plan(document, file, prune=prune, now=now)
    served, unserved = services.plan(document, file, prune=prune)
    mistakes += [*dangling(document, file, prune=prune), *wrong, *unserved]
    changes: list[Change] = []
    moved: set[str] = set()
    for row in [*rows, *members]:
        try:
            changes += _compared(row, environment, moved)
        except ValidationError as error:
            mistakes += [document.mistake((*row.path, *path), sentence) for path, sentence in _told(error)]
    pruned = list(_pruned(file, rows)) if prune else []
    mistakes += [document.mistake(("issuers",), sentence) for sentence in _still_giving(pruned)]
    if mistakes:
        raise Mistakes(document.source, mistakes)
    return [*changes, *served, *decided, *pruned]


def _compared(row: Row, environment: Mapping[str, str], moved: set[str]) -> Iterator[Change]:
    """The change that one row needs, if any. Raises ValidationError with the names of columns.

    `moved` collects the names of providers that move to another server. That server must not see the secrets that were
    stored for the old one, so those in the file are stored anew.
    """
    stored = row.kind.find(row.key)
    before = {name: stored_value(stored, name) for name in row.values} if stored else {}
    secret = _secret(row, None if row.key.get("provider__name") in moved else stored, environment)
    after = _checked(row, stored)
    if stored is None:
        yield Change("+", row.kind, row.key, after, secret=secret)
        return
    after = {name: value for name, value in after.items() if value != before[name]}
    if isinstance(stored, Provider) and stored.moved_from(before.get("base_url", stored.base_url)):
        moved.add(stored.name)
    if after or secret:
        yield Change("~", row.kind, row.key, after, before, secret)


def _checked(row: Row, stored: models.Model | None) -> dict[str, Any]:
    """The row's values after the model's own validation."""
    own = {name: value for name, value in {**row.key, **row.values}.items() if "__" not in name}
    draft = stored or row.kind.model()
    if isinstance(draft, QuotaPolicy | RoleAllowance):
        # Its ceiling may be in the file too, so it is checked when both are written.
        draft.course_id = None  # type: ignore[assignment]
    for name, value in own.items():
        setattr(draft, name, value)
    # References are looked up by name later. A file cannot set passwords and other hidden columns.
    hidden = {field.name for field in draft._meta.fields if field.is_relation or not field.editable}
    exclude = hidden | {"password"} | ({"username"} if row.kind is kinds.PERSON else set())
    draft.full_clean(exclude=exclude, validate_unique=False, validate_constraints=False)
    return {name: value if "__" in name else getattr(draft, name) for name, value in row.values.items()}


def _secret(row: Row, stored: models.Model | None, environment: Mapping[str, str]) -> SecretStr | None:
    """The secret to store, if it differs from the stored one."""
    if row.kind not in (kinds.CREDENTIAL, kinds.ISSUER):
        return None
    if row.secret_env is None:
        if stored is None and row.kind is kinds.CREDENTIAL:
            raise ValidationError(
                {"secret_env": "is required for a new credential, and for one whose provider has moved."}
            )
        return None
    secret = environment.get(row.secret_env, "").strip()
    if not secret:
        raise ValidationError({"secret_env": f"the environment variable {row.secret_env} is not set."})
    if not is_key(secret):
        raise ValidationError({"secret_env": f"{row.secret_env} holds a space or a character that no key contains."})
    is_meant_for_it = isinstance(stored, Credential) or (isinstance(stored, Issuer) and not _moves(stored, row))
    return None if is_meant_for_it and _opens_as(stored, secret) else SecretStr(secret)


def _moves(issuer: Issuer, row: Row) -> bool:
    return issuer.moved_from(row.values.get("issuer", issuer.issuer))


def _opens_as(stored: Any, secret: str) -> bool:
    try:
        return bool(stored.secret() == secret)
    except CannotDecrypt:
        return False


def _told(error: ValidationError) -> Iterator[tuple[Path, str]]:
    """The last message about each field: a model's own messages come after Django's general ones."""
    for name, sentences in error.message_dict.items():
        field = {"first_name": "name", "last_name": "name"}.get(name, FILE_NAMES.get(name, name))
        yield () if name == "__all__" else (field,), sentences[-1]


def _still_giving(changes: Iterable[Change]) -> Iterator[str]:
    """An issuer that goes must not leave what its groups gave as if people had given it."""
    for name in [change.key["name"] for change in changes if change.kind is kinds.ISSUER]:
        if GivenRole.objects.filter(issuer__name=name).exists():
            yield f"the groups of {name} gave people roles. Take them back on the page of issuers, then leave it out."


def _pruned(file: File, rows: Iterable[Row]) -> Iterator[Change]:
    """Deletions of what the file's lists omit, inner rows first."""
    named = {(row.kind.title, tuple(row.key[name] for name in row.kind.key)) for row in rows}
    for listed in wanted.lists(file):
        kind = listed.kind
        for key in kind.model._base_manager.filter(**listed.within).order_by(*kind.key).values(*kind.key):
            if (kind.title, tuple(key[name] for name in kind.key)) not in named:
                yield Change("-", kind, key)
