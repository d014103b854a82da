"""What all keys have in common, whoever holds them."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Self

from django.db import models, transaction
from django.db.models import Q

from apps.accounts import keys
from apps.accounts.audit import security_event
from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models.fields import TOPIC
from apps.common.translation import lazy as _

USE_EVERY: Final = timedelta(minutes=1)
DORMANT: Final = timedelta(days=90)


class StoredKeyQuerySet(AuditedQuerySet):
    def valid(self, *, now: datetime) -> Self:
        """Keys that are neither revoked nor expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)

    def revoke(self, *, now: datetime) -> int:
        """Revoke the keys that are not revoked yet. Returns how many."""
        return self.filter(revoked_at=None).update(revoked_at=now)


class StoredKey(AuditedModel):
    """Base of the tables of keys. Only the digest is stored; the text is shown once, when the key is issued."""

    topic: ClassVar[str] = TOPIC
    audit_created: ClassVar[str] = "issued"

    prefix = models.CharField(max_length=12, default=keys.PREFIX, db_default=keys.PREFIX, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    name = models.CharField(max_length=100, blank=True, help_text=_("For people: where this key is used."))
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False, help_text=_("To the minute."))
    reads_only = models.BooleanField(
        _("read only"), default=False, db_default=False, help_text=_("The key reads, but starts and changes nothing.")
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.shown

    @classmethod
    def audit_verb(cls, changed: frozenset[str], row: Any) -> str:
        return "revoked" if "revoked_at" in changed and row.revoked_at is not None else "changed"

    # Mutators

    def note_use(self, *, now: datetime) -> None:
        """Record that it is used, at most once a minute. A key that was not used for long is a security event."""
        since = self.last_used_at or self.created_at
        if self.last_used_at is not None and now - since < USE_EVERY:
            return
        rows: Any = type(self)._base_manager.filter(pk=self.pk, last_used_at=self.last_used_at)
        with transaction.atomic():
            # Of several at once, the one that finds the old value tells of it. No snapshot shows the time.
            if rows.update(last_used_at=now) and now - since >= DORMANT:
                days = (now - since).days
                security_event(f"{self.audit_noun}.woke", subject=self, note=f"Not used for {days} days.")

    # Properties

    @property
    def shown(self) -> str:
        return f"{self.prefix}…{self.last_four}"

    def is_valid(self, *, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)
