"""The entries of a week as people read them."""

from typing import Any

from django.db.models import F, Sum, Window

from apps.quotas.models import LedgerEntry, WeeklyUsage


def with_sums(week: WeeklyUsage) -> Any:
    """The newest first, each with what all up to it come to, so that anybody can add them up."""
    sums = {name: Window(Sum(f"{name}_delta"), order_by=F("pk").asc()) for name in ("held", "used", "granted")}
    rows = LedgerEntry.objects.of(week).select_related("actor")
    return rows.annotate(**{f"{name}_so_far": sum for name, sum in sums.items()}).order_by("-pk")
