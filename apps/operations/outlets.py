"""How a message leaves: as an e-mail, or as a signed request behind the address guard. Neither raises."""

import asyncio
import smtplib
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import make_msgid
from typing import Protocol
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.core import mail

from apps.common.guarded import guarded_client
from apps.operations import signing
from apps.operations.messages import NotificationMessage
from apps.providers.probes.findings import of_error

SECONDS = 10.0


class Outlet(Protocol):
    """Sends a message, without the database, from any thread. Returns what went wrong in a sentence, or nothing."""

    def send(self, message: NotificationMessage, *, now: datetime) -> str: ...


@dataclass(frozen=True, slots=True)
class Hindered:
    """A channel over which nothing can be sent."""

    why: str

    def send(self, message: NotificationMessage, *, now: datetime) -> str:
        return self.why


@dataclass(frozen=True, slots=True)
class Email:
    recipients: tuple[str, ...]

    def send(self, message: NotificationMessage, *, now: datetime) -> str:
        if not settings.EMAIL_HOST:
            return "No mail server is set. Set EMAIL_URL and restart Stoa."
        identifier = make_msgid(message.id, domain=urlsplit(settings.PUBLIC_URL).hostname)
        sent = mail.EmailMessage(
            message.subject,
            message.text,
            to=list(self.recipients),
            headers={"Message-ID": identifier, "Auto-Submitted": "auto-generated"},
        )
        try:
            sent.send()
        except (OSError, smtplib.SMTPException) as error:
            return f"The mail server {settings.EMAIL_HOST} {_of_mail(error)}."
        return ""


def _of_mail(error: Exception) -> str:
    """Codes and kinds only: a server's own words may quote the password or an address."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"refuses the user name or password ({error.smtp_code})"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "refuses the recipients"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"answers with code {error.smtp_code}"
    if isinstance(error, TimeoutError):
        return "does not answer in time"
    return f"cannot be used ({type(error).__name__})"


@dataclass(frozen=True, slots=True)
class Webhook:
    url: str = field(repr=False)
    secret: str = field(repr=False)
    allow_private: bool = False
    seconds: float = SECONDS

    def send(self, message: NotificationMessage, *, now: datetime) -> str:
        return asyncio.run(self._post(message, now))

    async def _post(self, message: NotificationMessage, now: datetime) -> str:
        body = message.body()
        headers = {
            "content-type": "application/json",
            "user-agent": "Stoa",
            **signing.headers(body, id=message.id, at=now, secret=self.secret),
        }
        try:
            async with (
                asyncio.timeout(self.seconds),
                guarded_client(allow_private=self.allow_private, seconds=self.seconds) as client,
                client.stream("POST", self.url, content=body, headers=headers) as response,  # its body is not read
            ):
                return _of_status(response.status_code, urlsplit(self.url).netloc)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return of_error(error, url=self.url, seconds=self.seconds).sentence


def _of_status(status: int, host: str) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"{host} answers with a redirect, which is not followed. Enter the address it leads to."
    return f"{host} answers with status {status}."
