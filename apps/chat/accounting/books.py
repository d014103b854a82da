"""What the accounting of calls works with in one process."""

from dataclasses import dataclass

from apps.chat.accounting.estimates import Ratios
from apps.chat.accounting.transcripts import KnownEnds
from apps.common.commit import Writer
from apps.common.revisions import Snapshot
from apps.conversations.spool.writer import Spool
from apps.providers.catalogue import Catalogue
from apps.quotas.policies import Policies
from apps.quotas.rate_limits.limits import RateLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """`owner` is the id under which this process has its holds."""

    owner: str
    writer: Writer
    spool: Spool
    policies: Snapshot[Policies]
    catalogue: Snapshot[Catalogue]
    rates: RateLimits
    ratios: Ratios
    known_ends: KnownEnds
