"""The tables of quotas. They import only pure modules; what acts on them imports them."""

from apps.quotas.models.ceilings import Ceiling
from apps.quotas.models.decisions import Boost, Decision, Override
from apps.quotas.models.fields import TOPIC
from apps.quotas.models.ledger import BY_STAFF, Hold, LedgerEntry, Section, WeeklyUsage
from apps.quotas.models.policies import Institution, QuotaPolicy, RoleAllowance
from apps.quotas.models.requests import AllowanceRequest

__all__ = [
    "BY_STAFF",
    "TOPIC",
    "AllowanceRequest",
    "Boost",
    "Ceiling",
    "Decision",
    "Hold",
    "Institution",
    "LedgerEntry",
    "Override",
    "QuotaPolicy",
    "RoleAllowance",
    "Section",
    "WeeklyUsage",
]
