"""The permission table against pages beside the standard ones, exports, jobs and the staff API. A page that is missing
here fails.
"""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.permissions import Verb
from apps.common.models import Job
from apps.conversations import replay
from apps.rules.models import RuleException, RuleVersion
from gateway_project.apis.staff import router
from tests import factories
from tests.admin.world import CourseWorld
from tests.permissions.cast import (
    COURSES,
    INSTRUCTOR,
    OPERATOR,
    OUTSIDERS,
    ROLES,
    STAFF,
    STAFF_KEY,
    Cast,
    may,
    may_anywhere,
    pages,
    told,
)

STANDARD = ("changelist", "add", "history", "delete", "change")
SEE, CHANGE, ACT = Verb.SEE, Verb.CHANGE, Verb.ACT


def of_rule(world: CourseWorld) -> list[int]:
    return [world.rule.pk]


def of_course(world: CourseWorld) -> list[int]:
    return [world.course.pk]


def of_student(world: CourseWorld) -> list[int]:
    return [world.student.pk]


def of_key(world: CourseWorld) -> list[int]:
    key = world.student.api_keys.first()
    assert key is not None
    return [key.pk]


def of_request(world: CourseWorld) -> list[int]:
    request = world.student.allowance_requests.first()
    assert request is not None
    return [request.pk]


def of_version(world: CourseWorld) -> list[int]:
    return [world.rule.pk, RuleVersion.objects.filter(rule=world.rule)[0].number]


def of_exception(world: CourseWorld) -> list[int]:
    found, _ = RuleException.objects.get_or_create(rule=world.rule, text="home economics")
    return [world.rule.pk, found.pk]


def of_sample(world: CourseWorld) -> list[int]:
    now = datetime.now(UTC)
    job = replay.ask_for(world.rule, days=7, author=factories.make_operator().pk, page="/", now=now)
    Job.objects.filter(pk=job.pk).update(state="done", result=replay.replay(job, lambda done, total: None))
    return [world.rule.pk, job.pk, 0]


# Pages beside the standard ones: which thing they show, what to, and with which method that is tried.
SPECIAL: dict[str, tuple[Any, str, Verb, str]] = {
    "rules_rule_try": (of_rule, "Rule", SEE, "get"),
    "rules_rule_example": (of_rule, "Rule", CHANGE, "get"),
    "rules_rule_stage": (of_rule, "Rule", CHANGE, "get"),
    "rules_rule_restore": (of_version, "Rule", CHANGE, "get"),
    "rules_rule_edit": (lambda world: [world.rule.pk, "none"], "Rule", CHANGE, "get"),
    "rules_rule_forget_exception": (of_exception, "Rule", CHANGE, "get"),
    "conversations_rule_activity": (of_rule, "Rule", SEE, "get"),
    "conversations_replay": (of_rule, "Rule", SEE, "get"),
    "conversations_rule_enforce": (of_rule, "Rule", CHANGE, "get"),
    "conversations_rule_evidence": (of_rule, "Rule", SEE, "get"),
    "conversations_rule_sample": (of_sample, "Rule", CHANGE, "get"),
    "quotas_students": (of_course, "QuotaPolicy", SEE, "get"),
    "accounts_apikey_revoke": (of_key, "ApiKey", CHANGE, "get"),
    "accounts_apikey_replace": (of_key, "ApiKey", CHANGE, "get"),
    "accounts_membership_keys": (of_course, "ApiKey", Verb.ADD, "get"),
    "accounts_membership_deactivate": (of_student, "Membership", CHANGE, "get"),
    "accounts_membership_activate": (of_student, "Membership", CHANGE, "get"),
    "quotas_boosts": (of_course, "QuotaPolicy", SEE, "get"),
    "quotas_decide": (lambda world: [world.course.pk, "grant"], "QuotaPolicy", CHANGE, "get"),
    "quotas_student": (of_student, "QuotaPolicy", SEE, "get"),
    "quotas_allowancerequest_grant": (of_request, "AllowanceRequest", ACT, "get"),
    "quotas_allowancerequest_decline": (of_request, "AllowanceRequest", ACT, "get"),
}
# What everybody is shown of their own session alone, and no row.
OF_SESSIONS = {"accounts_apikey_new": 200, "accounts_apikey_file": 405}
WITHOUT_A_ROW = {
    "providers_provider_kinds": "Provider",
    "rules_rule_library": "Rule",
    "rules_rule_try_new": "Rule",
    "services_service_glance": "Service",
}
FURTHER: dict[str, list[Any]] = {"services_service_restore": [1], "providers_provider_setup": ["key"]}
BY_A_WORD = {"providers_provider_begin"}  # test_provider_setup tries who may
OF_JOBS = {"common_job_progress": SEE, "common_job_cancel": ACT}
OF_OPERATORS = {
    "accounts_issuer_test",
    "operations_notificationchannel_test",
    "providers_provider_check",
    "providers_provider_resume",
    "providers_provider_setup",
    "providers_credential_put_back",
    "providers_deployment_force",
    "services_service_restore",
    "services_instance_steer",
}


def test_every_special_page_is_in_the_table() -> None:
    names = {str(url.name) for page in pages().values() for url in page.get_urls() if url.name}
    special = {name for name in names if not name.endswith(tuple(f"_{standard}" for standard in STANDARD))}

    assert special == {*SPECIAL, *WITHOUT_A_ROW, *OF_JOBS, *OF_OPERATORS, *OF_SESSIONS, *BY_A_WORD}


@pytest.mark.parametrize("role", ROLES)
def test_special_pages_and_exports_are_open_to_those_who_may(role: str, cast: Cast) -> None:
    client, wrong = cast.client(role), []
    for name, (arguments, thing, verb, method) in SPECIAL.items():
        for where in COURSES:
            address = reverse(f"admin:{name}", args=arguments(cast.world(where)))
            status = getattr(client, method)(address).status_code
            if not _fits(status, role, thing, verb, where):
                wrong.append((name, where, status))
    for name, thing in WITHOUT_A_ROW.items():
        status = client.get(reverse(f"admin:{name}")).status_code
        if status != (302 if role in OUTSIDERS else 200 if may_anywhere(role, SEE, thing) else 403):
            wrong.append((name, "", status))

    for name, expected in OF_SESSIONS.items():
        status = client.get(reverse(f"admin:{name}")).status_code
        if status != (302 if role in OUTSIDERS else expected):
            wrong.append((name, "", status))

    assert wrong == []


def _fits(status: int, role: str, thing: str, verb: Verb, where: str) -> bool:
    """Who may not see the row gets 404; who may only see it gets that or 403; else a page, or a word on the method."""
    if role in OUTSIDERS:
        return status == 302
    if not may(role, SEE, thing, where=where):
        return status == 404
    if not may(role, verb, thing, where=where):
        return status in (403, 404)
    return status in (200, 302, 405)


@pytest.mark.parametrize("role", STAFF)
def test_pages_of_operators_are_closed_to_all_others(role: str, cast: Cast) -> None:
    client = cast.client(role)

    statuses = {name: client.get(reverse(f"admin:{name}", args=[987_654, *more])).status_code for name, more in _rest()}

    assert all(status in (404, 405) if role == OPERATOR else status in (403, 404, 405) for status in statuses.values())


def _rest() -> list[tuple[str, list[Any]]]:
    return [(name, FURTHER.get(name, [])) for name in sorted(OF_OPERATORS)]


@pytest.mark.parametrize("role", ROLES)
def test_jobs_are_seen_and_cancelled_by_those_who_may(role: str, cast: Cast) -> None:
    client, wrong = cast.client(role), []
    for where in COURSES:
        for name, verb in OF_JOBS.items():
            ask = client.get if verb is SEE else client.post
            status = ask(reverse(f"admin:{name}", args=[cast.jobs[where].pk])).status_code
            if role in OUTSIDERS:
                is_right = status == 302
            elif not may(role, SEE, "Job", where=where):
                is_right = status == 404
            else:
                is_right = status in (200, 302) if may(role, verb, "Job", where=where) else status == 403
            if not is_right:
                wrong.append((name, where, status))

    assert wrong == []


# The staff API


@pytest.mark.parametrize("role", ROLES)
def test_the_staff_api_shows_what_the_table_says(role: str, cast: Cast) -> None:
    client, wrong = cast.client(role), []
    as_role = INSTRUCTOR if role == STAFF_KEY else role
    for prefix, viewset, _ in router.registry:
        model = viewset.serializer_class.Meta.model
        listed = client.get(f"/api/staff/{prefix}")
        if role not in (*STAFF, STAFF_KEY):
            wrong += [] if listed.status_code == (401 if role == "anonymous" else 403) else [(prefix, "list")]
            continue
        ids = {row["id"] for row in listed.json()["results"]}
        missing = told(client.get(f"/api/staff/{prefix}/{'0' * 32}"))
        for where in COURSES:
            row, is_open = cast.row(model, where), may(as_role, SEE, model.__name__, where=where)
            detail = client.get(f"/api/staff/{prefix}/{row.pk}")
            if (row.pk in ids) != is_open or (detail.status_code == 200) != is_open:
                wrong.append((prefix, where))
            if not is_open and (detail.status_code, missing[0]) != (404, 404):
                wrong.append((prefix, where, "not like a missing one"))

    assert wrong == []


def test_a_staff_key_opens_no_page_of_the_admin(cast: Cast) -> None:
    client: Client = cast.client(STAFF_KEY)

    assert client.get("/admin/").status_code == 302
