"""Notification channels: staff choose who is told, try it, and send again what was given up."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from apps.accounts.models import AuditEntry
from apps.operations.models import Notification, NotificationChannel, NotificationDelivery
from tests import factories
from tests.admin.world import add_page, list_of, page_of
from tests.operations.receiver import Receiver, receiving

SECRET = factories.WEBHOOK_SECRET


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def form(**overrides: Any) -> dict[str, Any]:
    chosen = dict.fromkeys(("providers", "credentials", "budgets", "dead_letters", "disk", "is_active"), "on")
    webhook = {"kind": "webhook", "url": "https://hooks.example.edu/stoa?key=1", "secret": SECRET}
    return {"name": "Ops", "recipients": "", "cooldown_minutes": 60, **webhook, **chosen, **overrides}


def test_an_operator_adds_a_webhook_whose_secret_nobody_reads(operator: Client) -> None:
    operator.post(add_page(NotificationChannel), form())

    channel = NotificationChannel.objects.get()
    assert channel.secret() == SECRET
    pages = [page_of(channel), list_of(NotificationChannel), page_of(channel, "history")]
    shown = "".join(operator.get(page, follow=True).content.decode() for page in pages)
    assert SECRET not in shown and channel.ciphertext not in shown
    told = str(list(AuditEntry.objects.values()))
    assert SECRET not in told and "key=1" not in told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"secret": ""}, "needs a secret"),
        ({"secret": "short"}, "at least 24 characters"),
        ({"secret": "whsec_this-is-no-base64-at-all"}, "must be base64"),
        ({"url": "http://hooks.example.edu/"}, "must start with https://"),
        ({"url": "https://user:pass@hooks.example.edu/"}, "user name or password"),
        ({"url": ""}, "must start with https://"),
        ({"kind": "email"}, "between 1 and 20 e-mail addresses"),
        ({"kind": "email", "recipients": "ada@example.edu\r\nBcc: x"}, "is no e-mail address"),
        ({"kind": "email", "recipients": ",".join(f"a{n}@example.edu" for n in range(21))}, "between 1 and 20"),
    ],
)
def test_a_channel_that_cannot_work_is_refused_in_a_sentence(
    changes: dict[str, Any], words: str, operator: Client
) -> None:
    page = operator.post(add_page(NotificationChannel), form(**changes))

    assert words in page.content.decode()
    assert not NotificationChannel.objects.exists()


def test_the_test_button_sends_now_and_says_so(operator: Client, receiver: Receiver) -> None:
    channel = factories.make_channel(kind="webhook", url=receiver.url, allow_private_network=True)

    page = operator.post(f"/admin/operations/notificationchannel/{channel.pk}/test/", follow=True)

    assert "The test went out to 127.0.0.1" in page.content.decode()
    assert b"This is a test" in receiver.got[0][1]
    assert AuditEntry.objects.filter(action="channel.tested").count() == 1


def test_the_test_button_says_what_is_wrong(operator: Client, receiver: Receiver, settings: Any) -> None:
    inside = factories.make_channel(kind="webhook", url=receiver.url)
    by_mail = factories.make_channel()

    pages = [
        operator.post(f"/admin/operations/notificationchannel/{channel.pk}/test/", follow=True).content.decode()
        for channel in (inside, by_mail)
    ]

    assert "private network" in pages[0] and "No mail server is set" in pages[1]
    assert (receiver.got, mail.outbox) == ([], [])


def test_what_was_given_up_is_sent_again(operator: Client) -> None:
    now = timezone.now()
    happened = {"about": "disk", "kind": "disk_full", "subject": "disk", "level": "bad", "title": "Full", "page": "/"}
    told = Notification.objects.create(key="k", at=now, **happened)
    row = told.deliveries.create(channel=factories.make_channel(), state="dead", attempts=8, due_at=now, asked_at=now)
    again = {"action": "send_again", "_selected_action": row.pk}
    narrowed = f"{list_of(NotificationDelivery)}?state__exact=dead&channel__id__exact={row.channel_id}"
    assert operator.get(narrowed).context["cl"].result_count == 1

    pages = [operator.post(list_of(NotificationDelivery), again, follow=True).content.decode() for _ in range(2)]

    row.refresh_from_db()
    assert (row.state, row.attempts) == ("waiting", 0)
    assert "1 will be sent again" in pages[0] and "None of them was given up" in pages[1]
