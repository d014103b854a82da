"""What the tests of sign-in do."""

import re
import time
from typing import Any

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client

from apps.accounts.models import User
from tests.factories import PASSWORD


def try_password(client: Client, username: str, password: str = PASSWORD, *, address: str = "192.0.2.1") -> Any:
    return client.post("/sign-in/", {"username": username, "password": password}, REMOTE_ADDR=address)


def is_signed_in(client: Client) -> bool:
    return "sessionid" in client.cookies and "_auth_user_id" in client.session


def signed_in(user: User, **options: Any) -> Client:
    """By user name and password, as the page does it."""
    client = Client()
    try_password(client, user.username, **options)
    assert is_signed_in(client)
    return client


def set_up_app(client: Client) -> str:
    """Enrol an authenticator app. Returns its secret."""
    secret = re.findall(r'id="authenticator_secret"[^>]*value="(\w+)"|value="(\w{32})"', _enrol_page(client))[0]
    found = next(part for part in secret if part)
    answer = client.post("/sign-in/second-factor/totp/activate/", {"code": code_of(found)})
    assert answer.status_code == 302, answer.content.decode()
    return found


def _enrol_page(client: Client) -> str:
    return client.get("/sign-in/second-factor/totp/activate/").content.decode()


def code_of(secret: str, *, ahead: int = 0) -> str:
    """What the app shows, or will show so many half minutes from now."""
    counter = int(time.time()) // 30 + ahead
    return format_hotp_value(hotp_value(secret, counter))


def try_code(client: Client, code: str, *, address: str = "192.0.2.1") -> Any:
    return client.post("/sign-in/second-factor/authenticate/", {"code": code}, REMOTE_ADDR=address)
