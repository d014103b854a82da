"""Users, departments, courses, memberships, API keys, tokens, and the identity providers of the institution."""

from apps.accounts.models.api_keys import ApiKey
from apps.accounts.models.audit import AuditEntry, AuditHorizon
from apps.accounts.models.courses import Course
from apps.accounts.models.departments import Department, DepartmentAdmin
from apps.accounts.models.fields import TOKENS, TOPIC, Role, Weekday, validate_timezone
from apps.accounts.models.given_roles import GivenRole
from apps.accounts.models.issuers import GroupGrant, Issuer
from apps.accounts.models.memberships import Membership, MembershipQuerySet
from apps.accounts.models.people import User
from apps.accounts.models.rosters import Roster
from apps.accounts.models.staff_keys import StaffKey
from apps.accounts.models.token_families import RevokedToken, TokenFamily
from apps.accounts.models.token_keys import TokenKey

__all__ = [
    "TOKENS",
    "TOPIC",
    "ApiKey",
    "AuditEntry",
    "AuditHorizon",
    "Course",
    "Department",
    "DepartmentAdmin",
    "GivenRole",
    "GroupGrant",
    "Issuer",
    "Membership",
    "MembershipQuerySet",
    "RevokedToken",
    "Role",
    "Roster",
    "StaffKey",
    "TokenFamily",
    "TokenKey",
    "User",
    "Weekday",
    "validate_timezone",
]
