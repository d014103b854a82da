"""Versions of services: whatever changes a service, its instances or its courses makes a version of the whole.

All that changes inside `together` is one version; without it, each statement is one.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.versions import Version
from apps.common.actors import acting_person
from apps.common.differences import Difference
from apps.services.differences import differences, summary


class ServiceVersion(Version):
    """A service with its instances and courses as it was at some instant, and what changed since the one before."""

    service = models.ForeignKey("Service", on_delete=models.CASCADE, related_name="versions")

    class Meta(Version.Meta):
        constraints = (
            models.UniqueConstraint(fields=("service", "number"), name="one_version_per_service_and_number"),
        )

    def differences(self, before: "ServiceVersion | None") -> list[Difference]:
        return differences(before.fields if before else None, self.fields)


@dataclass(slots=True)
class _Together:
    note: str
    services: set[int] = field(default_factory=set)

    def touch(self, *services: int | None) -> None:
        self.services.update(pk for pk in services if pk is not None)


_change: ContextVar[_Together | None] = ContextVar("change of services", default=None)


@contextmanager
def together(*, note: str = "") -> Iterator[_Together]:
    """One transaction, and at its end one version of each service that changed in it, with this note.

    The author is the person at work. Inside another `together` it is part of that one.
    """
    outer = _change.get()
    if outer is not None:
        outer.note = outer.note or note
        yield outer
        return
    change = _Together(note)
    token = _change.set(change)
    try:
        with transaction.atomic():
            yield change
            _record(change.services, note=change.note[:200])
    finally:
        _change.reset(token)


def _record(services: Iterable[int], *, note: str) -> None:
    """Keep a version of those whose document differs from that of their last version. Locks them in order."""
    table: Any = ServiceVersion._meta.get_field("service").related_model
    rows = table._base_manager.filter(pk__in=services).order_by("pk")
    for service in rows.select_for_update(of=("self",), no_key=True):
        last = service.versions.order_by("-number").first()
        before, after = last.fields if last else None, service.document()
        if before != after:
            ServiceVersion.objects.create(
                service=service,
                number=last.number + 1 if last else 1,
                author_id=acting_person(),
                at=timezone.now(),
                note=note,
                fields=after,
                summary=summary(before, after),
            )


class ServicePartQuerySet(AuditedQuerySet):
    """Bulk writes make versions, too."""

    def update(self, **values: Any) -> int:
        with together() as change:
            change.touch(*self._services())
            return super().update(**values)

    def delete(self) -> tuple[int, dict[str, int]]:
        with together() as change:
            change.touch(*self._services())
            return super().delete()

    def bulk_create(self, objs: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
        with together() as change:
            created = super().bulk_create(objs, *args, **options)
            change.touch(*(row.service_of for row in created))
            return created

    def _services(self) -> list[int | None]:
        return [row.service_of for row in self.order_by()]


class ServicePart(AuditedModel):
    """A row of a service. `service_of` is the key of that service."""

    class Meta:
        abstract = True

    @property
    def service_of(self) -> int | None:
        """Rows that refer to a service are of that one; a service is of itself."""
        own: int | None = getattr(self, "service_id", self.pk)
        return own

    def save(self, *args: Any, **options: Any) -> None:
        with together() as change:
            super().save(*args, **options)
            change.touch(self.service_of)

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        with together() as change:
            change.touch(self.service_of)
            return super().delete(*args, **options)
