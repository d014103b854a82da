"""Operators are told what happens: by whom they chose, once, and without a storm."""

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail

from apps.conversations.models import DeadLetter
from apps.operations.messages import Notice, NotificationMessage
from apps.operations.models import Notification, NotificationChannel, NotificationDelivery
from apps.operations.noticing import allowances, disks
from apps.operations.noticing.disks import Disk
from apps.operations.outlets import Webhook
from apps.providers.models import Deployment, ProviderEvent
from apps.quotas.ledger.booking import week_of
from apps.quotas.models import Institution, QuotaPolicy, WeeklyUsage
from tests import factories
from tests.operations.conftest import Round
from tests.operations.receiver import HANGS, Receiver

MINUTE = timedelta(minutes=1)


def webhook(receiver: Receiver, **overrides: Any) -> NotificationChannel:
    values = {"kind": "webhook", "url": receiver.url, "allow_private_network": True}
    return factories.make_channel(**values, **overrides)


def a_deployment() -> Deployment:
    return factories.make_model(factories.make_provider()).deployments.get()


def event(kind: str, *, at: datetime, deployment: Deployment | None = None) -> None:
    deployment = deployment or a_deployment()
    detail = f"{deployment}: It does not answer."
    ProviderEvent.note(kind, provider=deployment.provider_id, deployment=deployment.pk, detail=detail, now=at)


def used(course: Any, tokens: int, *, now: datetime) -> None:
    week = week_of(course, now=now)
    place = {"kind": "course", "account": course.pk, "starts_at": week.starts_at, "ends_at": week.ends_at}
    WeeklyUsage.objects.update_or_create(**place, defaults={"used": tokens})


def told(receiver: Receiver) -> list[list[str]]:
    return [[one["title"] for one in json.loads(body)["data"]["notifications"]] for _, body in receiver.got]


def test_a_provider_that_goes_down_is_told_by_mail_and_by_webhook_once(
    receiver: Receiver, look: Round, now: datetime
) -> None:
    webhook(receiver)
    factories.make_channel(recipients="ada@example.edu, ben@example.edu")
    event("down", at=now + MINUTE)

    sent = [look(now + MINUTE), look(now + 2 * MINUTE)]

    assert sent == [2, 0]
    [[title]] = told(receiver)
    assert title.endswith("provider down")
    assert mail.outbox[0].subject == f"[Stoa] {title}"
    assert mail.outbox[0].to == ["ada@example.edu", "ben@example.edu"]
    assert "It does not answer." in mail.outbox[0].body and "/admin/providers/provider/" in mail.outbox[0].body


def test_a_channel_that_fails_in_an_unknown_way_keeps_no_other_from_being_told(
    receiver: Receiver, look: Round, now: datetime, settings: Any
) -> None:
    settings.DEFAULT_FROM_EMAIL = "Stoa\n <stoa@example.edu>"
    webhook(receiver)
    factories.make_channel(recipients="ada@example.edu")
    event("down", at=now + MINUTE)

    assert [look(now + MINUTE), look(now + 10 * MINUTE)] == [1, 0]
    assert len(told(receiver)) == 1


def test_a_receiver_can_prove_who_sent_it_and_when(receiver: Receiver, look: Round, now: datetime) -> None:
    webhook(receiver)
    event("down", at=now + MINUTE)
    look(now + MINUTE)

    [(headers, body)] = receiver.got

    key = base64.b64decode(factories.WEBHOOK_SECRET.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    assert int(headers["webhook-timestamp"]) == (now + MINUTE).timestamp()


def test_channels_are_told_what_was_chosen_for_them(receiver: Receiver, look: Round, now: datetime) -> None:
    webhook(receiver, providers=False)
    webhook(receiver, is_active=False)
    event("down", at=now + MINUTE)

    look(now + MINUTE)

    assert receiver.got == []


def test_what_happened_before_there_was_the_channel_is_not_told(receiver: Receiver, look: Round, now: datetime) -> None:
    event("down", at=now - MINUTE)
    webhook(receiver)

    assert look(now) == 0


def test_a_provider_that_goes_up_and_down_is_told_once_in_its_cooldown_and_then_how_it_is(
    receiver: Receiver, look: Round, now: datetime
) -> None:
    deployment = a_deployment()
    webhook(receiver, cooldown_minutes=60)
    for minute, kind in enumerate(("down", "back", "down", "back", "down"), 1):
        event(kind, at=now + minute * MINUTE, deployment=deployment)
        look(now + minute * MINUTE)
    early = [title.rpartition(": ")[2] for [title] in told(receiver)]

    look(now + 62 * MINUTE)

    assert early == ["provider down", "provider back"]
    assert told(receiver)[2:] == [[f"{deployment.provider.name}: provider down"]]
    assert json.loads(receiver.got[2][1])["data"]["notifications"][0]["replaces"] == 2
    assert look(now + 200 * MINUTE) == 0


def test_a_storm_of_events_is_one_message(receiver: Receiver, look: Round, now: datetime) -> None:
    provider = factories.make_provider()
    webhook(receiver)
    for number in range(30):
        deployment = factories.make_model(provider, name=f"model-{number}").deployments.get()
        event("down", at=now + MINUTE, deployment=deployment)

    look(now + MINUTE)

    [(_, body)] = receiver.got
    data = json.loads(body)["data"]
    assert (len(data["notifications"]), data["further"]) == (20, 10)
    assert not NotificationDelivery.objects.exclude(state="sent").exists()


@pytest.mark.parametrize(("status", "words"), [(500, "status 500"), (302, "redirect")])
def test_a_webhook_that_fails_is_tried_again_and_said_once(
    status: int, words: str, receiver: Receiver, look: Round, now: datetime, caplog: Any
) -> None:
    webhook(receiver, name="Ops")
    receiver.status = status
    event("down", at=now + MINUTE)

    sent = [look(now + MINUTE + timedelta(seconds=seconds)) for seconds in (0, 5, 11)]
    receiver.status = 204
    back = look(now + 5 * MINUTE)

    assert (sent, back, len(receiver.got)) == ([0, 0, 0], 1, 3)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    said = [record.getMessage() for record in caplog.records if "Ops" in record.getMessage()]
    assert len(said) == 2 and words in said[0] and "works again" in said[1]


def test_a_webhook_that_hangs_is_not_waited_for(receiver: Receiver, now: datetime) -> None:
    receiver.status = HANGS
    notice = Notice(id=1, kind="test", level="bad", title="T", detail="", address="http://127.0.0.1/", at=now)

    trouble = Webhook(receiver.url, "a-secret", allow_private=True, seconds=0.2).send(
        NotificationMessage((notice,)), now=now
    )

    assert trouble == "127.0.0.1 did not answer within 0.2 seconds."


def test_a_webhook_that_points_inside_is_not_called(receiver: Receiver, look: Round, now: datetime) -> None:
    webhook(receiver)
    NotificationChannel.objects.update(allow_private_network=False)
    event("down", at=now + MINUTE)

    look(now + MINUTE)

    assert receiver.got == []
    assert "private network" in NotificationDelivery.objects.get().error


def test_a_notification_is_given_up_after_a_working_day(
    receiver: Receiver, look: Round, now: datetime, caplog: Any
) -> None:
    webhook(receiver)
    receiver.status = 500
    event("down", at=now + MINUTE)

    for hour in range(0, 24, 2):
        look(now + MINUTE + timedelta(hours=hour))

    row = NotificationDelivery.objects.get()
    assert (row.state, row.attempts, len(receiver.got)) == ("dead", 8, 8)
    assert sum("given up" in record.getMessage() for record in caplog.records) == 1


def test_a_course_is_told_at_50_80_and_100_percent_once_each(receiver: Receiver, look: Round, now: datetime) -> None:
    course = factories.make_course(title="Optics")
    QuotaPolicy.objects.update_or_create(course=course, defaults={"weekly_tokens": 1_000})
    webhook(receiver)

    for minute, tokens in enumerate((499, 500, 510, 850, 700, 900, 1_000, 1_000), 1):
        used(course, tokens, now=now)
        look(now + minute * MINUTE)

    assert told(receiver) == [
        ["Optics has used 50 percent of its week"],
        ["Optics has used 80 percent of its week"],
        ["Optics has used up its week"],
    ]


def test_a_week_in_which_no_usual_call_fits_is_used_up() -> None:
    assert allowances.threshold(used=960, limit=1_000, usual=50) == 100
    assert allowances.threshold(used=960, limit=1_000, usual=40) == 80
    assert allowances.threshold(used=490, limit=1_000, usual=0) == 0


def test_the_institution_is_told_of_as_well_but_not_to_the_channel_of_a_course(
    receiver: Receiver, look: Round, now: datetime
) -> None:
    Institution.objects.create(weekly_tokens=100)
    starts_at = now - timedelta(days=1)
    WeeklyUsage.objects.create(
        kind="institution", account=1, starts_at=starts_at, ends_at=starts_at + timedelta(days=7), used=80
    )
    webhook(receiver)
    factories.make_channel(course=factories.make_course())

    look(now + MINUTE)

    assert told(receiver) == [["The institution has used 80 percent of its week"]]
    assert mail.outbox == []


def test_dead_letters_are_told(receiver: Receiver, look: Round, now: datetime) -> None:
    webhook(receiver)
    DeadLetter.objects.create(call="c", record={}, error="DataError()")

    sent = [look(now + MINUTE), look(now + 2 * MINUTE)]

    assert (sent, told(receiver)) == ([1, 0], [["1 dead letter"]])


def test_a_full_disk_is_told_and_that_there_is_room_again(db: None, now: datetime) -> None:
    shares = []
    for used_part in (80, 91, 89, 95, 87, 89):
        for row in disks.found(Disk(used_part, 100 - used_part, 100), now=now, host="stoa1"):
            row.save()
            shares.append((used_part, row.kind))

    assert shares == [(91, "disk_full"), (87, "disk_ok")]


def test_pages_that_notifications_name_exist(look: Round, now: datetime, client: Any) -> None:
    client.force_login(factories.make_operator())
    factories.make_channel()
    course = factories.make_course()
    QuotaPolicy.objects.update_or_create(course=course, defaults={"weekly_tokens": 1_000})
    used(course, 900, now=now)
    DeadLetter.objects.create(call="c", record={}, error="DataError()")
    event("down", at=now + MINUTE)

    look(now + MINUTE)

    pages = Notification.objects.values_list("page", flat=True)
    assert len(pages) == 3
    assert [client.get(page).status_code for page in pages] == [200] * 3
