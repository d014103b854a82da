"""Limits by address, for whoever does not say who they are: wrong keys, and sign-in that fails.

Programs that sign in are told only if they fail: a good key is good from any address. People are told before their
password is looked at.
"""

from typing import Any

from apps.accounts.sign_in.throttle import has_known_browser
from apps.common.errors import RateLimited
from apps.common.ids import new_id
from apps.quotas.rate_limits.addresses import AddressLimit, CountedAttempt

Scope = dict[str, Any]

MOST_BYTES = 65_536  # of a body with credentials
_PAGES = ("/admin/login", "/sign-in", "/sign-in/second-factor/authenticate")


class TooManyUnknown(RateLimited):
    """Says the same whatever was wrong."""

    def __init__(self, *, wait: float) -> None:
        super().__init__(
            "Too many requests with wrong credentials came from your address. Check yours; try again in a minute. A "
            "valid key is served all the time.",
            wait=wait,
            headers={"x-should-retry": "false"},
        )


def host_of(scope: Scope) -> str:
    """Where a request comes from. Proxies have been seen through."""
    client = scope.get("client")
    return client[0] if client else ""


def is_of_programs(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["method"] == "POST" and path.startswith("/auth/")


def is_of_people(scope: Scope) -> bool:
    return scope["method"] == "POST" and scope["path"].rstrip("/") in _PAGES


class SignInLimit:
    """The control plane's application, with a limit on sign-in that fails."""

    def __init__(self, application: Any, limit: AddressLimit) -> None:
        self._application, self._limit = application, limit

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if is_of_programs(scope):
            await self._judged(scope, receive, send, self._limit.count(host_of(scope)), is_late=True)
        elif is_of_people(scope):
            attempt = self._limit.count(host_of(scope))
            if attempt.wait and not _has_known_browser(scope):
                await _refuse(send, TooManyUnknown(wait=attempt.wait), is_page=True)
            else:
                await self._judged(scope, receive, send, attempt, is_late=False)
        else:
            await self._application(scope, receive, send)

    async def _judged(self, scope: Scope, receive: Any, send: Any, attempt: CountedAttempt, *, is_late: bool) -> None:
        """Forgive an attempt that succeeds. One that fails although there were too many is refused, if `is_late`."""
        is_refused = False

        async def judge(message: Any) -> None:
            nonlocal is_refused
            if message["type"] == "http.response.start":
                has_failed = _has_failed(message["status"], is_page=not is_late)
                if not has_failed:
                    self._limit.forgive(attempt)
                elif is_late and attempt.wait:
                    is_refused = True
                    await _refuse(send, TooManyUnknown(wait=attempt.wait), is_page=False)
            if not is_refused:
                await send(message)

        await self._application(scope, receive, judge)


def _has_known_browser(scope: Scope) -> bool:
    """True where somebody has signed in before: the pages count such browsers by themselves, whoever is next door."""
    cookies = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
    return has_known_browser(cookies.decode("latin-1"))


def _has_failed(status: int, *, is_page: bool) -> bool:
    """A page of sign-in that is shown again says that it failed. A failure of ours is nobody's attempt."""
    return status < 500 and (status >= 400 or (is_page and status < 300))


async def _refuse(send: Any, error: RateLimited, *, is_page: bool) -> None:
    request_id = new_id()
    body = error.message.encode() if is_page else error.json(request_id=request_id)
    headers = {
        **error.headers,
        "content-type": "text/plain; charset=utf-8" if is_page else "application/json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-request-id": request_id,
    }
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
