"""The base of models whose changes are recorded, by whatever page, command or task makes them."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import transaction

from apps.accounts.audit import changes
from apps.common.models import RevisedModel, RevisedQuerySet


class AuditedQuerySet(RevisedQuerySet):
    """Bulk writes are recorded like single ones: an entry a row, or one for all of them if there are very many."""

    def update(self, **values: Any) -> int:
        with transaction.atomic(using=self.db):
            rows = changes.sample(self)
            updated = super().update(**values)
            changes.record_updated(self.model, rows, values)
        return updated

    def bulk_create(self, objs: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
        with transaction.atomic(using=self.db):
            created = super().bulk_create(objs, *args, **options)
            changes.record_created(self.model, created)
        return created

    def delete(self) -> tuple[int, dict[str, int]]:
        with transaction.atomic(using=self.db):
            rows = changes.sample(self)
            deleted = super().delete()
            changes.record_deleted(self.model, rows, deleted[1])
        return deleted


class AuditedModel(RevisedModel):
    """Saving and deleting a row leaves an entry with the fields that changed.

    Subclasses give `objects` an AuditedQuerySet. Fields in `audit_hidden` are told by name only, as are passwords,
    digests and ciphertexts in every table.
    """

    audit_noun: ClassVar[str] = ""  # the first word of the action; empty: the verbose name
    audit_created: ClassVar[str] = "created"  # the second word when a row is new
    audit_hidden: ClassVar[frozenset[str]] = frozenset()

    class Meta:
        abstract = True

    @property
    def audit_label(self) -> str:
        """What entries call the row."""
        return str(self)

    @classmethod
    def audit_verb(cls, changed: frozenset[str], row: Any) -> str:
        """The second word of the action when these fields of a stored row changed."""
        return "secret_changed" if "ciphertext" in changed else "changed"

    def save(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            before = changes.stored(type(self), [self.pk], is_locked=True) if self.pk is not None else []
            super().save(*args, **options)
            changes.record_saved(before, changes.stored(type(self), [self.pk]))

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            rows = changes.sample(type(self)._base_manager.filter(pk=self.pk))
            deleted = super().delete(*args, **options)
            changes.record_deleted(type(self), rows, deleted[1])
        return deleted
