"""Which codes and sentences of providers mean what. Pure.

A sentence may quote the student. Where a wrong guess would put a credential out for everybody, the sentence counts only
with a status that speaks of the account, or if it begins with the words.
"""

import re

# Codes in lower case, of OpenAI, Azure, Anthropic, Mistral, DeepSeek, Groq, Together, DashScope, Zhipu, New API.

TOO_LONG = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "context_window_exceeded", "tokens_limit_reached", "1261"}
)
CONTENT = frozenset(
    {"content_filter", "content_filter_error", "content_filtered", "content_policy_violation", "moderation_blocked"}
    | {"responsibleaipolicyviolation", "invalid_prompt", "data_inspection_failed", "datainspectionfailed"}
    | {"sensitive_words_detected", "1301"}
)
BILLING = frozenset(
    {"insufficient_quota", "billing_not_active", "billing_hard_limit_reached", "billing_error", "insufficient_balance"}
    | {"insufficient_credits", "credit_limit", "payment_required", "exceeded_current_quota_error", "arrearage"}
    | {"accountoverdueerror", "insufficient_user_quota", "pre_consume_token_quota_failed", "1113"}
)
MISSING = frozenset(
    {"model_not_found", "deploymentnotfound", "model_not_available", "model_decommissioned", "operationnotsupported"}
    | {"not_found_error", "notfounderror", "not_found", "invalid_model", "unknown_model", "model_not_supported", "1211"}
)
CREDENTIAL = frozenset({"invalid_api_key", "api_key_invalid", "invalidapikey", "incorrect_api_key"})

# Statuses that errors name in words.
STATUSES = {
    "api_error": 500,
    "authentication_error": 401,
    "authenticationerror": 401,
    "badrequesterror": 400,
    "bad_request": 400,
    "billing_error": 402,
    "deadline_exceeded": 504,
    "failed_precondition": 400,
    "internal": 500,
    "internalservererror": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "invalid_argument": 400,
    "invalid_request_error": 400,
    "not_found": 404,
    "not_found_error": 404,
    "notfounderror": 404,
    "overloaded_error": 529,
    "permission_denied": 403,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "ratelimiterror": 429,
    "request_too_large": 413,
    "resource_exhausted": 429,
    "server_error": 500,
    "service_unavailable": 503,
    "throttling": 429,
    "throttlingexception": 429,
    "timeout_error": 504,
    "too_many_requests": 429,
    "unauthenticated": 401,
    "unavailable": 503,
}


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE | re.DOTALL)


TOO_LONG_WORDS = _any_of(
    r"maximum (?:context|prompt|input) (?:length|window|size|limit)",  # OpenAI, DeepSeek, Mistral, OpenRouter, xAI
    r"context (?:length|window|size|limit).{0,40}(?:exceed|overflow)",
    r"exceed.{0,60}context",  # llama.cpp, Ollama
    r"context (?:the )?overflows",  # LM Studio
    r"tokens to keep from the initial prompt",
    r"(?:input|prompt) is too long",  # Anthropic, Bedrock
    r"too many (?:input )?tokens",  # Cohere
    r"token count.{0,40}exceeds",  # Gemini
    r"longer than the model",  # SGLang
    r"`?inputs`? tokens \+ `?max_new_tokens",  # TGI, Together
    r"inputs`? must have less than",
    r"reduce the length of",  # Cerebras
    r"current length is.{0,40}while limit is",
)
CONTENT_WORDS = _any_of(
    r"content management policy",  # Azure
    r"content exists risk",  # DeepSeek
    r"violat\w+ (?:our )?(?:usage|content|safety) (?:policy|policies|guidelines)",  # OpenAI, xAI
    r"requires moderation",  # OpenRouter
    r"(?:result of|rejected by) (?:our|the) safety system",
)
BILLING_WORDS = _any_of(  # with a status that speaks of the account
    r"credit balance is too low",
    r"insufficient (?:account |user )?(?:balance|credits?|funds|quota)",
    r"(?:used all|run out of|out of|requires more|exceeded your .{0,20}included) (?:available )?credits?",
    r"monthly spending limit",
    r"key limit exceeded",
    r"billing .{0,20}not active",
    r"payment required|past invoices|in arrears|overdue",
)
BILLING_START = _any_of(  # with any other
    r"\A\s*(?:your credit balance is too low|insufficient balance)",  # Anthropic, DeepSeek
    r"\A\s*access denied, please make sure your account is in good standing",  # DashScope
)
MISSING_START = _any_of(
    r"\A\s*(?:the )?(?:requested )?(?:model|deployment)\b.{0,100}"
    r"(?:not (?:exist|found|available)|decommissioned|deprecated|not loaded)",
    r"\A\s*invalid model\b",
    r"\A\s*\S{1,100} is not a valid model",  # OpenRouter
    r"\A\s*no (?:allowed providers|endpoints|models? (?:are |is )?loaded)",
)
CREDENTIAL_START = _any_of(
    r"\A\s*(?:incorrect api key|(?:the |your )?api key (?:is )?(?:not valid|invalid|expired|missing))",  # xAI, Gemini
)
NOT_UNDERSTOOD = _any_of(
    r"un(?:known|recognized|recognised|supported|expected)",
    r"not (?:supported|permitted|allowed|recognized|understood)",
    r"extra (?:inputs|fields)|extra_forbidden|cannot find field|does not support",
)
