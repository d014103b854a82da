"""What each error of the student API means for people: what the student does, and what the instructor does.

`docs/trouble.md` is made of it. A code that is raised and missing here, or the other way round, stops `make docs`.
"""

from typing import NamedTuple


class KnownTrouble(NamedTuple):
    """Codes that mean the same to people, and what each side does about them."""

    codes: tuple[str, ...]
    meaning: str
    student: str
    instructor: str = "Nothing."


KEYS = (
    KnownTrouble(
        ("invalid_api_key",),
        "The key is missing, mistyped, expired or revoked.",
        "Copies the key again, whole, and asks for another if that does not help.",
        "Looks at the key on the student’s page, and presses *Replace*.",
    ),
    KnownTrouble(
        ("access_ended",),
        "The key was revoked, or the student closed, while the call was answered.",
        "Asks the instructor.",
        "Issues another key on the student’s page, if the student is still in the course.",
    ),
    KnownTrouble(
        ("course_closed",),
        "The course is closed.",
        "Asks the instructor.",
        "*Settings* → *Open the course*.",
    ),
    KnownTrouble(
        ("key_reads_only", "outside_surfaces", "outside_assignment"),
        "The key is made for something else: for reading, for other addresses, or for one assignment.",
        "Uses another key.",
        "Issues a key without that limit.",
    ),
    KnownTrouble(
        ("not_a_caller", "not_for_service_accounts", "second_factor_required"),
        "This key or account may not do that.",
        "Asks who runs the service or the gateway.",
        "Asks the operator.",
    ),
    KnownTrouble(
        ("invalid_credentials",),
        "A program exchanged a wrong key, password or refresh token for tokens.",
        "Signs the program in again. A refresh token is good once.",
    ),
)
MODELS = (
    KnownTrouble(
        ("model_not_found",),
        "The model’s name is wrong, or the course does not offer the model.",
        "Takes a name from the message or from `/v1/models`.",
        "Ticks the model under *Settings*. An operator adds others.",
    ),
    KnownTrouble(
        ("unknown_path", "unknown_service", "method_not_allowed", "ambiguous_address", "upgrade_refused"),
        "There is nothing at this address, or it is not used like this.",
        "Sets the base URL of the program to the one on the home page of Stoa, which ends in `/v1`.",
    ),
    KnownTrouble(
        ("no_allowed_hosting",),
        "The course keeps its prompts nearer than this model answers from.",
        "Chooses another model.",
        "Looks under *Settings* → *Where data goes*, and asks the operator.",
    ),
)
RULES = (
    KnownTrouble(
        ("blocked_by_rule",),
        "A rule of the course refused the question or the answer.",
        "Reads the rule’s sentence, writes otherwise or begins a new conversation, or appeals.",
        "Decides the appeal on *Today*. Often wrong? The rule’s page shows what it finds: let it observe.",
    ),
    KnownTrouble(
        ("rules_unavailable",),
        "The rules cannot be checked at the moment, and the course refuses calls then.",
        "Tries again in a moment.",
        "Tells the operator if it lasts.",
    ),
    KnownTrouble(
        ("content_filter",),
        "The provider’s own filter refused the question. No rule of the course did.",
        "Rephrases it.",
    ),
    KnownTrouble(
        ("already_appealed", "not_refused_by_rule", "request_not_found", "too_many_appeals"),
        "The appeal cannot be filed: there is one already, or there is nothing to appeal against.",
        "Reads the answer at `/v1/rules/appeals`.",
        "Decides the appeals that wait on *Today*.",
    ),
)
TOKENS = (
    KnownTrouble(
        ("insufficient_quota",),
        "The week’s tokens of the student, the course or the institution are used up. The message says whose.",
        "Waits for the day in the message, or asks for more.",
        "Grants tokens from *Today* or *Students*, or raises a limit under *Allowance*. A course without an allowance "
        "refuses everything.",
    ),
    KnownTrouble(
        ("allowance_in_use",),
        "What is left is held by calls that are being answered.",
        "Waits for them, as long as `retry-after` says.",
    ),
    KnownTrouble(
        ("rate_limit_exceeded",),
        "Too many requests or tokens in a minute, or too many requests at once.",
        "Waits as long as `retry-after` says. Programs send less at once.",
        "*Allowance* → *Change* → *Limits a minute and at once*, if the limits are too low.",
    ),
    KnownTrouble(
        ("request_already_open", "too_many_requests_for_more"),
        "The student has asked for more tokens already.",
        "Waits for the decision.",
        "Decides the request on *Today*.",
    ),
)
REQUESTS = (
    KnownTrouble(
        ("context_length_exceeded",),
        "The conversation with the longest answer is longer than the model can take.",
        "Begins a new conversation, or shortens it.",
    ),
    KnownTrouble(
        ("request_too_large", "too_much_text", "too_many_parts", "too_many_values", "too_deep"),
        "The request is too large.",
        "Sends less at once.",
    ),
    KnownTrouble(
        (
            *("invalid_json", "invalid_value", "missing_required_parameter", "unknown_parameter"),
            *("unsupported_parameter", "refused_by_provider"),
        ),
        "The program sent something that Stoa or the provider does not take. The message names it.",
        "Changes the settings of the program, or tries another one.",
    ),
    KnownTrouble(
        ("invalid_encoding", "invalid_compression", "unsupported_encoding", "body_stalled", "client_stalled"),
        "The request did not arrive whole, or the answer was not read.",
        "Tries again, also from another network.",
    ),
    KnownTrouble(
        (
            *("idempotency_in_flight", "idempotency_key_reused", "idempotency_answer_not_kept"),
            *("invalid_idempotency_key", "superseded"),
        ),
        "The program repeats requests by `Idempotency-Key`, and this is not one that can be repeated now.",
        "Sends the request again with a new key.",
    ),
)
PROVIDERS = (
    KnownTrouble(
        ("upstream_error", "upstream_timeout", "upstream_rate_limited"),
        "No provider of the model answered in time. Nothing is charged for a failure before the answer.",
        "Tries again in a moment, or chooses another model.",
        "Tells the operator if it lasts, who sees the cause under *Providers*.",
    ),
    KnownTrouble(
        ("upstream_interrupted", "upstream_stalled"),
        "The provider stopped in the middle of its answer.",
        "Asks again.",
        "Tells the operator if it lasts. The call shows how far the answer came.",
    ),
    KnownTrouble(
        ("upstream_credentials_exhausted", "upstream_misconfigured", "no_provider"),
        "No provider of the model is set up correctly, or none takes Stoa’s key.",
        "Chooses another model.",
        "Tells the operator, who tests the provider on its page.",
    ),
    KnownTrouble(
        (
            *("overloaded", "shutting_down", "starting", "too_many_sign_ins", "database_busy", "database_unavailable"),
            *("quota_backend_unavailable", "recording_unavailable"),
        ),
        "A part of Stoa is restarting, busy or down. Nothing was charged.",
        "Tries again, after what `retry-after` says.",
        "Tells the operator if it lasts longer than a minute.",
    ),
    KnownTrouble(
        ("internal_error",),
        "A mistake of Stoa.",
        "Tries again, and sends the request ID to the instructor if it happens again.",
        "Sends the request ID to the operator, who finds it in the log.",
    ),
)
SERVICES = (
    KnownTrouble(
        ("service_unreachable", "service_broken", "service_timeout", "service_busy", "no_instance"),
        "A service behind `/svc` does not answer. It may have carried out what was asked nevertheless.",
        "Tries again in a moment.",
        "Tells the operator, who sees it under *Services at a glance*.",
    ),
    KnownTrouble(
        ("loop",),
        "A service leads back to Stoa itself.",
        "Tells the instructor.",
        "Tells the operator, who removes the instance.",
    ),
)
# In the order of the page: what happens often stands first.
SECTIONS: dict[str, tuple[KnownTrouble, ...]] = {
    "The key": KEYS,
    "Tokens and limits": TOKENS,
    "Rules": RULES,
    "Addresses and models": MODELS,
    "The request": REQUESTS,
    "Providers and Stoa itself": PROVIDERS,
    "Services": SERVICES,
}
