"""A course with a row of everything, and the addresses of the admin's pages."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import reverse

from apps.accounts.models import ApiKey, AuditEntry, Course, Membership, StaffKey
from apps.common.ids import new_id
from apps.conversations.models import Appeal, Call, Exchange, RuleHit, Thread, Turn
from apps.quotas.models import (
    AllowanceRequest,
    Boost,
    LedgerEntry,
    Override,
    QuotaPolicy,
    RoleAllowance,
    WeeklyUsage,
)
from apps.rules.models import Rule
from apps.services.models import ServiceRecord
from tests import factories

PROMPT = "Please solve my homework now"


@dataclass(frozen=True)
class CourseWorld:
    course: Course
    student: Membership
    key_text: str
    rule: Rule
    thread: Thread
    call: Call
    week: WeeklyUsage
    appeal: Appeal

    def row(self, model: type[Model]) -> Model:
        """This course's row of a model."""
        rows: dict[type[Model], Any] = {
            Course: self.course,
            Membership: self.student,
            ApiKey: self.student.api_keys.first,
            QuotaPolicy: self.course.quota_policy,
            Rule: self.rule,
            Thread: self.thread,
            Call: self.call,
            WeeklyUsage: self.week,
            LedgerEntry: self.week.entries.first,
            RoleAllowance: self.course.role_allowances.first,
            Boost: self.course.boosts.first,
            Override: self.student.overrides.first,
            AllowanceRequest: self.student.allowance_requests.first,
            Appeal: self.appeal,
            ServiceRecord: self.student.service_records.first,
            AuditEntry: AuditEntry.objects.filter(course=self.course.pk).first,
        }
        row = rows[model]
        return row() if callable(row) else row


CHANGED_BY_INSTRUCTORS = (Course, Membership, ApiKey, QuotaPolicy, RoleAllowance, Rule)
DECIDED = (Boost, Override)  # made and ended, but never changed
READ_ONLY = (Thread, Call, ServiceRecord, WeeklyUsage, LedgerEntry, AllowanceRequest, AuditEntry)
COURSE_MODELS = (*CHANGED_BY_INSTRUCTORS, *DECIDED, *READ_ONLY, Appeal)
ALL_MODELS = tuple(admin.site._registry)
OWN_MODELS = (StaffKey,)  # everybody in the admin has some of their own
OPERATOR_MODELS = tuple(model for model in ALL_MODELS if model not in (*COURSE_MODELS, *OWN_MODELS))


def make_world() -> CourseWorld:
    course = factories.make_course(slug=factories.unique("course"))
    student = factories.make_student(course=course)
    key_text = factories.make_key(student)
    rule = factories.make_rule(course=course)
    week = factories.make_week(student, used=1200)
    thread = make_thread(student, title=f"Thread of {course.slug}")
    call = make_call(student, thread=thread, prompt=PROMPT, answer="What have you tried?")
    make_hit(call, rule, "solve my homework")
    make_allowances(student)
    factories.make_record(student)
    appeal = make_appeal(call, rule)
    return CourseWorld(course, student, key_text, rule, thread, call, week, appeal)


def make_allowances(student: Membership) -> None:
    """One of each kind of allowance beyond everybody's."""
    factories.make_role_allowance(course=student.course)
    factories.make_boost(course=student.course)
    factories.make_override(student)
    factories.make_request(student)


def make_thread(member: Membership, **overrides: Any) -> Thread:
    now = datetime.now(UTC)
    values = {"course": member.course, "membership": member, "title": "A title", "started_at": now, "last_at": now}
    return Thread.objects.create(**{**values, **overrides})


def make_call(
    member: Membership, *, thread: Thread | None = None, prompt: str = "", answer: str = "", **overrides: Any
) -> Call:
    values = {
        "id": new_id(),
        "course": member.course,
        "membership": member,
        "model": "echo",
        "provider": "the-provider",
        "status": Call.Status.ANSWERED,
        "input_tokens": 11,
        "output_tokens": 22,
        "charged": 33,
        "started_at": datetime.now(UTC) - timedelta(minutes=5),
        "first_byte_ms": 120,
        "duration_ms": 2500,
    }
    call = Call.objects.create(**{**values, **overrides})
    if thread is not None:
        Exchange.objects.create(call=call, thread=thread)
    if prompt:
        Turn.objects.create(call=call, seq=0, message=0, role="user", text=prompt)
    if answer:
        Turn.objects.create(call=call, seq=1, message=None, role="assistant", text=answer)
    return call


def make_hit(call: Call, rule: Rule, found: str, **overrides: Any) -> RuleHit:
    """A hit of the rule on `found` in the call's first message."""
    start = call.turns.get(message=0).text.index(found)
    values = {"name": rule.name, "version": rule.version, "action": rule.action, "stage": rule.stage, "message": 0}
    return RuleHit.objects.create(call=call, rule=rule, start=start, end=start + len(found), **{**values, **overrides})


def make_appeal(call: Call, rule: Rule, **overrides: Any) -> Appeal:
    values: dict[str, Any] = {
        "rule_name": rule.name,
        "rule_version": rule.version,
        "reason": "It was about home economics.",
    }
    values |= {"membership": call.membership, "created_at": datetime.now(UTC)}
    return Appeal.objects.create(call=call, rule=rule, **{**values, **overrides})


def list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def add_page(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")


def page_of(row: Model, page: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[row.pk])
