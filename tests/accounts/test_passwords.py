"""Passwords that a guesser tries first are refused, wherever one is set."""

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import Client

from apps.accounts.models import User
from tests.admin.conftest import operator

__all__ = ["operator"]

ADA = User(username="ada.lovelace", first_name="Augusta", last_name="Noelbyron", email="countess@lovelace.example")
GUESSABLE = [
    "ada.lovelace",
    "Ada.Lovelace1",
    "countess@lovelace",
    "Noelbyron1",
    "20261130120000",
    "password123",
    "short1!",
]


@pytest.mark.parametrize("password", GUESSABLE)
def test_what_can_be_guessed_is_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password, ADA)


def test_a_sentence_is_accepted() -> None:
    validate_password("correct horse battery staple", ADA)


def test_the_admin_refuses_a_password_like_the_user_name(operator: Client) -> None:
    page = operator.post(
        "/admin/accounts/user/add/",
        {
            "username": "grace.hopper",
            "password1": "grace.hopper9",
            "password2": "grace.hopper9",
            "usable_password": "true",
        },
    )

    assert "too similar to the username" in page.content.decode()
    assert not User.objects.filter(username="grace.hopper").exists()
