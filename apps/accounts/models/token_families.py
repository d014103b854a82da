"""Token families: what one sign-in of a program gave it, and what has been revoked of that."""

import hashlib
import hmac
from datetime import datetime
from typing import Any, Literal

from django.conf import settings
from django.db import models, transaction

from apps.accounts.audit.recording import record, security_event
from apps.accounts.models.api_keys import ApiKey
from apps.accounts.models.fields import TOKENS
from apps.accounts.models.memberships import Membership
from apps.accounts.models.people import User
from apps.accounts.scopes import Scopes
from apps.common.models import Revision
from apps.common.translation import lazy as _


class TokenFamilyQuerySet(models.QuerySet["TokenFamily"]):
    """Writes do not bump the revision by themselves: refreshing a token must make nobody forget the others."""

    def alive(self, *, now: datetime) -> "TokenFamilyQuerySet":
        return self.filter(revoked_at=None, expires_at__gt=now)

    def forget_old(self, *, before: datetime) -> int:
        """Delete families that ended long ago."""
        return self.filter(expires_at__lt=before).delete()[0]

    def revoke(self, *, now: datetime, by_reuse: bool = False) -> int:
        """Revoke those that are not revoked yet, and their access tokens with them. Returns how many."""
        with transaction.atomic():
            ended = list(
                self.filter(revoked_at=None).select_for_update(of=("self",)).select_related("user", "membership")
            )
            for family in ended:
                family.revoked_at = now
                family.save(update_fields=["revoked_at"])
                family.tell("reused" if by_reuse else "revoked")
            if ended:
                Revision.bump(TOKENS)
        return len(ended)


class TokenFamily(models.Model):
    """The refresh tokens that followed one sign-in, of which only the last is good, and their access tokens.

    `handle` and `digest` are the two halves of the last refresh token, the secret half as a digest. `standing` is who
    the person was at the sign-in: with another role or password the family is dead, whoever changed it and how.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_families")
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, null=True, related_name="token_families")
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, null=True, related_name="token_families")
    scopes = models.JSONField(default=dict)
    handle = models.CharField(max_length=22, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    standing = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField()
    refreshed_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True)

    objects = TokenFamilyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        verbose_name = _("token family")
        verbose_name_plural = _("token families")

    def __str__(self) -> str:
        return f"{self.user}, {self.created_at:%d %b %Y %H:%M}"

    @property
    def audit_label(self) -> str:
        """Of a member only what their course is shown, whose staff read the entry."""
        who = self.user if self.membership is None else self.membership.person
        return f"{who}, {self.created_at:%d %b %Y %H:%M}"

    # Factories

    @classmethod
    def start(cls, **values: Any) -> "TokenFamily":
        with transaction.atomic():
            family = cls.objects.create(**values)
            family.tell("issued")
        return family

    # Mutators

    def rotate(self, *, spent: str, digest: str, expires_at: datetime, now: datetime) -> bool:
        """Put a new refresh token in the place of the spent one. Of several at once, one succeeds."""
        mine = TokenFamily.objects.filter(pk=self.pk, digest=spent).alive(now=now)
        return bool(mine.update(digest=digest, refreshed_at=now, expires_at=expires_at))

    def tell(self, what: Literal["issued", "revoked", "reused"]) -> None:
        """Leave an entry in the audit log. A refresh token that is used twice was stolen from somebody."""
        write = security_event if what == "reused" else record
        note = f"Made with {self.api_key.shown}." if self.api_key is not None else "Made with a password."
        course = self.membership.course_id if self.membership is not None else None
        write(f"token.family_{what}", subject=self, course=course, note=note)

    # Queries

    def is_good(self, *, now: datetime) -> bool:
        """Whether its tokens count: not revoked, and everybody it speaks for is still who they were."""
        return (
            self.revoked_at is None
            and self.user.is_active
            and (self.membership is None or self.membership.is_active)
            and (self.api_key is None or self.api_key.is_valid(now=now))
            and (self.user.tokens_not_before is None or self.created_at > self.user.tokens_not_before)
            and hmac.compare_digest(
                self.standing, standing_of(self.user, self.membership, by_password=self.api_key is None)
            )
        )

    @property
    def narrowed(self) -> Scopes:
        """What its tokens may be used for: never more than the key that they were made from may be used for now."""
        scopes = Scopes.from_claim(self.scopes)
        return scopes if self.api_key is None else scopes.narrowed(self.api_key.scopes)


def standing_of(user: User, membership: Membership | None, *, by_password: bool) -> str:
    """A digest of what must not change while a family lives: rights, role and, if it was used, the password."""
    parts: list[Any] = [user.pk, user.is_staff, user.is_superuser, user.password if by_password else ""]
    parts += [membership.pk, str(membership.role)] if membership else []
    return hmac.new(settings.KEY_PEPPER.encode(), repr(parts).encode(), "sha256").hexdigest()


class RevokedTokenQuerySet(models.QuerySet["RevokedToken"]):
    def has(self, *, issuer: str, jti: str) -> bool:
        return self.filter(digest=_digest_of(issuer, jti)).exists()

    def add(self, *, issuer: str, jti: str, expires_at: datetime) -> None:
        """Refuse an access token from now on, in every process within a second."""
        with transaction.atomic():
            _, is_new = self.get_or_create(digest=_digest_of(issuer, jti), defaults={"expires_at": expires_at})
            if is_new:
                Revision.bump(TOKENS)

    def forget_expired(self, *, now: datetime) -> int:
        return self.filter(expires_at__lt=now).delete()[0]


class RevokedToken(models.Model):
    """An access token that is refused before its time, by its issuer and `jti`."""

    digest = models.CharField(max_length=64, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)

    objects = RevokedTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return self.digest[:12]


def _digest_of(issuer: str, jti: str) -> str:
    return hashlib.sha256(f"{issuer}\0{jti}".encode()).hexdigest()
