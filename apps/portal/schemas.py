"""The schemas of the endpoints in which students learn about themselves."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from ninja import Schema
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from apps.accounts.petitions import Petition
from apps.portal.bodies import Body
from apps.quotas.models.requests import MOST_TOKENS

MOST_OF_ID = 32  # characters of the id of a request


def instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _written_out(value: object) -> object:
    return instant(value) if isinstance(value, datetime) else value


Instant = Annotated[str, BeforeValidator(_written_out)]


class UsageWeek(Schema):
    """The current week. Instants are in UTC; `resets_at_local` is the same reset on the course's own clock."""

    starts_at: str
    ends_at: str
    resets_at: str
    resets_at_local: str
    timezone: str


class AccountUsage(Schema):
    """One allowance that calls draw on. A limit of null is unlimited."""

    kind: str
    limit: int | None
    remaining: int | None


class BoostOut(Schema):
    """A boost in force: everybody's allowance is multiplied until a deadline."""

    factor: float = Field(description="By how much the allowance is multiplied; it is in `limit` already.")
    multiplies_course: bool = Field(description="Whether the allowance of the whole course is multiplied as well.")
    until: str
    reason: str = Field(description="Why, as the instructor put it.")


class OverrideOut(Schema):
    """An allowance of one's own, in the place of everybody's."""

    weekly_tokens: int | None = Field(description="Before any boost. Null is unlimited.")
    until: str | None = Field(description="When everybody's allowance counts again; null if no end is set.")
    reason: str = Field(description="Why, as the instructor put it.")


class LimitOut(Schema):
    """What makes up `limit`: base × share × factor + granted, each rounded up once, and at most `most`."""

    base: int | None = Field(description="The allowance of everybody in one's role, or one's own. Null is unlimited.")
    is_own: bool = Field(description="Whether `base` is an allowance of one's own, as `override` has it.")
    share: float = Field(description="What was left of the week when one joined; 1 for all others.")
    factor: float = Field(description="Of the boost in force; 1 without any.")
    granted: int
    most: int | None = Field(description="The most that the operator allows; null if there is no such limit.")
    sum: str = Field(description="The same in one line, such as “3 000 × 2 (boost until 18:00) + 0 granted = 6 000”.")


class FallbackOut(Schema):
    """What is left for the model that answers once the week is used up. It is beside `limit`, not in it."""

    model: str = Field(description="The model that answers then; `x-quota-fallback` says when it did.")
    limit: int
    used: int
    held: int
    remaining: int


class EntryOut(Schema):
    """A line of one's own week in the ledger. Over all lines of a week, `used` and `held` add up to those above."""

    kind: str = Field(
        description="hold, settle, release, expire, adjust or excess for calls; grant, correct or change by staff."
    )
    amount: int = Field(description="By how much it changed what remains: granted less held and used.")
    held: int = Field(description="What it added to `held`; negative when a hold ends.")
    used: int = Field(description="What it added to `used`.")
    granted: int = Field(description="What staff added to the limit of this week.")
    request_id: str | None = Field(description="The request that it belongs to; null for what staff did.")
    note: str = Field(description="Why, for what staff did.")
    at: str


class AllowanceRequestOut(Schema):
    """A request for more, and what became of it."""

    id: int
    state: Literal["open", "granted", "declined"]
    tokens: int = Field(description="What was asked for.")
    reason: str
    answer: str = Field(description="What the instructor says; empty while the request is open.")
    granted_tokens: int | None = Field(description="What was granted; null unless it was.")
    created_at: Instant
    decided_at: Instant | None


class AllowanceRequestsOut(Schema):
    object: Literal["list"] = "list"
    data: list[AllowanceRequestOut] = Field(description="Newest first, at most 20.")


class OwnKeyOut(Schema):
    """A key of one's own. The whole key was shown once, when it was issued."""

    key: str = Field(description="Its prefix and its last four characters.")
    name: str
    issued_by: str = Field(
        description="Who issued it: you, a role in the course such as instructor, or operator. If it was nobody whom "
        "you asked, ask your instructor."
    )
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None = Field(description="Since when it is refused; null while it is not.")
    last_used_at: Instant | None = Field(description="To the minute; null if it never was.")


class OwnKeysOut(Schema):
    object: Literal["list"] = "list"
    data: list[OwnKeyOut] = Field(description="Newest first, at most 50.")


def _written(value: str) -> str:
    text = value.strip()
    if not text or "\x00" in text:
        raise PydanticCustomError("reason", "write down why you need more")
    return text


class AllowanceRequestIn(TypedDict):
    """More tokens for the current week."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # type: ignore[misc]
    tokens: Annotated[
        int, Field(ge=1, le=MOST_TOKENS, description="How many weighted tokens more, for the current week.")
    ]
    reason: Annotated[
        str,
        Field(min_length=1, max_length=Petition.LONGEST, description="Why; your instructor reads it."),
        AfterValidator(_written),
    ]


REQUEST_BODY = Body(AllowanceRequestIn)


class UsageOut(Schema):
    """A student's week, in weighted tokens."""

    course: str
    week: UsageWeek
    limit: int | None = Field(
        description="One's own allowance at this instant: boosts, overrides and grants are in it. Null is unlimited."
    )
    limit_parts: LimitOut
    used: int
    held: int = Field(description="Reserved for requests that are being answered.")
    remaining: int | None = Field(
        description="What can still be reserved, over all allowances, not only one's own. Null is unlimited."
    )
    granted: int = Field(description="What staff granted for this week only; it is in `limit` already.")
    resets_at: str = Field(description="When the next week begins, in UTC. `week` has it in the course's time as well.")
    warning: bool = Field(description="True from 80 percent of the allowance; answers carry `x-quota-warning` then.")
    accounts: list[AccountUsage]
    boosts: list[BoostOut] = Field(description="What is in force. Of boosts that overlap the largest, which counts.")
    override: OverrideOut | None
    fallback: FallbackOut | None = Field(description="Null if the course has no fallback model.")
    entries: list[EntryOut] = Field(description="The last 20 lines of one's own week, newest first.")
    requests: list[AllowanceRequestOut] = Field(description="One's requests for more, newest first, at most 20.")


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


class AppealIn(TypedDict):
    """Against a refusal, or a redaction, of a request of one's own."""

    request_id: Annotated[
        str,
        Field(max_length=MOST_OF_ID, description="Of the refused request, as its error body and headers name it."),
        BeforeValidator(_stripped),
        AfterValidator(_written),
    ]
    reason: Annotated[
        str,
        Field(min_length=1, max_length=Petition.LONGEST, description="Why this is fine; the instructor reads it."),
        BeforeValidator(_stripped),
        AfterValidator(_written),
    ]


APPEAL_BODY = Body(
    AppealIn,
    sentences={
        "request_id": f" must be a text of 1 to {MOST_OF_ID} characters.",
        "reason": f" must be a text of 1 to {Petition.LONGEST} characters.",
    },
)


class AppealOut(Schema):
    """An appeal, and what became of it."""

    request_id: str = Field(validation_alias="call_id")
    reason: str
    state: Literal["open", "accepted", "declined"]
    answer: str = Field(description="What the instructor says; empty while the appeal is open.")
    created_at: Instant
    decided_at: Instant | None


class AppealsOut(Schema):
    object: Literal["list"] = "list"
    data: list[AppealOut] = Field(description="Newest first, at most 100.")
