"""Keys of members of staff, for programs that use the staff API."""

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from apps.accounts import keys, permissions
from apps.accounts.models.people import User
from apps.accounts.models.stored_keys import StoredKey, StoredKeyQuerySet


class StaffKeyQuerySet(StoredKeyQuerySet):
    def for_staff(self, user: Any) -> "StaffKeyQuerySet":
        """A person's own keys; for operators, everybody's."""
        if not permissions.works_here(user):
            return self.none()
        return self if permissions.is_operator(user) else self.filter(user=user)


class StaffKey(StoredKey):
    """A key for /api/staff. At every use it may do what its holder may do then, and never more."""

    audit_noun: ClassVar[str] = "staff_key"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="staff_keys")

    objects = StaffKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)

    # Factories

    @classmethod
    def issue(
        cls, *, user: User, name: str = "", expires_at: datetime | None = None, reads_only: bool = True
    ) -> tuple["StaffKey", str]:
        """Store a new key. Returns it with its text, which cannot be recovered later."""
        issued = keys.issue(pepper=settings.KEY_PEPPER, prefix=keys.STAFF)
        row = cls.objects.create(
            user=user,
            prefix=keys.STAFF,
            digest=issued.digest,
            last_four=issued.last_four,
            name=name,
            expires_at=expires_at,
            reads_only=reads_only,
        )
        return row, issued.text
