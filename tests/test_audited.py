"""Nothing that staff can change is left out of the audit log: its mutators are enumerated here."""

import ast
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db import models

from apps.accounts.audit.audited import AuditedModel
from apps.accounts.models import ApiKey, AuditEntry, Issuer, Membership, StaffKey
from apps.accounts.models.token_families import TokenFamily
from apps.accounts.models.token_keys import TokenKey
from apps.common import jobs
from apps.operations.models import NotificationChannel
from apps.providers.models import CredentialHealth
from apps.quotas import decisions, requests
from apps.rules.models import Rule
from apps.rules.ready_rules import LIBRARY
from gateway_project.apply import kinds
from gateway_project.env import BASE_DIR
from tests import factories

NOW = datetime.now(UTC)

# Models that staff see in the admin, but that have no AuditedModel, and why.
NOT_AUDITED = {
    "accounts.AuditEntry": "is the log, which nobody changes",
    "accounts.TokenFamily": "its beginning and its end leave an entry, see TokenFamily.tell; a refresh leaves none",
    "common.Job": "the work that it does leaves an entry by its author",
    "conversations.Appeal": "its decision leaves an entry, see Petition.decide",
    "conversations.Call": "written by the data plane, in the transaction of the ledger; reading it leaves an entry",
    "conversations.DeadLetter": "written by draining; replaying and deleting it leaves an entry",
    "conversations.Thread": "written by draining; reading it leaves an entry",
    "operations.NotificationDelivery": "written by workers; sending it again leaves an entry",
    "providers.ProviderEvent": "a journal of its own",
    "quotas.AllowanceRequest": "its decision leaves an entry, see Petition.decide",
    "quotas.Hold": "part of the ledger, a journal of its own",
    "quotas.LedgerEntry": "part of the ledger, a journal of its own",
    "quotas.WeeklyUsage": "part of the ledger, a journal of its own",
    "services.ServiceRecord": "written by the data plane; nobody changes it",
}


def test_what_staff_can_change_is_audited_or_says_why_not() -> None:
    listed = {model for model in admin.site._registry if model._meta.app_label in OURS}
    applied = {kind.model for kind in vars(kinds).values() if isinstance(kind, kinds.Kind)}
    plain = {model._meta.label for model in listed | applied if not issubclass(model, AuditedModel)}

    assert listed and applied
    assert plain == set(NOT_AUDITED)


OURS = {path.name for path in (BASE_DIR / "apps").iterdir() if path.is_dir()}


# Methods under the headings Factories and Mutators of a model's class


def headed(path: Path) -> Iterator[str]:
    """The public methods below these headings, as Class.method."""
    source = path.read_text()
    heading = {number: line.strip() for number, line in enumerate(source.splitlines(), 1) if HEADING.fullmatch(line)}
    for owner in ast.walk(ast.parse(source)):
        for node in owner.body if isinstance(owner, ast.ClassDef) else ():
            above = [line for number, line in heading.items() if owner.lineno < number < node.lineno]
            if isinstance(node, ast.FunctionDef) and above and above[-1] in ("# Mutators", "# Factories"):
                yield f"{owner.name}.{node.name}"


HEADING = re.compile(r"    # [A-Z][a-z]+")
FOUND = sorted(
    name
    for path in (BASE_DIR / "apps").rglob("*.py")
    if "models" in str(path.relative_to(BASE_DIR))
    for name in headed(path)
    if not name.split(".")[1].startswith("_")
)
# Those that leave no entry, and why.
SILENT = {
    "Credential.note_use": "the data plane writes when a credential was used last",
    "Instance.clean": "validates",
    "Job.cancel": "the job itself says that it was cancelled",
    "Job.finish": "the state of a job; its work leaves an entry",
    "Job.progress": "the state of a job",
    "Job.put_back": "the state of a job",
    "StoredKey.note_use": "when a key was used last is noticed, not decided",
    "ApiKey.prefix_for": "only says something",
    "Rule.clean": "validates",
    "Rule.free_name": "only says something",
    "Rule.of": "makes a rule that is not saved",
    "Rule.save": "the base leaves the entry",
    "Rule.take": "sets fields without saving",
    "TokenFamily.rotate": "an entry a refresh would tell nothing; reuse is a security event",
}


def provider() -> Any:
    return factories.make_provider(secret="old-secret-of-ours")


def rule() -> Any:
    made = factories.make_rule()
    made.stage = Rule.Stage.OBSERVE
    made.save()
    return made


def restored() -> Any:
    service = factories.make_service("https://service.example.com")
    service.instances.update(weight=2)
    service.refresh_from_db()
    return service.restore(service.versions.get(number=1))


def steered() -> None:
    factories.make_service("https://service.example.com").instances.get().steer("down")


def issuer() -> Issuer:
    made = Issuer.objects.create(name="campus", title="Campus", issuer="https://id.example.edu")
    made.set_secret("a-secret-of-theirs")
    return made


def channel() -> NotificationChannel:
    return factories.make_channel(kind="webhook", url="https://hooks.example.edu/stoa")


def family() -> TokenFamily:
    times = {"created_at": NOW, "refreshed_at": NOW, "expires_at": NOW + timedelta(days=1)}
    return TokenFamily.start(
        user=factories.make_user(), handle=factories.unique("h"), digest="d", standing="s", **times
    )


def encrypted_anew(row: Any) -> Any:
    old = settings.SECRET_KEYS
    settings.SECRET_KEYS = ["a-newer-key-of-at-least-32-characters", *old]
    try:
        return row.encrypt_anew()
    finally:
        settings.SECRET_KEYS = old


MUTATIONS: dict[str, Callable[[], Any]] = {
    "ApiKey.issue": lambda: ApiKey.issue(membership=factories.make_student()),
    "ApiKey.replace": lambda: ApiKey.issue(membership=factories.make_student())[0].replace(now=NOW),
    "Credential.encrypt_anew": lambda: encrypted_anew(provider().credentials.get()),
    "Credential.set_secret": lambda: provider().credentials.get().set_secret("another-secret"),
    "Instance.steer": lambda: steered(),
    "Issuer.encrypt_anew": lambda: encrypted_anew(issuer()),
    "Issuer.forget_secret": lambda: issuer().forget_secret(),
    "Issuer.set_secret": issuer,
    "Membership.enrol": lambda: Membership.enrol(course=factories.make_course(), external_id="s-1"),
    "NotificationChannel.encrypt_anew": lambda: encrypted_anew(channel()),
    "NotificationChannel.set_secret": lambda: channel(),
    "Provider.forget_secrets": lambda: provider().forget_secrets(),
    "Rule.add_example": lambda: rule().add_example("No such thing", field="examples_no_match", by=None, note=""),
    "Rule.edit": lambda: rule().edit({"message": "New."}, stage="observe", by=None),
    "Rule.copy_to": lambda: rule().copy_to(factories.make_course(), by=None, stage="observe"),
    "Rule.from_library": lambda: Rule.from_library(LIBRARY[0], course=factories.make_course(), by=None),
    "Rule.move": lambda: rule().move("warn"),
    "Rule.restore": lambda: (made := rule()).restore(made.versions.get(number=1), by=None),
    "Service.restore": lambda: restored(),
    "TokenFamily.start": lambda: family(),
    "TokenFamily.tell": lambda: family().tell("reused"),
    "TokenKey.encrypt_anew": lambda: encrypted_anew(TokenKey.make(signs_from=NOW, now=NOW)),
    "TokenKey.make": lambda: TokenKey.make(signs_from=NOW, now=NOW),
    "TokenKey.rotate": lambda: TokenKey.rotate(signs_from=NOW, overlap=timedelta(days=1), now=NOW),
    "StaffKey.issue": lambda: StaffKey.issue(user=factories.make_operator()),
}


def test_every_mutator_is_known_here() -> None:
    assert set(FOUND) == {*MUTATIONS, *SILENT}


@pytest.mark.django_db
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutator_leaves_an_entry(name: str) -> None:
    assert actions_of(MUTATIONS[name])[-1].split(".")[0] in WORDS[name.split(".")[0]]


WORDS = {
    "ApiKey": ("key",),
    "Credential": ("credential",),
    "Instance": ("instance", "service"),
    "Issuer": ("issuer",),
    "Membership": ("membership",),
    "NotificationChannel": ("channel",),
    "Provider": ("provider", "credential"),
    "Rule": ("rule",),
    "Service": ("service", "instance"),
    "StaffKey": ("staff_key",),
    "TokenFamily": ("token",),
    "TokenKey": ("token_key",),
}


def actions_of(act: Callable[[], Any]) -> list[str]:
    act()
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


# What staff decide beside the rows


def grant(member: Membership) -> Any:
    return decisions.grant([member], tokens=5, reason="r", by=None, now=NOW)


def put_back(member: Membership) -> Any:
    credential = provider().credentials.get()
    CredentialHealth.objects.create(credential=credential, standing="out")
    return CredentialHealth.objects.put_back([credential.pk], now=NOW)


DECISIONS: dict[str, Callable[[Membership], Any]] = {
    "boost.given": lambda member: decisions.give(boost(member), by=None, now=NOW),
    "credential.put_back": put_back,
    "grant.given": grant,
    "override.ended": lambda member: decisions.end(factories.make_override(member), by=None, now=NOW),
    "request.declined": lambda member: requests.decline(factories.make_request(member), by=None, now=NOW, answer="No"),
    "request.granted": lambda member: requests.grant(factories.make_request(member), by=None, now=NOW),
    "usage.corrected": lambda member: decisions.correct([member], tokens=7, reason="r", by=None, now=NOW),
}


def boost(member: Membership) -> Any:
    made = factories.make_boost(course=member.course)
    made.pk, made._state.adding = None, True
    return made


@pytest.mark.django_db
@pytest.mark.parametrize("action", DECISIONS)
def test_a_decision_leaves_an_entry(action: str) -> None:
    member = factories.make_student()

    assert actions_of(lambda: DECISIONS[action](member))[-1] == action


@pytest.mark.django_db
def test_a_decision_that_comes_too_late_leaves_none() -> None:
    request = factories.make_request(factories.make_student())
    requests.decline(request, by=None, now=NOW, answer="No")
    before = AuditEntry.objects.count()

    assert not requests.grant(request, by=None, now=NOW)
    assert AuditEntry.objects.count() == before


def test_every_kind_of_job_is_known_to_leave_an_entry() -> None:
    """tests/conversations/test_replay.py and tests/admin/test_rosters.py tell of these."""
    assert set(jobs.KINDS) == {"rule-replay", "roster"}


def test_tables_of_the_data_plane_are_not_audited() -> None:
    hot = [model for label in ("conversations", "chat") for model in apps.get_app_config(label).get_models()]

    assert hot and not any(issubclass(model, AuditedModel) for model in hot if issubclass(model, models.Model))
