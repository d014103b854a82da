"""Who may call what: every address of the project stands in one table, and keeps to it.

An address that is missing here fails the test. What each page of the admin lets whom do is in
`tests/permissions/`.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLResolver, get_resolver

from gateway_project.site import load_pages
from tests import factories
from tests.admin.conftest import sign_in
from tests.live import Gateway

load_pages()
# The index of an app in the admin. Its pattern names the apps in the order in which their pages happened to be loaded.
APP_INDEX = "<app_label>/"
EVERYBODY, SCRAPERS, STUDENTS, STAFF = "everybody", "metrics token", "API key", "staff session"
OPERATORS = "operators, and the metrics token"
CALLERS = "whom the service admits"
CREDENTIALS = "credentials in the body"
OWN_PAGES = "a student, by key or session"
SIGNED_IN, FAILED = "session", "everybody whose sign-in failed"  # the latter answers 401

COURSE_ACTIONS = (
    "settings/close/",
    "settings/open/",
    "allowance/undo/",
    "allowance/<slug:part>/",
    "allowance/<slug:part>/<int:pk>/end/",
)
STUDENT = "students/<int:member_id>/"
COURSE_PAGES = (
    "",
    "requests/<int:pk>/",
    "students/",
    "students/export/",
    "students/file/",
    "students/file/<int:pk>/",
    STUDENT,
    f"{STUDENT}export/",
    "rules/",
    "conversations/",
    "allowance/",
    "settings/",
    *COURSE_ACTIONS,
)
ROUTES = {
    "": EVERYBODY,
    "favicon.ico": EVERYBODY,
    "health": OPERATORS,
    "health/live": EVERYBODY,
    "health/ready": EVERYBODY,
    "metrics": SCRAPERS,
    "v1/chat/completions": STUDENTS,
    "v1/models": STUDENTS,
    "v1/models/<path:name>": STUDENTS,
    "v1/usage": STUDENTS,
    "v1/usage/keys": STUDENTS,
    "v1/usage/requests": STUDENTS,
    "v1/rules/appeals": STUDENTS,
    "svc/<path:path>": CALLERS,
    # In production, documentation is for staff; see the test below.
    "docs": EVERYBODY,
    "openapi.json": EVERYBODY,
    "auth/docs": EVERYBODY,
    "auth/openapi.json": EVERYBODY,
    ".well-known/jwks.json": EVERYBODY,
    "auth/token": CREDENTIALS,
    "auth/refresh": CREDENTIALS,
    "auth/logout": CREDENTIALS,
    "api/staff/docs": EVERYBODY,
    "api/staff/openapi.json": EVERYBODY,
    "api/staff/^audit$": STAFF,
    "api/staff/^audit/(?P<pk>[0-9]{1,18})$": STAFF,
    "api/staff/^calls$": STAFF,
    "api/staff/^calls/(?P<pk>[0-9a-f]{32})$": STAFF,
    "api/staff/^services$": STAFF,
    "api/staff/^services/(?P<pk>[0-9]{1,18})$": STAFF,
    "api/staff/^service-requests$": STAFF,
    "api/staff/^service-requests/(?P<pk>[0-9a-f]{32})$": STAFF,
    "^api/staff(/.*)?$": STAFF,
    "admin/login/": EVERYBODY,
    "admin/logout/": EVERYBODY,
    "admin/": STAFF,
    "admin/search/": STAFF,
    "admin/preferences/": STAFF,
    "admin/help/": STAFF,
    "admin/help/<slug:page>/": STAFF,
    **{f"admin/c/<str:slug>/{page}": STAFF for page in COURSE_PAGES},
    "admin/password_change/": STAFF,
    "admin/password_change/done/": STAFF,
    "admin/autocomplete/": STAFF,
    "admin/jsi18n/": STAFF,
    "admin/r/<path:content_type_id>/<path:object_id>/": STAFF,
    f"admin/{APP_INDEX}": STAFF,
    "admin/(?P<url>.*)$": STAFF,
    "admin/accounts/user/<id>/password/": STAFF,
    "admin/accounts/apikey/new/": STAFF,
    "admin/accounts/apikey/new/file/": STAFF,
    "admin/accounts/apikey/<int:pk>/revoke/": STAFF,
    "admin/accounts/apikey/<int:pk>/replace/": STAFF,
    "admin/accounts/membership/course/<int:course_id>/keys/": STAFF,
    "admin/accounts/membership/<int:pk>/deactivate/": STAFF,
    "admin/accounts/membership/<int:pk>/activate/": STAFF,
    "admin/accounts/issuer/<int:pk>/test/": STAFF,
    "admin/operations/notificationchannel/<int:pk>/test/": STAFF,
    "admin/rules/rule/library/": STAFF,
    "admin/common/job/<int:pk>/progress/": STAFF,
    "admin/common/job/<int:pk>/cancel/": STAFF,
    "admin/conversations/call/rules/<int:pk>/": STAFF,
    "admin/conversations/call/rules/<int:pk>/replay/": STAFF,
    "admin/conversations/call/rules/<int:pk>/enforce/": STAFF,
    "admin/conversations/call/rules/<int:pk>/evidence/": STAFF,
    "admin/conversations/call/rules/<int:pk>/samples/<int:job>/<int:number>/": STAFF,
    "admin/providers/provider/<int:pk>/check/": STAFF,
    "admin/providers/provider/setup/": STAFF,
    "admin/providers/provider/setup/<slug:kind>/": STAFF,
    "admin/providers/provider/<int:pk>/setup/": STAFF,
    "admin/providers/provider/<int:pk>/setup/<slug:step>/": STAFF,
    "admin/providers/provider/credentials/<int:pk>/put-back/": STAFF,
    "admin/providers/deployment/<int:pk>/force/": STAFF,
    "admin/services/service/<int:pk>/versions/<int:number>/": STAFF,
    "admin/services/service/glance/": STAFF,
    "admin/services/service/instances/<int:pk>/steer/": STAFF,
    "admin/rules/rule/try/": STAFF,
    "admin/rules/rule/<int:pk>/try/": STAFF,
    "admin/rules/rule/<int:pk>/examples/": STAFF,
    "admin/rules/rule/<int:pk>/stage/": STAFF,
    "admin/rules/rule/<int:pk>/versions/<int:number>/": STAFF,
    "admin/rules/rule/<int:pk>/edits/<str:number>/": STAFF,
    "admin/rules/rule/<int:pk>/exceptions/<int:exception>/": STAFF,
}
SIGN_IN: dict[str, str] = {
    "": EVERYBODY,
    "out/": EVERYBODY,
    "again/": SIGNED_IN,
    "password/": SIGNED_IN,
    "password/set/": SIGNED_IN,
    "sessions/": SIGNED_IN,
    "second-factor/": SIGNED_IN,
    "second-factor/authenticate/": EVERYBODY,  # between password and session
    "second-factor/reauthenticate/": SIGNED_IN,
    "second-factor/totp/activate/": SIGNED_IN,
    "second-factor/totp/deactivate/": SIGNED_IN,
    "second-factor/recovery-codes/": SIGNED_IN,
    "second-factor/recovery-codes/generate/": SIGNED_IN,
    "second-factor/recovery-codes/download/": SIGNED_IN,
    "second-factor/webauthn/": SIGNED_IN,
    "second-factor/webauthn/add/": SIGNED_IN,
    "second-factor/webauthn/login/": EVERYBODY,
    "second-factor/webauthn/reauthenticate/": SIGNED_IN,
    "second-factor/webauthn/keys/<int:pk>/edit/": SIGNED_IN,
    "second-factor/webauthn/keys/<int:pk>/remove/": SIGNED_IN,
    "campus/<slug:name>/": EVERYBODY,
    "campus/<slug:name>/callback/": EVERYBODY,
}
ROUTES |= {f"sign-in/{page}": audience for page, audience in SIGN_IN.items()}
STUDENT_PAGES = ("", "start/", "refused/", "conversations/", "conversations/<int:pk>/", "keys/")
ROUTES |= {f"c/<slug:slug>/{page}": OWN_PAGES for page in STUDENT_PAGES}
CHANGES = {"leave/": EVERYBODY, "c/<slug:slug>/keys/new/": OWN_PAGES, "c/<slug:slug>/keys/<int:pk>/": OWN_PAGES}
ROUTES |= CHANGES  # by POST alone
QUOTAS = (
    "quotapolicy/course/<int:course_id>/",
    "quotapolicy/course/<int:course_id>/boosts/",
    "quotapolicy/course/<int:course_id>/<slug:action>/",
    "quotapolicy/student/<int:member_id>/",
    "allowancerequest/<int:request_id>/grant/",
    "allowancerequest/<int:request_id>/decline/",
)
ROUTES |= {f"admin/quotas/{page}": STAFF for page in QUOTAS}
PAGES = ("", "add/", *(f"<path:object_id>/{page}" for page in ("", "change/", "delete/", "history/")))
ROUTES |= {
    f"admin/{model._meta.app_label}/{model._meta.model_name}/{page}": STAFF
    for model in admin.site._registry
    for page in PAGES
}
EXAMPLES = {
    "<path:name>": "echo",
    "^(?P<provider_id>[^/]+)/": "nobody/",
    "^calls$": "calls",
    "^calls/(?P<pk>[0-9a-f]{32})$": f"calls/{'0' * 32}",
    "^api/staff(/.*)?$": "api/staff/nothing",
    APP_INDEX: "rules/",
    "(?P<url>.*)$": "nothing/",
    "<str:slug>": "nothing",
    "<slug:slug>": "nothing",
    "<slug:page>": "rules",
    "<path:content_type_id>": "1",
    "<path:object_id>": "1",
    "<id>": "1",
    "<int:course_id>": "1",
    "<int:member_id>": "1",
    "<int:request_id>": "1",
    "<slug:action>": "grant",
    "<int:pk>": "1",
    "<int:number>": "1",
    "<int:exception>": "1",
}


def routes(resolver: Any = None, prefix: str = "") -> Iterator[str]:
    for pattern in (resolver or get_resolver()).url_patterns:
        own = str(pattern.pattern)
        route = prefix + (APP_INDEX if own.startswith("^(?P<app_label>") else own)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, route)
        else:
            yield route


def address(route: str) -> str:
    for part, example in EXAMPLES.items():
        route = route.replace(part, example)
    return f"/{route}"


def of(audience: str) -> list[str]:
    return sorted({address(route) for route, declared in ROUTES.items() if declared == audience})


def is_closed(answer: Any) -> bool:
    """Refused, or sent to sign in."""
    entrances = ("/admin/login/", "/sign-in/?", "/?next=")
    to_sign_in = answer.status_code == 302 and answer.headers["location"].startswith(entrances)
    return to_sign_in or answer.status_code in (401, 403)


def test_every_address_is_declared() -> None:
    assert sorted(set(routes()) - set(ROUTES)) == [], "Declare in tests/test_routes.py who may call it."


def test_every_declared_address_exists() -> None:
    assert sorted(set(ROUTES) - set(routes())) == []


def test_what_is_for_everybody_is_open(db: None) -> None:
    client = Client()

    assert [path for path in of(EVERYBODY) if is_closed(client.get(path))] == []


def test_what_wants_credentials_takes_them_from_the_body_alone(db: None) -> None:
    key = factories.make_key()
    clients = [Client(), sign_in(factories.make_operator()), Client(headers={"authorization": f"Bearer {key}"})]

    opened = [path for path in of(CREDENTIALS) for client in clients if not is_closed(client.post(path))]

    assert opened == []


@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_for_staff_is_closed_to_strangers_and_students(method: str, db: None) -> None:
    student = factories.make_student()
    clients = [
        Client(),
        sign_in(student.user),
        Client(headers={"authorization": f"Bearer {factories.make_key(student)}"}),
    ]

    opened = [path for path in of(STAFF) for client in clients if not is_closed(getattr(client, method)(path))]

    assert opened == []


def test_what_is_for_staff_is_open_to_an_operator(db: None) -> None:
    operator = sign_in(factories.make_operator())
    lookup = {"app_label": "accounts", "model_name": "membership", "field_name": "course"}
    # Not even operators add or delete what the gateway writes; that is in the other table.
    paths = [path for path in of(STAFF) if not path.endswith(("/add/", "/delete/"))]

    closed = [path for path in paths if is_closed(operator.get(path, lookup if "autocomplete" in path else {}))]

    assert closed == []


@pytest.mark.parametrize("method", ["get", "post"])
def test_what_belongs_to_a_session_is_closed_without_one(method: str, db: None) -> None:
    client = Client()

    assert [path for path in of(SIGNED_IN) if not is_closed(getattr(client, method)(path))] == []


def test_the_pages_of_students_are_closed_to_strangers_and_hide_courses_of_others(db: None) -> None:
    stranger, student = Client(), sign_in(factories.make_student().user)
    answers = [
        (path, client.post(path) if address_of_change(path) else client.get(path))
        for path in of(OWN_PAGES)
        for client in (stranger, student)
    ]

    assert [path for path, answer in answers if not is_closed(answer) and answer.status_code != 404] == []


def address_of_change(path: str) -> bool:
    return path in map(address, CHANGES)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_for_students_takes_nothing_but_an_api_key(method: str, gateway: Gateway, committed_db: None) -> None:
    operator = sign_in(factories.make_operator())
    cookies = {"sessionid": operator.cookies["sessionid"].value}

    statuses = {
        path: httpx.request(method, f"{gateway.base_url}{path}", cookies=cookies).status_code for path in of(STUDENTS)
    }

    assert statuses == dict.fromkeys(of(STUDENTS), 401)
