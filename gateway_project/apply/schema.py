"""The schema of a configuration file. A field that the file omits is not in `model_fields_set`."""

from typing import Annotated

from apps.accounts.models import Course, Issuer, Role, Weekday
from apps.common.hosting import Hosting, Most
from apps.providers.models import Deployment, Model, Provider
from apps.quotas.models import QuotaPolicy
from apps.rules.models import Rule, RuleSettings
from gateway_project.apply.fields import (
    ClockOrNone,
    Count,
    CountOrNone,
    Days,
    Factor,
    Flag,
    Headers,
    InstantOrNone,
    Lines,
    Name,
    NameOrNone,
    Priority,
    SecondsOrNone,
    SignedPriority,
    Text,
    TextOrNone,
    Tokens,
    TokensOrNone,
    Weight,
    choice,
)
from gateway_project.apply.section import OMITTED, FileSection
from gateway_project.apply.service_schema import ServiceSection


class CredentialSection(FileSection):
    label: Name
    secret_env: Name = OMITTED
    weight: Count = OMITTED
    enabled: Flag = OMITTED


class ProviderSection(FileSection):
    name: Name
    adapter: Annotated[str, choice(Provider.Adapter)] = OMITTED
    base_url: Text = OMITTED
    timeout_seconds: SecondsOrNone = OMITTED
    stall_seconds: SecondsOrNone = OMITTED
    total_seconds: SecondsOrNone = OMITTED
    max_connections: CountOrNone = OMITTED
    allow_private_network: Flag = OMITTED
    output_cap: Annotated[str, choice(Provider.OutputCap)] = OMITTED
    adds_output_cap: Flag = OMITTED
    stream_options: Annotated[str, choice(Provider.StreamOptions)] = OMITTED
    extra_headers: Headers = OMITTED
    hosting: Annotated[str, choice(Hosting)] = OMITTED
    region: TextOrNone = OMITTED
    identity: Annotated[str, choice(Provider.Identity)] = OMITTED
    probe_path: TextOrNone = OMITTED
    enabled: Flag = OMITTED
    credentials: list[CredentialSection] = OMITTED


class DeploymentSection(FileSection):
    provider: Name
    upstream_model: Name
    priority: Priority = OMITTED
    weight: Count = OMITTED
    timeout_seconds: SecondsOrNone = OMITTED
    stall_seconds: SecondsOrNone = OMITTED
    total_seconds: SecondsOrNone = OMITTED
    context_window: CountOrNone = OMITTED
    max_concurrent: CountOrNone = OMITTED
    force: Annotated[str, choice(Deployment.Force, or_null=True)] = OMITTED
    enabled: Flag = OMITTED


class ModelSection(FileSection):
    name: Name
    token_weight: Weight = OMITTED
    input_weight: Weight = OMITTED
    cached_input_weight: Weight = OMITTED
    output_weight: Weight = OMITTED
    context_window: CountOrNone = OMITTED
    max_output_tokens: Count = OMITTED
    refused_parameters: Lines = OMITTED
    hosting: Annotated[str, choice(Most, or_null=True)] = OMITTED
    region: TextOrNone = OMITTED
    enabled: Flag = OMITTED
    offered_to: Annotated[str, choice(Model.OfferedTo)] = OMITTED
    courses: list[Name] = OMITTED
    deployments: list[DeploymentSection] = OMITTED


class RuleSection(FileSection):
    name: Name
    title: Text = OMITTED
    why: Text = OMITTED
    pattern: Text = OMITTED
    direction: Annotated[str, choice(Rule.Direction)] = OMITTED
    action: Annotated[str, choice(Rule.Action)] = OMITTED
    stage: Annotated[str, choice(Rule.Stage)] = OMITTED
    priority: SignedPriority = OMITTED
    message: Text = OMITTED
    guidance: Text = OMITTED
    replacement: Text = OMITTED
    checksum: Text = OMITTED
    assignment: Text = OMITTED
    starts_at: InstantOrNone = OMITTED
    ends_at: InstantOrNone = OMITTED
    weekdays: Days = OMITTED
    from_time: ClockOrNone = OMITTED
    until_time: ClockOrNone = OMITTED
    examples_match: Lines = OMITTED
    examples_no_match: Lines = OMITTED


class RoleSection(FileSection):
    role: Name
    weekly_tokens: TokensOrNone = OMITTED
    requests_per_minute: CountOrNone = OMITTED
    concurrent_requests: CountOrNone = OMITTED
    tokens_per_minute: CountOrNone = OMITTED


class BoostSection(FileSection):
    factor: Factor = OMITTED
    multiplies_course: Flag = OMITTED
    starts_at: InstantOrNone = OMITTED
    ends_at: InstantOrNone = OMITTED
    reason: Name = OMITTED


class OverrideSection(FileSection):
    weekly_tokens: TokensOrNone = OMITTED
    starts_at: InstantOrNone = OMITTED
    ends_at: InstantOrNone = OMITTED
    reason: Name = OMITTED


class MemberSection(FileSection):
    external_id: Name
    email: Name = OMITTED
    name: Name = OMITTED
    role: Annotated[str, choice(Role)] = OMITTED
    active: Flag = OMITTED
    override: OverrideSection | None = OMITTED


class DepartmentSection(FileSection):
    slug: Name
    title: Name = OMITTED


class CourseSection(FileSection):
    slug: Name
    title: Name = OMITTED
    department: NameOrNone = OMITTED
    timezone: Name = OMITTED
    week_starts: Annotated[str, choice(Weekday)] = OMITTED
    open: Flag = OMITTED
    most_weekly_tokens: TokensOrNone = OMITTED
    most_member_weekly_tokens: TokensOrNone = OMITTED
    weekly_tokens: TokensOrNone = OMITTED
    student_weekly_tokens: Tokens = OMITTED
    key_requests_per_minute: CountOrNone = OMITTED
    key_concurrent_requests: CountOrNone = OMITTED
    student_requests_per_minute: CountOrNone = OMITTED
    student_concurrent_requests: CountOrNone = OMITTED
    course_requests_per_minute: CountOrNone = OMITTED
    course_concurrent_requests: CountOrNone = OMITTED
    key_tokens_per_minute: CountOrNone = OMITTED
    student_tokens_per_minute: CountOrNone = OMITTED
    course_tokens_per_minute: CountOrNone = OMITTED
    default_output_tokens: Count = OMITTED
    least_output_tokens: Count = OMITTED
    max_output_tokens: CountOrNone = OMITTED
    late_joiners: Annotated[str, choice(QuotaPolicy.LateJoiners)] = OMITTED
    after_exhaustion: Annotated[str, choice(QuotaPolicy.AfterExhaustion)] = OMITTED
    fallback_model: Text = OMITTED
    fallback_student_weekly_tokens: Tokens = OMITTED
    roles: list[RoleSection] = OMITTED
    boosts: list[BoostSection] = OMITTED
    models: list[Name] = OMITTED
    logging: Annotated[str, choice(Course.Logging)] = OMITTED
    hosting: Annotated[str, choice(Most, or_null=True)] = OMITTED
    region: TextOrNone = OMITTED
    rules: list[RuleSection] = OMITTED
    rules_on_failure: Annotated[str, choice(RuleSettings.OnFailure)] = OMITTED
    warnings_in_answers: Flag = OMITTED
    members: list[MemberSection] = OMITTED


class GrantSection(FileSection):
    group: Name
    course: Name
    role: Annotated[str, choice(Role)]


class DepartmentGrantSection(FileSection):
    group: Name
    department: Name


class IssuerSection(FileSection):
    name: Name
    title: Name = OMITTED
    issuer: Name = OMITTED
    client_id: Text = OMITTED
    secret_env: Name = OMITTED
    scopes: Name = OMITTED
    groups_claim: Name = OMITTED
    id_claim: TextOrNone = OMITTED
    second_factor: Annotated[str, choice(Issuer.SecondFactor)] = OMITTED
    signs_in: Flag = OMITTED
    token_audience: TextOrNone = OMITTED
    allow_private_network: Flag = OMITTED
    active: Flag = OMITTED
    operators: list[Name] = OMITTED
    department_admins: list[DepartmentGrantSection] = OMITTED
    grants: list[GrantSection] = OMITTED


class InstitutionSection(FileSection):
    timezone: Name = OMITTED
    week_starts: Annotated[str, choice(Weekday)] = OMITTED
    weekly_tokens: TokensOrNone = OMITTED
    rules: list[RuleSection] = OMITTED


class File(FileSection):
    institution: InstitutionSection = OMITTED
    providers: list[ProviderSection] = OMITTED
    models: list[ModelSection] = OMITTED
    departments: list[DepartmentSection] = OMITTED
    courses: list[CourseSection] = OMITTED
    issuers: list[IssuerSection] = OMITTED
    services: list[ServiceSection] = OMITTED
