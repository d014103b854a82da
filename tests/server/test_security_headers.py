"""What browsers are told about our pages, all of them, and that the pages keep to it."""

import re
from pathlib import Path

import httpx
import pytest
from django.contrib import admin
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse
from unfold.settings import CONFIG_DEFAULTS

from tests.live import Gateway
from tests.test_routes import is_closed

PAGES = {
    "the home page": ("/", 200),
    "the documentation": ("/docs", 200),
    "the login": ("/admin/login/", 200),
    "a redirect": ("/admin/", 302),
    "nothing": ("/nothing", 404),
    "nothing in the admin": ("/admin/nothing/", 302),
    "health": ("/health/live", 200),
    "a file": ("/static/stoa/portal.css", 200),
}


def policy(response: httpx.Response) -> dict[str, list[str]]:
    directives = response.headers["content-security-policy"].split(";")
    return {name: sources for name, *sources in (directive.split() for directive in directives)}


@pytest.mark.parametrize(("path", "status"), PAGES.values(), ids=PAGES.keys())
def test_every_page_says_how_far_it_is_to_be_trusted(gateway: Gateway, path: str, status: int) -> None:
    response = httpx.get(f"{gateway.base_url}{path}")

    assert response.status_code == status
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    assert response.headers["referrer-policy"] == "same-origin"
    assert "geolocation=()" in response.headers["permissions-policy"]
    assert "strict-transport-security" not in response.headers
    found = policy(response)
    assert found["default-src"] == ["'self'"]
    assert found["object-src"] == found["frame-ancestors"] == ["'none'"]
    assert found["base-uri"] == found["form-action"] == ["'self'"]
    assert "style-src" not in found
    assert found.get("script-src", found["default-src"]) == ["'self'"]


@pytest.mark.parametrize(
    ("path", "evaluates"),
    [("/admin/", True), ("/admin/accounts/course/", True), ("/admin/nothing/", True), ("/admin/jsi18n/", False)],
)
def test_only_pages_of_the_admins_theme_evaluate_expressions(admin_client: Client, path: str, evaluates: bool) -> None:
    found = policy(admin_client.get(path))  # type: ignore[arg-type]

    assert found.get("script-src", found["default-src"]) == ["'self'", *["'unsafe-eval'"] * evaluates]


def test_an_unknown_host_gets_them_too(gateway: Gateway) -> None:
    response = httpx.get(gateway.base_url, headers={"host": "evil.example"})

    assert response.status_code == 400
    assert policy(response)["frame-ancestors"] == ["'none'"]


def test_pages_of_the_admin_are_kept_nowhere(gateway: Gateway) -> None:
    assert "no-store" in httpx.get(f"{gateway.base_url}/admin/login/").headers["cache-control"]


# What the policy forbids: code and style within the page. Data for scripts, of another type, is none.
INLINE = re.compile(
    r"<style|<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")|<[^>]+\s(?:style|on[a-z]+)=|(?:href|src)=\"javascript:",
    re.IGNORECASE,
)
MODELS = [model._meta for model in admin.site._registry]


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("page", ["changelist", "add"])
def test_pages_of_the_admin_run_and_style_nothing_within_themselves(
    admin_client: Client, model: object, page: str
) -> None:
    name = f"admin:{model.app_label}_{model.model_name}_{page}"  # type: ignore[attr-defined]

    response = admin_client.get(reverse(name))

    if response.status_code == 403:
        return  # a page that nobody may open, such as the one that would add a call
    assert response.status_code in (200, 302)
    assert INLINE.findall(response.content.decode()) == []


@pytest.mark.parametrize("path", ["/", "/docs", "/admin/", "/admin/login/", "/admin/password_change/"])
def test_other_pages_do_not_either(admin_client: Client, path: str) -> None:
    assert INLINE.findall(admin_client.get(path).content.decode()) == []


def test_the_theme_has_every_colour_that_unfold_would_write_into_the_page() -> None:
    path = finders.find("stoa/theme.css")
    assert isinstance(path, str)
    names = {f"--color-{name}-{weight}" for name, weights in CONFIG_DEFAULTS["COLORS"].items() for weight in weights}

    assert set(re.findall(r"--color-[a-z0-9-]+", Path(path).read_text())) == names


def test_only_over_tls_browsers_are_told_to_stay_with_it(configured: Gateway) -> None:
    plain = httpx.get(f"{configured.base_url}/admin/login/")
    secure = httpx.get(f"{configured.base_url}/admin/login/", headers={"x-forwarded-proto": "https"})

    assert "strict-transport-security" not in plain.headers
    assert secure.headers["strict-transport-security"] == "max-age=31536000"
    assert "Secure" in secure.headers["set-cookie"]


def test_nobody_but_a_trusted_proxy_can_say_so(gateway: Gateway) -> None:
    response = httpx.get(gateway.base_url, headers={"x-forwarded-proto": "https"})

    assert f"http://127.0.0.1:{gateway.port}/v1" in response.text


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/api/staff/docs", "/api/staff/openapi.json"])
def test_the_documentation_is_for_staff_in_production(configured: Gateway, path: str) -> None:
    response = httpx.get(f"{configured.base_url}{path}")

    assert is_closed(response)
    assert policy(response)["default-src"] == ["'self'"]
