"""Infrastructure tables, and the base of models whose rows live on in snapshots."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import models, transaction


class Revision(models.Model):
    """How often the rows of a topic have changed. Snapshots compare it to know that they are out of date."""

    topic = models.CharField(max_length=40, primary_key=True)
    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.topic} {self.number}"

    @classmethod
    def bump(cls, topic: str) -> None:
        """Announce a change of the topic. Call it inside the transaction that makes the change."""
        if not cls.objects.filter(topic=topic).update(number=models.F("number") + 1):
            _, created = cls.objects.get_or_create(topic=topic, defaults={"number": 1})
            if not created:
                cls.objects.filter(topic=topic).update(number=models.F("number") + 1)


class RevisedQuerySet(models.QuerySet[Any]):
    """Bulk writes announce themselves as single ones do."""

    def _announced(self, write: Any) -> Any:
        with transaction.atomic(using=self.db):
            result = write()
            Revision.bump(self.model.topic)
        return result

    def update(self, **values: Any) -> int:
        updated: int = self._announced(lambda: super(RevisedQuerySet, self).update(**values))
        return updated

    def delete(self) -> tuple[int, dict[str, int]]:
        deleted: tuple[int, dict[str, int]] = self._announced(lambda: super(RevisedQuerySet, self).delete())
        return deleted

    def bulk_create(self, objs: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
        created: list[Any] = self._announced(lambda: super(RevisedQuerySet, self).bulk_create(objs, *args, **options))
        return created


class RevisedModel(models.Model):
    """A row that some snapshot holds a copy of: writing it bumps its `topic`'s revision in the same transaction.

    Subclasses give `objects` a RevisedQuerySet, so that bulk writes do the same.
    """

    topic: ClassVar[str]

    class Meta:
        abstract = True

    def save(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            super().save(*args, **options)
            Revision.bump(self.topic)

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            deleted = super().delete(*args, **options)
            Revision.bump(self.topic)
        return deleted
