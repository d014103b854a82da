"""API keys of members, of which only digests are stored."""

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models, transaction

from apps.accounts import keys, scopes
from apps.accounts.models.courses import Course
from apps.accounts.models.fields import Role
from apps.accounts.models.memberships import Membership
from apps.accounts.models.people import User
from apps.accounts.models.stored_keys import StoredKey, StoredKeyQuerySet
from apps.accounts.scopes import ALL, Scopes
from apps.common.actors import acting_person
from apps.common.translation import lazy as _


class ApiKeyQuerySet(StoredKeyQuerySet):
    def for_staff(self, user: Any) -> "ApiKeyQuerySet":
        return self.filter(membership__course__in=Course.objects.for_staff(user, "ApiKey"))

    def accepted(self, digest: str) -> "ApiKey | None":
        """The key of this digest with its member and course, if nothing but its expiry can be against it."""
        row: ApiKey | None = (
            self.select_related("membership__course")
            .filter(digest=digest, revoked_at=None, membership__is_active=True, membership__user__is_active=True)
            .first()
        )
        return row if row and row.prefix == ApiKey.prefix_for(row.membership.role) else None


class ApiKey(StoredKey):
    """The credential of a student, or of a service account, whose keys have a prefix of their own."""

    audit_noun: ClassVar[str] = "key"

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="api_keys")
    issued_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    allowed_models = models.TextField(
        _("models"),
        blank=True,
        default="",
        db_default="",
        help_text=_("Names of models, one a line. Empty: all that the course allows."),
    )
    allowed_surfaces = models.CharField(
        _("surfaces"),
        max_length=40,
        blank=True,
        default="",
        db_default="",
        help_text=_("What the key opens. Empty: everything that its holder may use."),
    )
    allowed_services = models.TextField(
        _("services"),
        blank=True,
        default="",
        db_default="",
        help_text=_("Names of services, one a line. Empty: all that its holder may call."),
    )
    assignment = models.SlugField(
        _("assignment tag"),
        max_length=scopes.LONGEST_ASSIGNMENT,
        blank=True,
        default="",
        db_default="",
        db_index=False,
        help_text=_(
            "Every call with this key carries this tag, and other tags are refused. Empty: the client chooses."
        ),
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    # Factories

    @classmethod
    def issue(
        cls, *, membership: Membership, name: str = "", expires_at: datetime | None = None, scopes: Scopes = ALL
    ) -> tuple["ApiKey", str]:
        """Store a new key, as issued by whoever acts. Returns it with its text, which cannot be recovered later."""
        prefix = cls.prefix_for(membership.role)
        issued = keys.issue(pepper=settings.KEY_PEPPER, prefix=prefix)
        row = cls.objects.create(
            membership=membership,
            issued_by_id=acting_person(),
            prefix=prefix,
            digest=issued.digest,
            last_four=issued.last_four,
            name=name,
            expires_at=expires_at,
            **_columns(scopes),
        )
        return row, issued.text

    @staticmethod
    def prefix_for(role: str) -> str:
        """What the keys of this role begin with. A key of another kind than its member is refused."""
        return keys.SERVICE if role == Role.SERVICE else keys.PREFIX

    # Mutators

    def replace(self, *, now: datetime) -> tuple["ApiKey", str] | None:
        """Revoke this key and issue another that may do the same, in one transaction.

        Returns the new one as `issue` does. None, and nothing changes, if this one was revoked already.
        """
        with transaction.atomic():
            if not type(self).objects.filter(pk=self.pk).revoke(now=now):
                return None
            return type(self).issue(
                membership=self.membership, name=self.name, expires_at=self.expires_at, scopes=self.scopes
            )

    # Properties

    @property
    def scopes(self) -> Scopes:
        return scopes.stored(
            models=self.allowed_models,
            surfaces=self.allowed_surfaces,
            assignment=self.assignment,
            reads_only=self.reads_only,
            services=self.allowed_services,
        )


def _columns(narrowed: Scopes) -> dict[str, Any]:
    return {
        "allowed_models": "\n".join(sorted(narrowed.models or ())),
        "allowed_surfaces": " ".join(sorted(narrowed.surfaces or ())),
        "allowed_services": "\n".join(sorted(narrowed.services or ())),
        "assignment": narrowed.assignment,
        "reads_only": narrowed.reads_only,
    }
