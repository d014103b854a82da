"""The kinds of rows that a file can describe: their table, what identifies them, and their title in the difference.

Keys are lookups such as `course__slug`, so that a row can be named before it, or the row that it belongs to, exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db import models

from apps.accounts.models import Course, Department, GroupGrant, Issuer, Membership, User
from apps.providers.models import CourseModel, Credential, Deployment, Model, Offer, Provider
from apps.quotas.models import Boost, Ceiling, Institution, Override, QuotaPolicy, RoleAllowance
from apps.rules.models import Rule, RuleSettings
from apps.services.models import Instance, Service, ServiceCourse

# Columns that the file names differently.
FILE_NAMES = {
    "is_enabled": "enabled",
    "is_open": "open",
    "is_active": "active",
    "on_failure": "rules_on_failure",
    "tells_in_answers": "warnings_in_answers",
    "user__username": "person",
    "department__slug": "department",
    "is_draining": "draining",
    "release": "version",
    "docs_url": "documentation",
}


@dataclass(frozen=True)
class Kind:
    model: type[models.Model]
    key: tuple[str, ...]
    title: str
    new: str = ""

    @cached_property
    def columns(self) -> dict[str, str]:
        """The columns that a section may set, by field name. Keys and references are excluded."""
        hidden = {"id", *self.key}
        own = [one for one in self.model._meta.concrete_fields if one.editable and not one.is_relation]
        return {FILE_NAMES.get(one.name, one.name): one.name for one in own if one.name not in hidden}

    def titled(self, key: Mapping[str, Any], *, new: bool = False) -> str:
        return ((new and self.new) or self.title).format(**key)

    def find(self, key: Mapping[str, Any]) -> models.Model | None:
        return self.model._base_manager.filter(**key).first()


INSTITUTION = Kind(Institution, ("id",), "institution")
PROVIDER = Kind(Provider, ("name",), "provider {name}")
CREDENTIAL = Kind(Credential, ("provider__name", "label"), "credential {provider__name}/{label}")
MODEL = Kind(Model, ("name",), "model {name}")
DEPLOYMENT = Kind(
    Deployment,
    ("model__name", "provider__name", "upstream_model"),
    "deployment of {model__name}: {upstream_model} at {provider__name}",
)
DEPARTMENT = Kind(Department, ("slug",), "department {slug}")
OFFER = Kind(Offer, ("model__name", "course__slug"), "offer of model {model__name} to course {course__slug}")
COURSE = Kind(Course, ("slug",), "course {slug}")
CEILING = Kind(Ceiling, ("course__slug",), "course {course__slug}", new="ceiling of course {course__slug}")
POLICY = Kind(QuotaPolicy, ("course__slug",), "course {course__slug}", new="allowance of course {course__slug}")
ROLE = Kind(RoleAllowance, ("course__slug", "role"), "allowance of {role}s in course {course__slug}")
BOOST = Kind(Boost, ("course__slug", "starts_at"), "boost of course {course__slug} from {starts_at}")
ALLOWED = Kind(CourseModel, ("course__slug", "model__name"), "model {model__name} in course {course__slug}")
RULE = Kind(Rule, ("course__slug", "name"), "rule {course__slug}/{name}")
INSTITUTION_RULE = Kind(Rule, ("course", "name"), "rule {name} of the institution")
RULE_SETTINGS = Kind(
    RuleSettings, ("course__slug",), "course {course__slug}", new="rule settings of course {course__slug}"
)
ISSUER = Kind(Issuer, ("name",), "issuer {name}")
GRANT = Kind(
    GroupGrant,
    ("issuer__name", "group", "course__slug", "is_operator"),
    "grant of issuer {issuer__name}: {group} in course {course__slug}",
)
DEPARTMENT_GRANT = Kind(
    GroupGrant,
    ("issuer__name", "group", "department__slug"),
    "grant of issuer {issuer__name}: {group} administer department {department__slug}",
)
OPERATORS = Kind(
    GroupGrant, ("issuer__name", "group", "is_operator"), "grant of issuer {issuer__name}: {group} are operators"
)
SERVICE = Kind(Service, ("name",), "service {name}")
INSTANCE = Kind(Instance, ("service__name", "url"), "instance {url} of service {service__name}")
SERVICE_COURSE = Kind(
    ServiceCourse, ("service__name", "course__slug"), "course {course__slug} of service {service__name}"
)
PERSON = Kind(User, ("username",), "person {username}")
MEMBER = Kind(Membership, ("course__slug", "external_id"), "member {course__slug}/{external_id}")
OVERRIDE = Kind(Override, ("course__slug", "external_id"), "override of {course__slug}/{external_id}")


def field_name(lookup: str) -> str:
    """The field that a lookup goes through: `course` of `course__slug`."""
    return lookup.partition("__")[0]


def stored_value(row: models.Model, lookup: str) -> Any:
    """The value that a lookup has on a stored row."""
    value: Any = row
    for name in lookup.split("__"):
        value = None if value is None else getattr(value, name)
    return value
