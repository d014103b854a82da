"""Addresses of the issuers. Operators register the second one there, as the redirect URI."""

from django.urls import path

from apps.accounts.sign_in.campus import views

urlpatterns = [
    path("<slug:name>/", views.to_issuer, name="openid_connect_login"),
    path("<slug:name>/callback/", views.from_issuer, name="openid_connect_callback"),
]
