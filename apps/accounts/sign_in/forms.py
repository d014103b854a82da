"""The forms of the sign-in pages, where they differ from django-allauth's."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import LoginForm
from allauth.core import context
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm, LoginWebAuthnForm
from django.utils.translation import gettext

from apps.accounts.sign_in import throttle


class PasswordForm(LoginForm):  # type: ignore[misc]
    """Takes `username` and `password`, the names that Django's form has, because scripts send them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["username"] = self.fields.pop("login")
        self.order_fields(["username", "password"])
        self.fields["username"].widget.attrs.pop("placeholder", None)
        self.fields["password"].widget.attrs.pop("placeholder", None)

    def clean(self) -> Any:
        self.cleaned_data["login"] = self.cleaned_data.get("username", "").strip()
        return super().clean()


class _Counted:
    """Counts attempts at a code by account and address. django-allauth would by account, so that others use it up."""

    user: Any

    def clean_code(self) -> str:
        attempt = throttle.attempt(context.request, self.user.get_username(), guessed="code")
        if attempt is None:
            raise get_adapter().validation_error("too_many_login_attempts")
        code: str = super().clean_code()  # type: ignore[misc]
        attempt.rollback()
        return code


class CodeForm(_Counted, AuthenticateForm):  # type: ignore[misc]
    """The code after the password."""


class CodeAgainForm(_Counted, ReauthenticateForm):  # type: ignore[misc]
    """The code of somebody who is signed in."""


class EnrolAppForm(_Counted, ActivateTOTPForm):  # type: ignore[misc]
    """The first code of an authenticator app."""


class PasskeyForm(LoginWebAuthnForm):  # type: ignore[misc]
    """A passkey instead of the password. Strangers reach it, and django-allauth fails at some answers that are none."""

    def clean_credential(self) -> Any:
        try:
            return super().clean_credential()
        except (LookupError, TypeError, ValueError, AttributeError):
            raise get_mfa_adapter().validation_error("incorrect_code") from None


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """In plain words."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        passwordless = self.fields["passwordless"]
        passwordless.label = gettext("Sign in with it alone")
        passwordless.help_text = gettext(
            "Your device then asks for your fingerprint, face or PIN instead of the password."
        )
