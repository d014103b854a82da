"""Whatever writes a row of an audited table leaves an entry that says what changed, and no secret."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db.models import F

from apps.accounts.audit import changes
from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models import ApiKey, AuditEntry, Course, Membership, User
from apps.common.actors import Actor, acting
from apps.common.models import RevisedModel
from apps.providers.models import Credential, Model, Provider
from apps.rules.models import Rule, RuleException
from tests import factories

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
CANARY = "canary-5c1e"


def told(since: int) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(pk__gt=since).order_by("pk"))


@pytest.fixture
def since(course: Course, ada: Membership) -> int:
    """The last entry before the test acts."""
    latest = AuditEntry.objects.first()
    assert latest is not None
    return latest.pk


def the_one(since: int) -> AuditEntry:
    (entry,) = told(since)
    return entry


def test_a_new_row_is_told_with_its_values(since: int, course: Course) -> None:
    member = Membership.enrol(course=course, external_id="s-77", email="kim@example.edu")

    user, membership = told(since)
    assert (user.action, user.object_label) == ("user.created", "kim@example.edu")
    assert (membership.action, membership.course, membership.object_id) == (
        "membership.created",
        course.pk,
        str(member.pk),
    )
    assert membership.after["external_id"] == "s-77"
    assert membership.before is None


def test_a_save_tells_only_what_changed(since: int, course: Course) -> None:
    course.title = "Another"
    course.save()

    entry = the_one(since)
    assert (entry.action, entry.course) == ("course.changed", course.pk)
    assert set(entry.before) == set(entry.after) == {"title"}
    assert entry.after["title"] == "Another"


def test_a_save_that_changes_nothing_is_not_told(since: int, course: Course) -> None:
    Course.objects.get(pk=course.pk).save()
    Course.objects.filter(pk=course.pk).update(title=course.title)

    assert told(since) == []


def test_an_update_tells_each_row(since: int, ada: Membership, ben: Membership) -> None:
    since = AuditEntry.objects.latest("pk").pk
    Membership.objects.filter(pk__in=[ada.pk, ben.pk]).update(is_active=False)

    assert [(entry.object_id, entry.after) for entry in told(since)] == [
        (str(member.pk), {"is_active": False}) for member in (ada, ben)
    ]


def test_an_update_by_an_expression_tells_the_outcome(since: int) -> None:
    model = Model.objects.create(name="m", input_weight=Decimal(2))
    since = AuditEntry.objects.latest("pk").pk
    Model.objects.filter(pk=model.pk).update(input_weight=F("input_weight") + 1)

    assert the_one(since).after == {"input_weight": "3.0000"}


def test_rows_created_in_bulk_are_told(since: int) -> None:
    Model.objects.bulk_create([Model(name="a"), Model(name="b")])

    assert [entry.object_label for entry in told(since)] == ["a", "b"]


def test_a_deletion_tells_what_went_with_it(since: int, course: Course, ada: Membership) -> None:
    ApiKey.issue(membership=ada)
    since = AuditEntry.objects.latest("pk").pk
    pk = ada.pk
    ada.delete()

    entry = the_one(since)
    assert (entry.action, entry.object_id, entry.course) == ("membership.deleted", str(pk), course.pk)
    assert entry.before["external_id"] and entry.after is None
    assert "accounts.ApiKey" in entry.note


def test_rows_deleted_in_bulk_are_told(since: int) -> None:
    Model.objects.bulk_create([Model(name="a"), Model(name="b")])
    Model.objects.filter(name__in=["a", "b"]).delete()

    assert [entry.action for entry in told(since)][2:] == ["model.deleted", "model.deleted"]


def test_very_many_rows_share_one_entry_for_each_course(since: int, course: Course, monkeypatch: Any) -> None:
    monkeypatch.setattr(changes, "MOST", 2)
    other = factories.make_course(slug="other")
    since = AuditEntry.objects.latest("pk").pk
    rules = [Rule(course=one, name=f"r{n}", pattern="x", message="no") for one in (course, other) for n in range(3)]
    Rule.objects.bulk_create(rules)
    Rule.objects.filter(name__startswith="r").update(stage="observe")
    Rule.objects.filter(name__startswith="r").delete()

    entries = told(since)
    assert [entry.action for entry in entries] == [
        f"rule.{verb}" for verb in ("created", "changed", "deleted") for _ in "ab"
    ]
    assert {entry.course for entry in entries} == {course.pk, other.pk}
    assert all(entry.after["rows"] == 3 and len(entry.after["first_ids"]) == 3 for entry in entries)
    assert entries[2].after["stage"] == "observe"
    assert entries[0].object_label == "3 rules"


def test_a_key_names_who_issued_it(since: int, ada: Membership) -> None:
    tess = User.objects.create_user("tess")
    since = AuditEntry.objects.latest("pk").pk
    with acting(Actor("person", tess.pk, "tess")):
        key, _ = ApiKey.issue(membership=ada, name="lab")
        ApiKey.objects.filter(pk=key.pk).revoke(now=NOW)

    issued, revoked = told(since)
    assert key.issued_by == tess
    assert (issued.action, issued.actor_id, issued.course) == ("key.issued", tess.pk, ada.course_id)
    assert (revoked.action, revoked.object_label) == ("key.revoked", key.shown)


def test_a_sign_in_leaves_no_entry_of_a_change(since: int, ada: Membership) -> None:
    ada.user.last_login = NOW
    ada.user.save(update_fields=["last_login"])

    assert told(since) == []


def test_no_secret_and_no_word_of_a_student_is_told(since: int, ada: Membership) -> None:
    rule = factories.make_rule(course=ada.course)
    user = User.objects.create_user("eve", password=CANARY)
    user.set_password(CANARY + "2")
    user.save()
    key, text = ApiKey.issue(membership=ada)
    provider = Provider.objects.create(name="p", base_url="https://p.example/v1", extra_headers={"x": CANARY})
    credential = Credential.objects.create(provider=provider)
    credential.set_secret(CANARY)
    provider.forget_secrets()
    exception = RuleException.objects.create(rule=rule, text=CANARY, reason=CANARY)
    RuleException.objects.filter(pk=exception.pk).update(text=CANARY + "3")
    RuleException.objects.all().delete()

    entries = told(since)
    everything = json.dumps(
        [[str(getattr(entry, column.name)) for column in AuditEntry._meta.fields] for entry in entries]
    )
    for secret in (CANARY, text, key.digest, user.password, credential.ciphertext):
        assert secret not in everything
    assert {"user.password_changed", "credential.secret_changed", "exception.created"} <= {e.action for e in entries}
    assert any("password" in entry.note for entry in entries)


def test_every_table_that_snapshots_copy_is_audited() -> None:
    revised = [model for model in apps.get_models() if issubclass(model, RevisedModel)]

    assert revised
    assert [model for model in revised if not issubclass(model, AuditedModel)] == []
    assert [model for model in revised if not isinstance(model._default_manager.all(), AuditedQuerySet)] == []
