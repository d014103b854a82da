"""How deployments and credentials are, as all processes see it, and what happened to them."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models, transaction
from django.db.models import F

from apps.accounts.audit import record_each
from apps.common.health.rows import HealthRow
from apps.common.health.states import Standing
from apps.common.models import Revision
from apps.common.translation import lazy as _

HEALTH_TOPIC = "health"


class DeploymentHealth(HealthRow):
    """`probe_failed` says that a health check failed since it was opened; `not_understood` lists the parameters that
    its provider has refused; `doubt` is why usage that it reported was not believed."""

    deployment = models.OneToOneField(
        "providers.Deployment", on_delete=models.CASCADE, primary_key=True, related_name="health"
    )
    probe_failed = models.BooleanField(default=False)
    not_understood = models.JSONField(default=list)
    doubt = models.CharField(max_length=300, blank=True)
    doubted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.deployment}: {self.get_standing_display()}"


class CredentialHealthQuerySet(models.QuerySet["CredentialHealth"]):
    def put_back(self, credentials: Collection[int], *, now: datetime, why: str = "An operator put it back.") -> int:
        """Use these credentials again, with a clean slate. Returns how many were out, or cooled down."""
        with transaction.atomic():
            self.filter(credential__in=credentials).update(error="", failed_at=None)  # events keep it
            rows = self.filter(credential__in=credentials).exclude(standing=Standing.WELL)
            back = list(rows.select_related("credential__provider").select_for_update(of=("self",)).order_by("pk"))
            for row in back:
                if row.standing == Standing.OUT:
                    provider, kind = row.credential.provider_id, ProviderEvent.Kind.CREDENTIAL_BACK
                    ProviderEvent.note(kind, provider=provider, credential=row.pk, detail=why, now=now)
            rows.update(standing=Standing.WELL, version=F("version") + 1, reason="", since=now, until=None, times=0)
            if back:
                Revision.bump(HEALTH_TOPIC)
            record_each("credential.put_back", [row.credential for row in back], after={"why": why})
        return len(back)


class CredentialHealth(HealthRow):
    credential = models.OneToOneField(
        "providers.Credential", on_delete=models.CASCADE, primary_key=True, related_name="health"
    )

    objects = CredentialHealthQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.credential}: {self.get_standing_display()}"


class ProviderEvent(models.Model):
    """Something that operators want to hear of. One row a change, whichever process found it."""

    KEPT: ClassVar[timedelta] = timedelta(days=90)

    class Kind(models.TextChoices):
        DOWN = "down", _("provider down")
        BACK = "back", _("provider back")
        CREDENTIAL_OUT = "credential_out", _("credential out")
        CREDENTIAL_BACK = "credential_back", _("credential back")
        ALL_OPEN = "all_open", _("nobody left to answer")
        DOUBT = "doubt", _("usage in doubt")

    kind = models.CharField(max_length=15, choices=Kind.choices)
    provider = models.ForeignKey("providers.Provider", on_delete=models.CASCADE, related_name="events")
    deployment = models.ForeignKey("providers.Deployment", on_delete=models.SET_NULL, null=True, related_name="events")
    credential = models.ForeignKey("providers.Credential", on_delete=models.SET_NULL, null=True, related_name="events")
    detail = models.CharField(max_length=500, help_text=_("In plain words."))
    at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-at", "-id")

    def __str__(self) -> str:
        return f"{self.provider}: {self.get_kind_display()}"

    @property
    def level(self) -> str:
        """How a badge shows it."""
        if self.kind in (self.Kind.BACK, self.Kind.CREDENTIAL_BACK):
            return "good"
        return "warning" if self.kind == self.Kind.DOUBT else "bad"

    @classmethod
    def note(
        cls,
        kind: str,
        *,
        provider: int,
        deployment: int | None = None,
        credential: int | None = None,
        detail: str,
        now: datetime,
    ) -> None:
        """Add an event, and forget those of long ago. Call it in the transaction of the change."""
        about = {"provider_id": provider, "deployment_id": deployment, "credential_id": credential}
        cls.objects.create(kind=kind, detail=detail[:500], at=now, **about)
        cls.objects.filter(at__lt=now - cls.KEPT).delete()
