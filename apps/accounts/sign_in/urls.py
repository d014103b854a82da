"""Addresses of the sign-in pages. Those of django-allauth for signing up and for e-mail addresses are left out."""

from allauth.account import views as account
from allauth.core.internal import ratelimit
from allauth.mfa.webauthn import views as passkeys
from django.urls import include, path

# Each time somebody asks for a passkey a session is stored, before anybody is known.
begin_passkey = ratelimit.decorator(app="allauth.mfa", action="passkey_begin", limit_get=True)

urlpatterns = [
    path("", account.login, name="account_login"),
    path("out/", account.logout, name="account_logout"),
    path("again/", account.reauthenticate, name="account_reauthenticate"),
    path("password/", account.password_change, name="account_change_password"),
    path("password/set/", account.password_set, name="account_set_password"),
    path("second-factor/webauthn/login/", begin_passkey(passkeys.login_webauthn), name="mfa_login_webauthn"),
    path("second-factor/", include("allauth.mfa.urls")),
    path("sessions/", include("allauth.usersessions.urls")),
    path("campus/", include("apps.accounts.sign_in.campus.urls")),
]
