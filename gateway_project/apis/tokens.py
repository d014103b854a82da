"""Tokens for programs: /auth/token, /auth/refresh, /auth/logout and the key set. Ordinary Django, in threads.

Every refusal is InvalidCredentials, so that nobody learns what was wrong; only sizes and outages are told apart.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Router, Schema
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from apps.accounts.scopes import Scopes
from apps.accounts.tokens import credentials, families, signing
from apps.accounts.tokens.access_tokens import LIFETIME
from apps.accounts.tokens.access_tokens import MOST_BYTES as MOST_ACCESS
from apps.accounts.tokens.callers import Caller
from apps.accounts.tokens.strict_json import NotStrict, strictly
from apps.common.errors import BodyTooLarge, GatewayError, InternalError, InvalidCredentials, Unavailable
from apps.common.outages import database_outage
from apps.dataplane.requests import ErrorOut
from gateway_project.apis.student import documentation

logger = logging.getLogger(__name__)
S = TypeVar("S", bound=Schema)

MOST_BYTES = 16_384
_CREDENTIALS = ("authorization", "x-api-key", "api-key")
_NO_STORE = {"cache-control": "no-store"}
REFUSALS = dict.fromkeys((401, 413, 429, 500, 503), ErrorOut)


class _Strict(Schema):
    model_config = ConfigDict(extra="forbid", strict=True)


class TokenIn(_Strict):
    """An API key, or the name and password of a member of staff."""

    api_key: str | None = Field(None, max_length=100, description="An API key of a course.")
    username: str | None = Field(None, max_length=150, description="The name with which this person signs in.")
    password: str | None = Field(None, max_length=1000, description="The password. Send it over TLS only.")
    otp: str | None = Field(
        None, max_length=40, description="A code of the authenticator app, or a recovery code, if the person has any."
    )
    course: str | None = Field(
        None, max_length=60, description="Slug of the course, for /v1, if the person has several."
    )
    scopes: dict[str, Any] | None = Field(
        None,
        description="To make tokens that are good for less: models, surfaces, services, assignment, reads_only.",
    )


class RefreshIn(_Strict):
    """A refresh token."""

    refresh_token: str = Field(max_length=100, description="The last one that this client was given.")


class LogoutIn(_Strict):
    """What is to be refused from now on."""

    refresh_token: str | None = Field(None, max_length=100, description="Ends every token of the same sign-in.")
    access_token: str | None = Field(None, max_length=MOST_ACCESS, description="Ends this token alone.")


class TokensOut(Schema):
    """Two tokens."""

    access_token: str = Field(description="Send it as 'Authorization: Bearer ...'. A signed JWT.")
    refresh_token: str = Field(description="Buys the next two tokens, once, for a week. Opaque.")
    token_type: str = Field("Bearer", description="Always Bearer.")
    expires_in: int = Field(description="Seconds until the access token expires.")


class KeySetOut(Schema):
    """A JWK set (RFC 7517)."""

    keys: list[dict[str, str]] = Field(description="The public keys with which access tokens can be verified.")


class TokenAPI(NinjaAPI):
    """The credentials are in the bodies, so no operation has a security scheme."""

    def get_openapi_operation_id(self, operation: Any) -> str:
        return str(operation.view_func.__name__)


router = Router(tags=["Tokens"])
public = Router(tags=["Tokens"])


def _body(shape: type[Schema]) -> dict[str, Any]:
    schema = TypeAdapter(shape).json_schema()
    return {
        "security": [],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
    }


@router.post(
    "/token",
    response={200: TokensOut, **REFUSALS},
    summary="Tokens for an API key, or for a member of staff",
    openapi_extra=_body(TokenIn),
)
def token(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    now, asked = datetime.now(UTC), _read(TokenIn, request)
    return _answer(response, families.start(_caller(request, asked, now=now), now=now))


@router.post(
    "/refresh",
    response={200: TokensOut, **REFUSALS},
    summary="The next tokens for a refresh token, which is spent with that",
    openapi_extra=_body(RefreshIn),
)
def refresh(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    return _answer(response, families.refresh(_read(RefreshIn, request).refresh_token, now=datetime.now(UTC)))


@router.post(
    "/logout",
    response={204: None, **REFUSALS},
    summary="Revoke a refresh token with every token of the same sign-in, or one access token",
    openapi_extra=_body(LogoutIn),
)
def logout(request: HttpRequest) -> HttpResponse:
    now, asked = datetime.now(UTC), _read(LogoutIn, request)
    if asked.refresh_token is None and asked.access_token is None:
        raise InvalidCredentials
    if asked.access_token is not None:
        families.revoke(asked.access_token, now=now)
    if asked.refresh_token is not None:
        families.end(asked.refresh_token, now=now)
    return HttpResponse(status=204, headers=_NO_STORE)


@public.get(
    "/.well-known/jwks.json",
    response={200: KeySetOut, 500: ErrorOut, 503: ErrorOut},
    summary="The public keys of access tokens",
    openapi_extra={"security": []},
)
def jwks(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    response["cache-control"] = f"public, max-age={signing.CACHED // timedelta(seconds=1)}"
    response["access-control-allow-origin"] = "*"
    return signing.key_set(now=datetime.now(UTC))


def _read(shape: type[S], request: HttpRequest) -> S:
    """The body in this shape. Raises InvalidCredentials for everything else, and for credentials in headers beside."""
    if (
        int(request.headers.get("content-length") or 0) > MOST_BYTES
        or len(raw := request.read(MOST_BYTES + 1)) > MOST_BYTES
    ):
        raise BodyTooLarge("body_too_large", f"Credentials have at most {MOST_BYTES} bytes.")
    if request.content_type != "application/json" or any(name in request.headers for name in _CREDENTIALS):
        raise InvalidCredentials
    try:
        return TypeAdapter(shape).validate_python(strictly(raw))
    except (NotStrict, ValidationError):
        raise InvalidCredentials from None


def _caller(request: HttpRequest, asked: TokenIn, *, now: datetime) -> Caller:
    """Whoever the credentials are of: an API key, or a name with a password, but never both."""
    try:
        scopes = Scopes.from_claim(asked.scopes or {})
    except ValueError:
        raise InvalidCredentials from None
    match asked:
        case TokenIn(api_key=str(key), username=None, password=None, otp=None):
            return credentials.by_key(key, course=asked.course, scopes=scopes, now=now)
        case TokenIn(api_key=None, username=str(name), password=str(password)):
            return credentials.by_password(
                request, username=name, password=password, code=asked.otp, course=asked.course, scopes=scopes
            )
    raise InvalidCredentials


def _answer(response: HttpResponse, tokens: families.IssuedTokens) -> dict[str, Any]:
    response["cache-control"] = "no-store"
    return {
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "token_type": "Bearer",
        "expires_in": LIFETIME // timedelta(seconds=1),
    }


api = TokenAPI(
    title="Stoa tokens",
    version="1",
    description="Short-lived tokens for programs, and the keys with which other services verify them.",
    urls_namespace="tokens",
    docs_url="/auth/docs",
    openapi_url="/auth/openapi.json",
    docs_decorator=documentation,
)
api.add_router("", public)
if settings.GATEWAY_ROLE != "data":
    api.add_router("/auth", router)
urls = api.urls


@api.exception_handler(GatewayError)
def refuse(request: HttpRequest, error: GatewayError) -> HttpResponse:
    request_id: str = request.request_id  # type: ignore[attr-defined]
    return HttpResponse(
        error.json(request_id=request_id),
        status=error.status,
        content_type="application/json",
        headers={**_NO_STORE, **error.headers},
    )


@api.exception_handler(DatabaseError)
def database_away(request: HttpRequest, error: DatabaseError) -> HttpResponse:
    database_outage.began(error)
    return refuse(request, Unavailable("database_unavailable", "The database is unavailable at the moment. Try again."))


@api.exception_handler(Exception)
def fail(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("Request %s failed", request.request_id, exc_info=error)  # type: ignore[attr-defined]
    return refuse(request, InternalError())
