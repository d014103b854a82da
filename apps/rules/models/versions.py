"""Versions of a rule: every save is recorded, by anybody and in any way.

A save writes only the fields that changed since the rule was read: while a form was open, somebody may have switched
the rule off.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, tzinfo
from types import MappingProxyType
from typing import Any, Self

from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.versions import Version
from apps.common.differences import Difference, stored_form
from apps.rules.differences import differences, summary

VERSIONED = (
    "name",
    "title",
    "why",
    "pattern",
    "checksum",
    "direction",
    "action",
    "stage",
    "assignment",
    "starts_at",
    "ends_at",
    "weekdays",
    "from_time",
    "until_time",
    "priority",
    "message",
    "guidance",
    "replacement",
    "examples_match",
    "examples_no_match",
)
UNVERSIONED = ("course", "updated_at")  # written with every save, but not part of a version
_UNKNOWN = object()


class RuleVersion(Version):
    """A rule as it was saved at some instant, by whom, and what changed since the version before."""

    rule = models.ForeignKey("Rule", on_delete=models.CASCADE, related_name="versions")

    class Meta(Version.Meta):
        constraints = (models.UniqueConstraint(fields=("rule", "number"), name="one_version_per_rule_and_number"),)

    def differences(self, before: "RuleVersion | None", *, zone: tzinfo = UTC) -> list[Difference]:
        return differences(before.fields if before else None, self.fields, zone=zone)


class VersionedQuerySet(AuditedQuerySet):
    """Bulk writes make versions, too."""

    def update(self, **values: Any) -> int:
        with transaction.atomic():
            rules = list(self)
            updated = super().update(**values)
            self.model.record_versions(rules)
        return updated

    def bulk_create(self, objs: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
        with transaction.atomic():
            created = super().bulk_create(objs, *args, **options)
            self.model.record_versions(created)
        return created


class VersionedModel(AuditedModel):
    """The versions of a rule. The fields in VERSIONED are those of `Rule`."""

    version = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    # Author and note of the next version; see `signed`.
    _author: Any = None
    _note: str = ""
    _as_read: Mapping[str, Any] = MappingProxyType({})  # the versioned fields as last read or written

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, *args: Any, **options: Any) -> Self:
        row = super().from_db(*args, **options)
        row._as_read = row._loaded_fields()
        return row

    def signed(self, *, by: Any, note: str = "") -> Self:
        """Set the author and the note of the next version. Returns the rule itself."""
        self._author, self._note = by, note
        return self

    def save(self, *args: Any, **options: Any) -> None:
        """Write the fields that changed, and a version if any versioned field differs from the last one."""
        if not self._state.adding and options.get("update_fields") is None:
            options["update_fields"] = [*self.changed_fields(), *UNVERSIONED]
        with transaction.atomic():
            super().save(*args, **options)
            self.record_versions([self], by=self._author, note=self._note)
        self._author, self._note = None, ""
        self._remember(options.get("update_fields"))

    def changed_fields(self) -> list[str]:
        """The versioned fields that differ from when the rule was read or last written."""
        return [name for name, value in self._loaded_fields().items() if self._as_read.get(name, _UNKNOWN) != value]

    def changed_since(self, number: int) -> frozenset[str]:
        """The versioned fields that differ from those of that version; none if there is no such version."""
        version = RuleVersion.objects.filter(rule=self.pk, number=number).first()
        now = as_stored(self)
        return frozenset(name for name in now if version and version.fields.get(name) != now[name])

    def _loaded_fields(self) -> dict[str, Any]:
        """The versioned fields without deferred ones."""
        return {name: self.__dict__[name] for name in VERSIONED if name in self.__dict__}

    def _remember(self, written: Iterable[str] | None) -> None:
        """Remember that these fields, or all, are in the database as they are here."""
        names = VERSIONED if written is None else set(written)
        self._as_read = {**self._as_read, **{n: value for n, value in self._loaded_fields().items() if n in names}}

    @classmethod
    def record_versions(cls, rules: Sequence[Self], *, by: Any = None, note: str = "") -> None:
        """Record what changed in these rules since their last versions, within the caller's transaction."""
        ids = [rule.pk for rule in rules]
        table: Any = cls._base_manager
        stored = {row["pk"]: row for row in table.filter(pk__in=ids).values("pk", "version", *VERSIONED)}
        last = RuleVersion.objects.filter(rule__in=ids, number=F("rule__version"))
        before = {version.rule_id: version.fields for version in last}
        made = [
            rule._next_version(stored[rule.pk], before.get(rule.pk), by=by, note=note)
            for rule in rules
            if rule.pk in stored and _fields(stored[rule.pk]) != before.get(rule.pk)
        ]
        RuleVersion.objects.bulk_create(made)
        table.filter(pk__in=[version.rule_id for version in made]).update(version=F("version") + 1)

    def _next_version(
        self, stored: Mapping[str, Any], before: Mapping[str, Any] | None, *, by: Any, note: str
    ) -> RuleVersion:
        self.version, after = stored["version"] + 1, _fields(stored)
        return RuleVersion(
            rule_id=self.pk,
            number=self.version,
            author=by,
            at=timezone.now(),
            note=note,
            fields=after,
            summary=summary(before, after),
        )


def as_stored(rule: Any) -> dict[str, Any]:
    """The versioned fields of a rule, saved or not, in the form in which a version keeps them."""
    return _fields({name: getattr(rule, name) for name in VERSIONED})


def _fields(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The versioned fields of a row, in the form in which a version keeps them."""
    return stored_form({name: stored[name] for name in VERSIONED})
