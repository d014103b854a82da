from django.urls import include, path

from tests.oidc_provider import control

urlpatterns = [
    path("control/", control.control),
    path("", include("allauth.idp.urls")),
    path("account/", include("allauth.account.urls")),
]
