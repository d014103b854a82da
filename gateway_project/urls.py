"""URLs of both planes. asgi.py sends /v1/ to the data plane's handler."""

from django.conf import settings
from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from apps.portal.pages import entrance
from gateway_project.apis.student import urls as api_urls
from gateway_project.apis.tokens import urls as token_urls
from gateway_project.health import views as health
from gateway_project.observability.scrape import metrics
from gateway_project.site import load_pages

handler400 = "gateway_project.site.errors.bad_request"
handler403 = "gateway_project.site.errors.forbidden"
handler404 = "gateway_project.site.errors.not_found"
handler500 = "gateway_project.site.errors.failed"

urlpatterns: list[URLPattern | URLResolver] = [
    path("health", health.detail, name="health"),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", metrics),
]
if settings.GATEWAY_ROLE != "data":
    load_pages()
    urlpatterns += [
        path("", entrance.home, name="home"),
        path("", include("apps.portal.pages.urls")),
        path("favicon.ico", RedirectView.as_view(url=static("stoa/icon.svg"))),
        path("sign-in/", include("apps.accounts.sign_in.urls")),
        path("admin/", admin.site.urls),
    ]
    urlpatterns += [path("", include("gateway_project.apis.staff"))]
# Last, because each API has a page at its root, which answers 404 and would hide ours.
urlpatterns += [path("", api_urls), path("", token_urls)]
