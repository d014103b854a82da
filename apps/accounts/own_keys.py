"""A student's own keys: when each was made, and by whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.common.cursor import Cursor

MOST_READ = 50

# By what somebody is in the course and not by name: that is nobody's business, and a role is what a student needs to
# know. Keys from the command line, and those of people who have left, are the operator's.
_SQL = """
    SELECT k.prefix, k.last_four, k.name, k.created_at, k.expires_at, k.revoked_at, k.last_used_at,
        CASE WHEN k.issued_by_id = m.user_id THEN 'you' ELSE COALESCE(issuer.role, 'operator') END
    FROM accounts_apikey k
    JOIN accounts_membership m ON m.id = k.membership_id
    LEFT JOIN accounts_membership issuer ON issuer.user_id = k.issued_by_id AND issuer.course_id = m.course_id
    WHERE k.membership_id = %s ORDER BY k.id DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnKey:
    """`issued_by` is `you`, a role in the course, or `operator`."""

    key: str
    name: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    issued_by: str


def of_members(cursor: Cursor, members: Sequence[int]) -> list[tuple[OwnKey, ...]]:
    """For the reader: the keys of each member, newest first, revoked ones too."""
    return [tuple(_of(cursor, member)) for member in members]


def _of(cursor: Cursor, member: int) -> list[OwnKey]:
    cursor.execute(_SQL, (member, MOST_READ))
    return [
        OwnKey(
            key=f"{prefix}…{last_four}",
            name=name,
            created_at=cursor.read_instant(created),
            expires_at=expires and cursor.read_instant(expires),
            revoked_at=revoked and cursor.read_instant(revoked),
            last_used_at=used and cursor.read_instant(used),
            issued_by=role,
        )
        for prefix, last_four, name, created, expires, revoked, used, role in cursor.fetchall()
    ]
