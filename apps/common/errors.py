"""Every error that the APIs of Stoa answer with, and the one body for all of them.

GatewayError
├── InvalidRequest          400  the request itself is wrong
│   └── BlockedByRule       400  an instructor's rule refuses the prompt
├── InvalidKey              401  one body for every kind of bad key
├── InvalidCredentials      401  one body for every reason not to issue tokens
├── NotSignedIn             401  the staff API does not know who calls
├── NotAllowed              403  the course does not allow it
├── NotFound                404  no such model or path
├── MethodNotAllowed        405
├── BodyStalled             408  the body of a request stopped coming
├── Conflict                409  the same request is in progress: wait and retry
├── BodyTooLarge            413
├── UnsupportedCoding       415  the body is compressed in a way that we cannot read
├── RateLimited             429  too fast: wait and retry
│   └── TokensLimited       429  too many tokens in too short a time
├── OutOfQuota              429  the week is used up: retrying does not help
├── AllowanceInUse          429  calls in progress hold what is left of the week: wait and retry
├── InternalError           500  our mistake
├── UpstreamFailed          502, 504  no provider could answer
├── Unavailable             503  a part of Stoa is down or stopping
└── Overloaded              503  more requests than Stoa can answer
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import orjson

FixedBy = Literal["you", "instructor", "operator"]


class GatewayError(Exception):
    """An error with a stable code. `message` is a sentence that says what to do; `fixed_by` says who can do it.

    `headers` go out with the response, `details` into its body. `charged` is in weighted tokens, by default none.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    fixed_by: ClassVar[FixedBy] = "operator"

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        fixed_by: FixedBy | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
        charged: int = 0,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.who = fixed_by or self.fixed_by
        self.headers = dict(headers or {})
        self.details = dict(details or {})
        self.charged = charged

    def body(self, *, request_id: str) -> dict[str, Any]:
        """The error in OpenAI's format, with our own fields added."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
                "request_id": request_id,
                "fixed_by": self.who,
                "charged": self.charged,
                **self.details,
            }
        }

    def json(self, *, request_id: str) -> bytes:
        return orjson.dumps(self.body(request_id=request_id))


class InvalidRequest(GatewayError):
    status = 400
    type = "invalid_request_error"
    fixed_by = "you"


class BlockedByRule(InvalidRequest):
    fixed_by = "you"


class InvalidKey(GatewayError):
    """Takes no arguments, so that callers cannot tell one cause from another."""

    status = 401
    type = "invalid_request_error"
    fixed_by = "you"

    def __init__(self) -> None:
        super().__init__(
            "invalid_api_key",
            "This API key is missing or not valid. Send your course's key as 'Authorization: Bearer stoa_sk_...'; "
            "if it used to work, ask your instructor for a new one.",
            headers={"www-authenticate": "Bearer"},
        )


class InvalidCredentials(GatewayError):
    """Takes no arguments either: unknown, wrong, revoked, expired and unreadable look alike."""

    status = 401
    type = "invalid_request_error"
    fixed_by = "you"

    def __init__(self) -> None:
        super().__init__(
            "invalid_credentials",
            "These credentials are missing or not valid. Send JSON: an api_key, or username, password and otp, for new "
            "tokens; a refresh_token to renew or to revoke them. A refresh token is good once.",
            headers={"www-authenticate": "Bearer"},
        )


class NotSignedIn(GatewayError):
    status = 401
    type = "invalid_request_error"
    fixed_by = "you"

    def __init__(self, *, scheme: str) -> None:
        super().__init__(
            "not_signed_in",
            "Sign in to the admin, whose session the staff API takes, or send a valid staff key or access token as "
            "'Authorization: Bearer ...', and nothing else beside.",
            headers={"www-authenticate": scheme},
        )


class NotAllowed(GatewayError):
    status = 403
    type = "invalid_request_error"  # litellm takes any other for an accident, and repeats the request
    fixed_by = "instructor"


class NotFound(GatewayError):
    status = 404
    type = "invalid_request_error"
    fixed_by = "you"


class MethodNotAllowed(GatewayError):
    status = 405
    type = "invalid_request_error"
    fixed_by = "you"


class BodyStalled(GatewayError):
    """Official clients retry a 408 by themselves, and the body may come faster then."""

    status = 408
    type = "invalid_request_error"
    fixed_by = "you"

    def __init__(self) -> None:
        super().__init__(
            "body_stalled",
            "The body of this request came too slowly, or stopped. Send it again, without pauses.",
            headers={"connection": "close"},
        )


class Conflict(GatewayError):
    """Official clients retry a 409 by themselves, so use it only where a retry will succeed."""

    status = 409
    type = "invalid_request_error"
    fixed_by = "you"


class BodyTooLarge(GatewayError):
    status = 413
    type = "invalid_request_error"
    fixed_by = "you"


class UnsupportedCoding(GatewayError):
    """`accepted` goes out as Accept-Encoding, as RFC 9110 15.5.16 wants it."""

    status = 415
    type = "invalid_request_error"
    fixed_by = "you"

    def __init__(self, accepted: str) -> None:
        super().__init__(
            "unsupported_encoding",
            "Stoa cannot read the Content-Encoding of the body. Compress it with gzip or deflate, or send it plain.",
            headers={"accept-encoding": accepted},
        )


class RateLimited(GatewayError):
    """`wait` is in seconds. None means that waiting does not help.

    With None, and beyond a minute, the client is told not to retry by itself (wire rule R27).
    """

    status = 429
    type = "requests"
    fixed_by = "you"

    def __init__(
        self,
        message: str,
        *,
        wait: float | None,
        fixed_by: FixedBy | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        if wait is None or wait > 60:
            retry = {"x-should-retry": "false"}
        else:
            milliseconds = max(1, int(wait * 1000 + 0.999))
            retry = {"retry-after": str(-(-milliseconds // 1000)), "retry-after-ms": str(milliseconds)}
        super().__init__(
            "rate_limit_exceeded", message, fixed_by=fixed_by, headers={**(headers or {}), **retry}, details=details
        )


class TokensLimited(RateLimited):
    type = "tokens"


class OutOfQuota(GatewayError):
    """Never carries Retry-After: official clients would sleep for days, or retry three times (wire rule R26)."""

    status = 429
    type = "insufficient_quota"
    fixed_by = "instructor"

    def __init__(
        self,
        message: str,
        *,
        headers: Mapping[str, str],
        details: Mapping[str, Any],
        fixed_by: FixedBy | None = None,
    ) -> None:
        super().__init__(
            "insufficient_quota",
            message,
            fixed_by=fixed_by,
            headers={**headers, "x-should-retry": "false"},
            details=details,
        )


class AllowanceInUse(GatewayError):
    """What would be enough is held by calls in progress, which give back what they do not use. `wait` is in seconds."""

    status = 429
    type = "tokens"
    fixed_by = "you"

    def __init__(self, message: str, *, wait: int, headers: Mapping[str, str], details: Mapping[str, Any]) -> None:
        retry = {"retry-after": str(wait), "retry-after-ms": str(wait * 1000)}
        super().__init__("allowance_in_use", message, headers={**headers, **retry}, details=details)


class InternalError(GatewayError):
    status = 500

    def __init__(self) -> None:
        super().__init__(
            "internal_error",
            "Stoa failed to handle this request. Try again; if it keeps failing, send your operator the request ID.",
        )


class UpstreamFailed(GatewayError):
    """No provider answered. Never contains a provider's words, which may name our account or our key."""

    status = 502

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 502,
        headers: Mapping[str, str] | None = None,
        charged: int = 0,
    ) -> None:
        super().__init__(code, message, headers=headers, charged=charged)
        self.status = status  # type: ignore[misc]


class Unavailable(GatewayError):
    status = 503

    def __init__(self, code: str, message: str, *, wait: int = 1, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code, message, headers={"retry-after": str(wait), **(headers or {})})


class Overloaded(GatewayError):
    """More requests come in than can be answered in time. The wait differs between callers, to spread their retries."""

    status = 503

    def __init__(self, *, wait_ms: int) -> None:
        super().__init__(
            "overloaded",
            "Stoa gets more requests than it can answer. Nothing was charged; try again in a few seconds.",
            headers={"retry-after": str(-(-wait_ms // 1_000)), "retry-after-ms": str(wait_ms)},
        )
