"""Entries of the audit log: who, from where, in one transaction with what they tell, and for good."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest

from apps.accounts.audit import record, security_event
from apps.accounts.models import AuditEntry, Membership, User
from apps.common.actors import Actor, acting, actor
from gateway_project.middleware import _asker

pytestmark = pytest.mark.django_db
TABLE = "accounts_auditentry"
FALSIFYING = [
    f"UPDATE {TABLE} SET note = 'x'",
    f"UPDATE {TABLE} SET id = id + 1",
    *([f"TRUNCATE {TABLE}"] if connection.vendor == "postgresql" else []),
]


def the_entry() -> AuditEntry:
    entry = AuditEntry.objects.first()
    assert entry is not None
    return entry


def refused(statement: str) -> str:
    with pytest.raises(DatabaseError) as error, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    return str(error.value)


def aged(days: int) -> AuditEntry:
    return AuditEntry.objects.create(at=datetime.now(UTC) - timedelta(days=days), actor_kind="system", action="x.y")


def test_an_entry_names_actor_object_and_course(ada: Membership) -> None:
    with acting(Actor("person", 7, "tess", "192.0.2.1", "f" * 32)):
        record("member.changed", subject=ada, before={"role": "student"}, after={"role": "assistant"}, note="why")

    told = the_entry()
    assert (told.actor_kind, told.actor_id, told.actor_name) == ("person", 7, "tess")
    assert (told.object_type, told.object_id, told.object_label) == ("accounts.membership", str(ada.pk), str(ada))
    assert (told.course, told.before, told.after) == (ada.course_id, {"role": "student"}, {"role": "assistant"})
    assert (told.address, told.request_id, told.note, told.is_security) == ("192.0.2.1", "f" * 32, "why", False)


def test_without_anybody_stoa_itself_acts() -> None:
    security_event("key.guessed", note="5 in a minute")

    assert (the_entry().actor_kind, the_entry().actor_name, the_entry().is_security) == ("system", "Stoa", True)


def test_actors_nest_and_end() -> None:
    with acting(Actor("command", name="outer")):
        with acting(lambda: Actor("task", name="inner")):
            assert actor().name == "inner"
        assert actor().name == "outer"
    assert actor().kind == "system"


def test_a_person_who_is_known_by_id_gets_a_name() -> None:
    tess = User.objects.create_user("tess")
    AuditEntry.objects.forget(before=datetime.now(UTC) + timedelta(days=1))

    with acting(Actor("person", tess.pk)):
        record("job.done")

    assert the_entry().actor_name == "tess"


def test_what_is_rolled_back_leaves_no_entry() -> None:
    with pytest.raises(ValueError, match="no"), transaction.atomic():
        record("x.y")
        raise ValueError("no")

    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("statement", FALSIFYING)
def test_the_database_refuses_to_change_an_entry(statement: str) -> None:
    record("x.y")

    assert "never change" in refused(statement)


def test_the_database_refuses_to_delete_an_entry() -> None:
    aged(1000)

    assert "forget_audit" in refused(f"DELETE FROM {TABLE}")


def test_the_database_refuses_to_replace_an_entry() -> None:
    kept = aged(1)
    columns = "id, at, actor_kind, actor_name, action, object_type, object_id, object_label, address, request_id, note"
    values = f"{kept.pk}, '2026-01-01 00:00:00', 'system', '', 'z.z', '', '', '', '', '', ''"
    insert = f"INTO {TABLE} ({columns}, is_security) VALUES ({values}, false)"
    replacing = (
        f"INSERT OR REPLACE {insert}"
        if connection.vendor == "sqlite"
        else (f"INSERT {insert} ON CONFLICT (id) DO UPDATE SET action = excluded.action")
    )

    assert "never change" in refused(replacing)


def test_forgetting_takes_old_entries_only_and_is_told(capsys: Any) -> None:
    aged(40)
    young = aged(20)

    call_command("forget_audit", older_than=30)

    assert [told.action for told in AuditEntry.objects.all()] == ["audit.forgotten", "x.y"]
    assert AuditEntry.objects.filter(pk=young.pk).exists()
    assert AuditEntry.objects.first().after["entries"] == 1  # type: ignore[union-attr,index]
    assert "1 entries" in capsys.readouterr().out


def test_after_forgetting_the_table_is_as_closed_as_before() -> None:
    aged(40)
    AuditEntry.objects.forget(before=datetime.now(UTC) - timedelta(days=50))

    assert "forget_audit" in refused(f"DELETE FROM {TABLE}")


@pytest.mark.parametrize("days", [0, -1, 10**9])
def test_forgetting_wants_a_sane_number_of_days(days: int) -> None:
    with pytest.raises(CommandError, match="36500"):
        call_command("forget_audit", older_than=days)


def test_a_line_is_json_and_one_line_whatever_is_said(
    django_capture_on_commit_callbacks: Any, caplog: pytest.LogCaptureFixture, ada: Membership
) -> None:
    ada.user.first_name = "Eve\r\n2026 INFO stoa.audit: {}"
    with caplog.at_level(logging.INFO, "stoa.audit"), django_capture_on_commit_callbacks(execute=True):
        record("x.y", subject=ada, after={"name": "a\nb\u2028c"}, note="one\ntwo")

    (line,) = [said.getMessage() for said in caplog.records if said.name == "stoa.audit"]
    assert len(line.splitlines()) == 1
    told = json.loads(line)
    assert (told["action"], told["after"], told["note"]) == ("x.y", {"name": "a\nb\u2028c"}, "one two")
    assert told["object"]["label"].isprintable()


def test_a_request_of_the_control_plane_says_who_asks_and_from_where() -> None:
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = "192.0.2.9"
    request.request_id = "a" * 32  # type: ignore[attr-defined]
    request.user = User(pk=5, username="tess")

    assert _asker(request) == Actor("person", 5, "tess", "192.0.2.9", "a" * 32)
