"""A field is declared in several places: in a table, in a section of files, on a page, and where calls obey it."""

from dataclasses import fields
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model

from apps.quotas.admin.policies import ALLOWANCE_FIELDSETS
from apps.quotas.models import Boost, Override, QuotaPolicy, RoleAllowance
from apps.quotas.policies import CoursePolicy, RolePolicy
from gateway_project.apply import kinds, schema, service_schema
from gateway_project.apply.kinds import Kind
from gateway_project.apply.section import FileSection
from gateway_project.apply.services import INNER
from gateway_project.site.allowance_forms import RoleForm


def editable(model: type[Model]) -> set[str]:
    return {column.name for column in model._meta.concrete_fields if column.editable and not column.is_relation}


def names(value: Any) -> set[str]:
    return {one.name for one in fields(value)}


def test_every_limit_of_a_course_is_obeyed_and_on_its_page() -> None:
    limits = editable(QuotaPolicy) - {"id"}

    assert names(CoursePolicy) == limits
    assert {name for _, options in ALLOWANCE_FIELDSETS for name in options["fields"]} == limits


def test_every_limit_of_a_role_is_obeyed_and_on_its_page() -> None:
    limits = editable(RoleAllowance) - {"id", "role"}

    assert names(RolePolicy) == limits
    assert set(RoleForm._meta.fields or ()) == {"role", *limits}


def test_every_limit_of_a_role_is_one_of_students() -> None:
    assert {f"student_{name}" for name in names(RolePolicy)} <= names(CoursePolicy)


@pytest.mark.parametrize("model", [Boost, Override])
def test_all_of_a_decision_is_on_its_page(model: type[Model]) -> None:
    shown = set(admin.site._registry[model].fields or ())

    assert shown - {"course", "membership"} == editable(model) - {"id"}


# The kinds of rows that a section is about, and what else stands in it.
SECTIONS: list[tuple[type[FileSection], tuple[Kind, ...], set[str]]] = [
    (schema.InstitutionSection, (kinds.INSTITUTION,), {"rules"}),
    (schema.ProviderSection, (kinds.PROVIDER,), {"name", "credentials"}),
    (schema.CredentialSection, (kinds.CREDENTIAL,), {"label", "secret_env"}),
    (schema.ModelSection, (kinds.MODEL,), {"name", "token_weight", "deployments", "courses"}),
    (schema.DeploymentSection, (kinds.DEPLOYMENT,), {"provider", "upstream_model"}),
    (
        schema.CourseSection,
        (kinds.COURSE, kinds.CEILING, kinds.POLICY, kinds.RULE_SETTINGS),
        {"slug", "department", "roles", "boosts", "models", "rules", "members"},
    ),
    (schema.DepartmentSection, (kinds.DEPARTMENT,), {"slug"}),
    (schema.RoleSection, (kinds.ROLE,), {"role"}),
    (schema.RuleSection, (kinds.RULE,), {"name"}),
    (schema.BoostSection, (kinds.BOOST,), {"starts_at"}),
    (schema.OverrideSection, (kinds.OVERRIDE,), set()),
    (schema.IssuerSection, (kinds.ISSUER,), {"name", "secret_env", "operators", "department_admins", "grants"}),
    (service_schema.InstanceSection, (kinds.INSTANCE,), {"url"}),
    (schema.GrantSection, (kinds.GRANT,), {"group", "course"}),
    (schema.MemberSection, (kinds.MEMBER,), {"external_id", "email", "name", "override"}),
]


@pytest.mark.parametrize(("section", "described", "others"), SECTIONS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_file_can_set_every_column_that_people_can(
    section: type[FileSection], described: tuple[Kind, ...], others: set[str]
) -> None:
    assert set(section.model_fields) == {field for kind in described for field in kind.columns} | others


def test_a_file_can_set_every_column_of_a_service() -> None:
    inner = {column for columns in INNER.values() for column in columns.values()}
    sections = {name: service_schema.ServiceSection.model_fields[name].annotation for name in INNER}

    assert set(service_schema.ServiceSection.model_fields) == {
        *(set(kinds.SERVICE.columns) - inner),
        *INNER,
        "name",
        "instances",
        "courses",
    }
    assert {name: set(section.model_fields) for name, section in sections.items()} == {  # type: ignore[union-attr]
        name: set(columns) for name, columns in INNER.items()
    }
