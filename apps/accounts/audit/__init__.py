"""The audit log: what staff, commands and tasks do is written down in the transaction that does it."""

from apps.accounts.audit.changes import record_each
from apps.accounts.audit.recording import record, security_event

__all__ = ["record", "record_each", "security_event"]
