"""Requests to services: counted by the minute, and a sample of them one by one."""

from typing import Any

from django.db import models

from apps.accounts import permissions
from apps.accounts.models import Course, Membership, MembershipQuerySet
from apps.common.translation import lazy as _
from apps.services.outcomes import RequestOutcome

MOST_MEMBERS = 500
SHORTEST_ID = 6


class ServiceRecordQuerySet(models.QuerySet["ServiceRecord"]):
    def for_staff(self, user: Any) -> "ServiceRecordQuerySet":
        """Of members, to the staff of their course. Operators see all, also what was asked without a key."""
        if permissions.is_operator(user):
            return self
        return self.filter(course__in=Course.objects.for_staff(user, "ServiceRecord"))

    def matching(self, term: str, *, members: MembershipQuerySet) -> "ServiceRecordQuerySet":
        """Of those of these members that match, or whose path or request id begins so."""
        term = term.strip()
        if term.startswith("/"):
            return self.filter(path__startswith=term)
        found = models.Q(membership__in=list(members.matching(term).values_list("pk", flat=True)[:MOST_MEMBERS]))
        lower = term.lower()
        if len(lower) >= SHORTEST_ID and not set(lower) - set("0123456789abcdef"):
            found |= models.Q(pk__gte=lower, pk__lt=lower + "g")
        return self.filter(found)


class ServiceRecord(models.Model):
    """One request to a service. Neither its query string nor its body is kept."""

    OUTCOMES = [
        (RequestOutcome.ANSWERED.value, _("answered")),
        (RequestOutcome.DECLINED.value, _("declined by the service")),
        (RequestOutcome.ERROR.value, _("error of the service")),
        (RequestOutcome.BROKEN.value, _("answer broke off")),
        (RequestOutcome.FAILED.value, _("no answer")),
        (RequestOutcome.LEFT.value, _("caller left")),
    ]

    id = models.CharField(_("request ID"), max_length=32, primary_key=True)
    service = models.CharField(max_length=40, help_text=_("Name of the service, as it was then."))
    instance = models.CharField(
        max_length=300, blank=True, help_text=_("Address that was asked last; empty if none was.")
    )
    method = models.CharField(max_length=20)
    path = models.CharField(
        max_length=200, help_text=_("Behind the service's prefix, without the query; its beginning.")
    )
    status = models.PositiveSmallIntegerField(help_text=_("HTTP status that the caller saw; 499 if it left."))
    outcome = models.CharField(max_length=8, choices=OUTCOMES)
    error_code = models.CharField(
        max_length=60, blank=True, help_text=_("Of Stoa's error; empty if the service answered.")
    )
    # No indexes of their own: the ones below suffice.
    course = models.ForeignKey(Course, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, null=True, related_name="service_records", verbose_name=_("caller")
    )
    started_at = models.DateTimeField()
    first_byte_ms = models.IntegerField(null=True)
    duration_ms = models.IntegerField(default=0)
    bytes_in = models.BigIntegerField(default=0)
    bytes_out = models.BigIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=1)

    objects = ServiceRecordQuerySet.as_manager()

    class Meta:
        verbose_name = _("service request")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("course", "id"), name="service_requests_of_a_course"),
            models.Index(fields=("service", "id"), name="requests_of_a_service"),
        )

    def __str__(self) -> str:
        return self.id


class ServiceCount(models.Model):
    """How many requests of a minute ended alike. `apps/services/records/rows.py` adds to it in SQL.

    Service and instance are ids without a constraint: counts of what is deleted go with time.
    """

    service = models.BigIntegerField()
    minute = models.DateTimeField()
    instance = models.BigIntegerField(help_text=_("0: none was asked."))
    outcome = models.CharField(max_length=8)
    bucket = models.PositiveSmallIntegerField()
    requests = models.BigIntegerField()
    bytes_in = models.BigIntegerField()
    bytes_out = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("service", "minute", "instance", "outcome", "bucket"), name="one_count_of_a_kind"
            ),
        )

    def __str__(self) -> str:
        return f"{self.requests} {self.outcome} at {self.minute:%H:%M}"
