"""The smallest rows that a test needs. Every function takes overrides; names are unique by a counter."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.accounts.models import ApiKey, Course, GroupGrant, Issuer, Membership, Role, User
from apps.common.ids import new_id
from apps.conversations.models import Call
from apps.operations.models import NotificationChannel
from apps.providers.models import CourseModel, Credential, Deployment, Model, Provider
from apps.quotas import decisions
from apps.quotas.ledger.booking import week_of
from apps.quotas.models import (
    AllowanceRequest,
    Boost,
    Hold,
    LedgerEntry,
    Override,
    QuotaPolicy,
    RoleAllowance,
    WeeklyUsage,
)
from apps.rules.models import Rule
from apps.services.models import Instance, Service, ServiceRecord

PASSWORD = "correct horse battery staple"
WEBHOOK_SECRET = "whsec_c2VjcmV0IG9mIGEgd2ViaG9vayBpbiB0ZXN0cw=="
_numbers = itertools.count(1)


def unique(stem: str) -> str:
    return f"{stem}-{next(_numbers)}"


# Who


def make_user(**overrides: Any) -> User:
    name = overrides.pop("username", None) or unique("user")
    values = {"username": name, "email": f"{name}@example.edu", "password": PASSWORD, **overrides}
    return User.objects.create_user(**values)


def make_operator(**overrides: Any) -> User:
    return make_user(**{"is_staff": True, "is_superuser": True, **overrides})


def make_course(*, allowance: int | None = 1_000_000, **overrides: Any) -> Course:
    """A course; each student may use `allowance` weighted tokens a week. None: a course without any policy."""
    slug = overrides.pop("slug", None) or unique("course")
    course = Course.objects.create(**{"slug": slug, "title": f"Course {slug}", **overrides})
    if allowance is not None:
        QuotaPolicy.objects.create(course=course, student_weekly_tokens=allowance)
    return course


def make_member(*, course: Course | None = None, user: User | None = None, **overrides: Any) -> Membership:
    course = course or make_course()
    user = user or make_user()
    return Membership.objects.create(**{"course": course, "user": user, "external_id": user.username, **overrides})


def make_student(*, course: Course | None = None, **overrides: Any) -> Membership:
    return make_member(course=course, **overrides)


def make_instructor(*, course: Course | None = None, **overrides: Any) -> Membership:
    """Staff of one course: may open the admin and change the course."""
    user = overrides.pop("user", None) or make_user(is_staff=True)
    return make_member(course=course, user=user, **{"role": Role.INSTRUCTOR, **overrides})


def make_assistant(*, course: Course | None = None, **overrides: Any) -> Membership:
    return make_instructor(course=course, **{"role": Role.ASSISTANT, **overrides})


def make_issuer(**overrides: Any) -> Issuer:
    name = overrides.pop("name", None) or unique("issuer")
    secret = overrides.pop("secret", "a client secret")
    values = {"name": name, "title": name.title(), "issuer": f"https://{name}.example.edu", "client_id": "stoa"}
    issuer = Issuer.objects.create(**{**values, **overrides})
    issuer.set_secret(secret)
    return issuer


def make_channel(**overrides: Any) -> NotificationChannel:
    """A channel that wants everything; a webhook has the secret WEBHOOK_SECRET."""
    values = {"name": unique("channel"), "kind": "email", "recipients": "ops@example.edu"}
    channel = NotificationChannel.objects.create(**{**values, **overrides})
    if channel.kind == NotificationChannel.Kind.WEBHOOK:
        channel.set_secret(WEBHOOK_SECRET)
    return channel


def make_grant(issuer: Issuer | None = None, **overrides: Any) -> GroupGrant:
    return GroupGrant.objects.create(**{"issuer": issuer or make_issuer(), "group": unique("group"), **overrides})


def make_key(member: Membership | None = None, **overrides: Any) -> str:
    """The text of a new API key."""
    _, text = ApiKey.issue(membership=member or make_student(), **overrides)
    return text


# The standing cast


def make_ada(*, course: Course | None = None) -> Membership:
    """A student with quota and a key."""
    ada = make_student(course=course, user=make_user(username=unique("ada"), first_name="Ada"))
    make_key(ada)
    return ada


def make_ben(*, course: Course | None = None, now: datetime | None = None) -> Membership:
    """A student with a key whose week is used up."""
    ben = make_student(course=course, user=make_user(username=unique("ben"), first_name="Ben"))
    make_key(ben)
    policy = QuotaPolicy.objects.get(course=ben.course)
    make_week(ben, used=policy.student_weekly_tokens, now=now)
    return ben


def make_mia(*, course: Course | None = None) -> Membership:
    """A student without a key."""
    return make_student(course=course, user=make_user(username=unique("mia"), first_name="Mia"))


def make_tess(*, course: Course | None = None) -> Membership:
    """The instructor."""
    return make_instructor(course=course, user=make_user(username=unique("tess"), first_name="Tess", is_staff=True))


# How much


def make_week(student: Membership, *, used: int, now: datetime | None = None) -> WeeklyUsage:
    """What a student has used in the current week: one settled call, as the ledger would have left it.

    For courses in UTC whose week starts on Monday, which is what make_course makes.
    """
    midnight = (now or datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = midnight - timedelta(days=midnight.weekday())
    week = WeeklyUsage.objects.create(
        kind=WeeklyUsage.Kind.STUDENT,
        account=student.pk,
        starts_at=monday,
        ends_at=monday + timedelta(days=7),
        used=used,
    )
    hold = Hold.objects.create(
        id=new_id(),
        owner="",
        state=Hold.State.SETTLED,
        amount=used,
        floor=0,
        charged=used,
        usage_ids=json.dumps([week.pk]),
        identity="{}",
        created_at=monday,
        expires_at=monday,
        resolved_at=monday,
    )
    for kind, held, charged in ((LedgerEntry.Kind.HOLD, used, 0), (LedgerEntry.Kind.SETTLE, -used, used)):
        LedgerEntry.objects.create(usage=week, hold=hold.pk, kind=kind, held_delta=held, used_delta=charged, at=monday)
    return week


def make_role_allowance(*, course: Course | None = None, **overrides: Any) -> RoleAllowance:
    """Assistants may use more than students."""
    values = {"course": course or make_course(), "role": Role.ASSISTANT, "weekly_tokens": 5_000_000}
    return RoleAllowance.objects.create(**{**values, **overrides})


def make_boost(*, course: Course | None = None, **overrides: Any) -> Boost:
    """Twice the allowance, for a day from now on."""
    now = datetime.now(UTC)
    values = {"factor": 2, "starts_at": now, "ends_at": now + timedelta(days=1), "reason": "The deadline is near."}
    boost = Boost(course=course or make_course(), **{**values, **overrides})
    decisions.give(boost, by=None, now=now)
    return boost


def make_override(student: Membership | None = None, **overrides: Any) -> Override:
    """An allowance of one's own, from now on."""
    now = datetime.now(UTC)
    values = {"weekly_tokens": 2_000_000, "starts_at": now, "reason": "A large project."}
    override = Override(membership=student or make_student(), **{**values, **overrides})
    decisions.give(override, by=None, now=now)
    return override


def make_request(student: Membership | None = None, **overrides: Any) -> AllowanceRequest:
    """A student asks for more this week."""
    now, student = datetime.now(UTC), student or make_student()
    week = week_of(student.course, now=now)
    values = {"week_starts_at": week.starts_at, "tokens": 500, "reason": "The tests need more.", "created_at": now}
    return AllowanceRequest.objects.create(membership=student, **{**values, **overrides})


# What may be said


def make_rule(*, course: Course | None = None, **overrides: Any) -> Rule:
    """A rule that blocks prompts about homework."""
    values = {
        "course": course or make_course(),
        "name": unique("rule"),
        "pattern": r"(?i)solve\s+my\s+homework",
        "action": Rule.Action.BLOCK,
        "stage": Rule.Stage.ENFORCE,
        "message": "Ask for a hint instead.",
    }
    return Rule.objects.create(**{**values, **overrides})


# Where it goes


def make_provider(*, secret: str = "provider-secret", **overrides: Any) -> Provider:
    """A provider on this machine's own network, with one credential. An empty secret: none.

    It has no health checks, which would come between the calls of a test when they like.
    """
    values = {
        "name": unique("provider"),
        "base_url": "http://127.0.0.1:9/v1",
        "allow_private_network": True,
        "probe_path": "off",
    }
    provider = Provider.objects.create(**{**values, **overrides})
    if secret:
        make_credential(provider, secret=secret)
    return provider


def make_credential(provider: Provider, *, secret: str, **overrides: Any) -> Credential:
    credential = Credential.objects.create(**{"provider": provider, "label": unique("credential"), **overrides})
    credential.set_secret(secret)
    return credential


def make_model(*providers: Provider, course: Course | None = None, **overrides: Any) -> Model:
    """A model that the course allows, deployed at the providers in the order in which they are tried."""
    model = Model.objects.create(**{"name": unique("model"), **overrides})
    for priority, provider in enumerate(providers):
        make_deployment(model, provider, priority=priority)
    if course is not None:
        allow(model, course=course)
    return model


def make_deployment(model: Model, provider: Provider, **overrides: Any) -> Deployment:
    return Deployment.objects.create(
        **{"model": model, "provider": provider, "upstream_model": model.name, **overrides}
    )


def allow(model: Model, *, course: Course) -> None:
    CourseModel.objects.create(course=course, model=model)


def make_service(*urls: str, **overrides: Any) -> Service:
    """A service with instances at these addresses of this machine, which students and staff may call."""
    service = Service.objects.create(**{"name": unique("service"), "allow_private_network": True, **overrides})
    for url in urls:
        make_instance(service, url)
    return service


def make_instance(service: Service, url: str, **overrides: Any) -> Instance:
    return Instance.objects.create(**{"service": service, "url": url, **overrides})


# What was said


def make_call(member: Membership, **overrides: Any) -> Call:
    values = {"id": new_id(), "course": member.course, "membership": member, "model": "model", "status": "answered"}
    return Call.objects.create(**{**values, "started_at": datetime.now(UTC), **overrides})


# What services were asked


def make_record(member: Membership | None = None, **overrides: Any) -> ServiceRecord:
    """A request to a service that was answered; without a member, by somebody without a key."""
    course = member.course if member is not None else None
    values = {"id": new_id(), "service": "users", "method": "GET", "path": "/", "status": 200, "outcome": "answered"}
    return ServiceRecord.objects.create(
        **{**values, "membership": member, "course": course, "started_at": datetime.now(UTC), **overrides}
    )
