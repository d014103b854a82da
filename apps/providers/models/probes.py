"""What the last health check of each provider found."""

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import models

from apps.common.translation import lazy as _
from apps.providers.models.providers import Credential, Provider

MOST_NAMES = 200  # of models, kept for the page
WORDS = {
    "": "well",
    "too_slow": "too slow",
    "credential": "wrong key",
    "forbidden": "not allowed",
    "billing": "no credit",
    "rate": "rate limit",
    "missing": "wrong address?",
    "strange": "wrong address?",
    "secret": "no secret",
    "models": "unknown model",
}
# What is no reason to think that students' calls fail.
MILD = frozenset({"forbidden", "rate", "missing", "strange", "models"})


class LastProbeQuerySet(models.QuerySet["LastProbe"]):
    def older_than(self, at: datetime) -> "LastProbeQuerySet":
        return self.filter(at__lte=at)

    def forget_all_but(self, keys: Collection[str]) -> int:
        """Delete what belongs to nothing that is checked any more."""
        return self.exclude(key__in=keys).delete()[0]

    def put(self, rows: "Iterable[LastProbe]") -> None:
        """Insert the rows, or replace those with the same key."""
        changed = [field.name for field in LastProbe._meta.fields if not field.primary_key]
        self.bulk_create(rows, update_conflicts=True, unique_fields=["key"], update_fields=changed)


class LastProbe(models.Model):
    """The last health check of a provider with one of its credentials. One row each, written over."""

    key = models.CharField(max_length=50, primary_key=True)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="probes")
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, null=True, related_name="probes")
    fingerprint = models.CharField(max_length=32, help_text=_("Of all that the answer depends on."))
    at = models.DateTimeField()
    trouble = models.CharField(max_length=12, blank=True, help_text=_("Empty: none."))
    sentence = models.TextField()
    latency_ms = models.IntegerField(null=True)
    model_count = models.IntegerField(null=True)
    model_names = models.JSONField(default=list)

    objects = LastProbeQuerySet.as_manager()

    class Meta:
        ordering = ("key",)

    def __str__(self) -> str:
        return self.sentence

    @property
    def words(self) -> str:
        """The result in a word or two."""
        return WORDS.get(self.trouble, self.trouble)

    @property
    def kind(self) -> str:
        """How a badge shows it."""
        if not self.trouble:
            return "good"
        return "warning" if self.trouble in MILD else "bad"

    @property
    def names_left_out(self) -> int:
        return max(0, (self.model_count or 0) - len(self.model_names))
