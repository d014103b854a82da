"""Errors as providers write them, and what each of them means.

Sentences hold words that must never get out: SECRET stands for our key, PRIVATE for the student's text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SECRET, PRIVATE = "sk-SECRET", "my private essay"


@dataclass(frozen=True, slots=True)
class Spelling:
    """A response with an error, with the reason and code that Stoa finds in it."""

    status: int
    body: Any  # JSON, or text
    reason: str
    code: str = ""
    param: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float | None = None

    @property
    def raw(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


def openai(message: str, *, code: Any = None, kind: str = "invalid_request_error", param: Any = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def vllm(message: str, *, kind: str = "BadRequestError", code: Any = 400) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


def anthropic(message: str, *, kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def gemini(message: str, *, code: int, status: str, details: Any = ()) -> list[dict[str, Any]]:
    return [{"error": {"code": code, "message": message, "status": status, "details": list(details)}}]


def openrouter(message: str, *, code: int, metadata: Any = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **({"metadata": metadata} if metadata else {})}}


def pydantic(kind: str, *place: Any, said: str = "Extra inputs are not permitted") -> dict[str, Any]:
    return {"detail": [{"type": kind, "loc": list(place), "msg": said, "input": PRIVATE}]}


LONG = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens."
TOO_LONG = "context_length_exceeded"
FILTER = "content_filter"
HTML = "<html><head><title>Error</title></head><body><center>nginx</center></body></html>"
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36.5s"}
KEY_INVALID = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
FLAGGED = {"reasons": ["violence"], "flagged_input": PRIVATE, "provider_name": "OpenAI"}
RAW = {"provider_name": "Together", "raw": json.dumps(openai(LONG))}

CREDENTIALS = {
    "openai wrong key": Spelling(
        401, openai(f"Incorrect API key provided: {SECRET}.", code="invalid_api_key"), "credential", "invalid_api_key"
    ),
    "openai account deactivated": Spelling(
        401, openai("This account is off.", code="account_deactivated"), "credential", "account_deactivated"
    ),
    "openai country": Spelling(
        403,
        openai("Country not supported", code="unsupported_country_region_territory", kind="request_forbidden"),
        "credential",
        "unsupported_country_region_territory",
    ),
    "azure wrong key": Spelling(
        401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key."}}, "credential"
    ),
    "anthropic wrong key": Spelling(401, anthropic("invalid x-api-key", kind="authentication_error"), "credential"),
    "anthropic not permitted": Spelling(403, anthropic("Not allowed", kind="permission_error"), "credential"),
    "mistral wrong key": Spelling(401, {"message": "Unauthorized", "request_id": "1f"}, "credential"),
    "mistral wrong key as detail": Spelling(401, {"detail": "Unauthorized"}, "credential"),
    "gemini wrong key": Spelling(
        400,
        gemini("API key not valid.", code=400, status="INVALID_ARGUMENT", details=[KEY_INVALID]),
        "credential",
        "API_KEY_INVALID",
    ),
    "xai wrong key": Spelling(
        400, {"code": "An argument is wrong", "error": f"Incorrect API key provided: {SECRET}"}, "credential"
    ),
    "nvidia wrong key": Spelling(
        401, {"status": 401, "title": "Unauthorized", "detail": "Authentication failed"}, "credential"
    ),
    "ollama wrong key": Spelling(401, {"error": "unauthorized"}, "credential"),
    "forbidden without a word": Spelling(403, "", "credential"),
}

BILLING = {
    "openai quota": Spelling(
        429,
        openai("You exceeded your current quota.", code="insufficient_quota", kind="insufficient_quota"),
        "billing",
        "insufficient_quota",
    ),
    "openai billing": Spelling(
        429, openai("Your account is not active.", code="billing_not_active"), "billing", "billing_not_active"
    ),
    "openai hard limit": Spelling(
        400, openai("Hard limit", code="billing_hard_limit_reached"), "billing", "billing_hard_limit_reached"
    ),
    "deepseek balance": Spelling(
        402,
        openai("Insufficient Balance", kind="unknown_error", code="invalid_request_error"),
        "billing",
        "invalid_request_error",
    ),
    "deepseek balance as 400": Spelling(400, {"error": {"message": "Insufficient Balance"}}, "billing"),
    "openrouter credits": Spelling(402, openrouter("Insufficient credits", code=402), "billing"),
    "openrouter key limit": Spelling(403, openrouter("Key limit exceeded (total limit).", code=403), "billing"),
    "anthropic credit": Spelling(
        400, anthropic("Your credit balance is too low to access the API.", kind="invalid_request_error"), "billing"
    ),
    "anthropic billing": Spelling(402, anthropic("Check your payment", kind="billing_error"), "billing"),
    "xai credits": Spelling(
        403, {"code": "No permission", "error": "Your team has used all available credits."}, "billing"
    ),
    "together credits": Spelling(402, openai("Credit limit exceeded", code="credit_limit"), "billing", "credit_limit"),
    "moonshot quota": Spelling(
        429, {"error": {"message": "suspended", "type": "exceeded_current_quota_error"}}, "billing"
    ),
    "dashscope arrears": Spelling(400, {"code": "Arrearage", "message": "Access denied"}, "billing", "Arrearage"),
    "zhipu balance": Spelling(429, {"error": {"code": "1113", "message": "no balance"}}, "billing", "1113"),
    "new api quota": Spelling(
        403, openai("quota", code="insufficient_user_quota", kind="new_api_error"), "billing", "insufficient_user_quota"
    ),
    "hugging face credits": Spelling(402, {"error": "You have exceeded your monthly included credits"}, "billing"),
}

RATES = {
    "openai rate": Spelling(
        429,
        openai("Rate limit reached", code="rate_limit_exceeded", kind="tokens"),
        "rate",
        "rate_limit_exceeded",
        headers={"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6.5s"},
        wait=6.5,
    ),
    "azure rate": Spelling(
        429,
        {"error": {"code": "429", "message": "Please retry after 34 seconds."}},
        "rate",
        headers={"retry-after": "34", "retry-after-ms": "33500"},
        wait=33.5,
    ),
    "anthropic rate": Spelling(
        429, anthropic("slow down", kind="rate_limit_error"), "rate", headers={"retry-after": "12"}, wait=12
    ),
    "mistral rate": Spelling(
        429,
        {"object": "error", "message": "Service tier capacity exceeded.", "type": "x", "code": "3505"},
        "rate",
        "3505",
    ),
    "mistral rate in few words": Spelling(429, {"message": "Requests rate limit exceeded"}, "rate"),
    "gemini rate": Spelling(
        429,
        gemini(
            "You exceeded your current quota, please check your plan and billing details.",
            code=429,
            status="RESOURCE_EXHAUSTED",
            details=[RETRY_INFO],
        ),
        "rate",
        wait=36.5,
    ),
    "openrouter rate": Spelling(
        429,
        openrouter("Rate limited", code=429, metadata={"headers": {"X-RateLimit-Reset": "9s"}}),
        "rate",
        wait=9,
    ),
    "groq capacity": Spelling(498, openai("No capacity", code="capacity_exceeded"), "rate", "capacity_exceeded"),
    "together rate": Spelling(429, openai("Too fast", kind="rate_limit"), "rate"),
    "rate in html": Spelling(429, HTML, "rate"),
}

MISSING = {
    "azure deployment": Spelling(
        404, {"error": {"code": "DeploymentNotFound", "message": "No such deployment"}}, "missing", "DeploymentNotFound"
    ),
    "azure wrong operation": Spelling(
        400,
        {"error": {"code": "OperationNotSupported", "message": "Not with chat"}},
        "missing",
        "OperationNotSupported",
    ),
    "openai model": Spelling(404, openai("No model", code="model_not_found"), "missing", "model_not_found"),
    "openai model of others": Spelling(403, openai("No access", code="model_not_found"), "missing", "model_not_found"),
    "vllm model": Spelling(404, vllm("The model `m` does not exist.", kind="NotFoundError", code=404), "missing"),
    "anthropic model": Spelling(404, anthropic("model: m", kind="not_found_error"), "missing"),
    "mistral model": Spelling(
        400,
        {"object": "error", "message": "Invalid model: m", "type": "invalid_model", "code": "1500"},
        "missing",
        "1500",
    ),
    "deepseek model": Spelling(
        400, openai("Model Not Exist", code="invalid_request_error"), "missing", "invalid_request_error"
    ),
    "openrouter model": Spelling(400, openrouter("acme/m is not a valid model ID", code=400), "missing"),
    "groq model gone": Spelling(
        400, openai("It is gone", code="model_decommissioned"), "missing", "model_decommissioned"
    ),
    "gemini model": Spelling(404, gemini("models/m is not found", code=404, status="NOT_FOUND"), "missing"),
    "ollama model": Spelling(404, openai("model 'm' not found", kind="api_error"), "missing"),
    "lm studio model": Spelling(400, {"error": "Model 'm' not found."}, "missing"),
    "nvidia model gone": Spelling(410, {"status": 410, "title": "Gone", "detail": "End of life"}, "missing"),
    "wrong path": Spelling(404, {"detail": "Not Found"}, "missing"),
    "wrong path in html": Spelling(404, HTML, "missing"),
}

TOO_LONG_ERRORS = {
    "openai context": Spelling(400, openai(LONG, code=TOO_LONG, param="messages"), "too_long", TOO_LONG, "messages"),
    "vllm context": Spelling(400, vllm(LONG), "too_long", TOO_LONG),
    "mistral context": Spelling(
        400,
        {
            "object": "error",
            "message": "Prompt has 40000 tokens, too large for model with 32768 maximum context length",
            "type": "invalid_request_error",
            "code": "3051",
        },
        "too_long",
        TOO_LONG,
    ),
    "anthropic context": Spelling(
        400,
        anthropic("prompt is too long: 210000 tokens > 200000 maximum", kind="invalid_request_error"),
        "too_long",
        TOO_LONG,
    ),
    "gemini context": Spelling(
        400,
        gemini(
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            code=400,
            status="INVALID_ARGUMENT",
        ),
        "too_long",
        TOO_LONG,
    ),
    "openrouter context": Spelling(
        400, openrouter("Provider returned error", code=400, metadata=RAW), "too_long", TOO_LONG
    ),
    "xai context": Spelling(
        400,
        {"code": "An argument is wrong", "error": "This model's maximum prompt length is 131072 but it has 200000."},
        "too_long",
        TOO_LONG,
    ),
    "together context": Spelling(
        422, openai("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193."), "too_long", TOO_LONG
    ),
    "llama.cpp context": Spelling(
        400,
        {
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size, try increasing it",
                "type": "exceed_context_size_error",
                "n_ctx": 4096,
            }
        },
        "too_long",
        TOO_LONG,
    ),
    "llama.cpp context as 500": Spelling(
        500, {"error": {"code": 500, "message": "context size exceeded", "type": "server_error"}}, "too_long", TOO_LONG
    ),
    "lm studio context": Spelling(
        400, {"error": "Trying to keep the first 9000 tokens when context the overflows."}, "too_long", TOO_LONG
    ),
    "github context": Spelling(413, openai("Body too large", code="tokens_limit_reached"), "too_long", TOO_LONG),
    "sglang context": Spelling(
        400,
        vllm("The input (9000 tokens) is longer than the model's context length (8192 tokens)."),
        "too_long",
        TOO_LONG,
    ),
}

TOO_LARGE = {
    "413 in html": Spelling(413, HTML, "too_large"),
    "anthropic too large": Spelling(413, anthropic("Too large", kind="request_too_large"), "too_large"),
    "groq too large": Spelling(
        413, openai("Request too large for model `m`", code="rate_limit_exceeded"), "too_large", "rate_limit_exceeded"
    ),
}

CONTENT = {
    "openai content": Spelling(400, openai("Your prompt was flagged.", code="invalid_prompt"), "request", FILTER),
    "azure content": Spelling(
        400,
        {
            "error": {
                "message": f"The response was filtered: {PRIVATE}",
                "param": "prompt",
                "code": FILTER,
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
        "request",
        FILTER,
        "prompt",
    ),
    "openrouter moderation": Spelling(
        403, openrouter("It was flagged.", code=403, metadata=FLAGGED), "request", FILTER
    ),
    "deepseek content": Spelling(400, openai("Content Exists Risk"), "request", FILTER),
    "xai content": Spelling(403, {"code": "No", "error": "Content violates usage guidelines."}, "request", FILTER),
    "dashscope content": Spelling(
        400, {"code": "DataInspectionFailed", "message": "Input may be inappropriate"}, "request", FILTER
    ),
}

REQUESTS = {
    "openai value": Spelling(
        400,
        openai(PRIVATE, code="invalid_value", param="messages[0].role"),
        "request",
        "invalid_value",
        "messages[0].role",
    ),
    "openai no code": Spelling(400, openai(PRIVATE, param="temperature"), "request", param="temperature"),
    "vllm request": Spelling(400, vllm(f"{PRIVATE} is wrong"), "request"),
    "mistral detail": Spelling(
        422, pydantic("extra_forbidden", "body", "messages", 0, "name"), "request", param="messages.0.name"
    ),
    "gemini request": Spelling(
        400, gemini('Unknown name "seed": Cannot find field.', code=400, status="INVALID_ARGUMENT"), "request"
    ),
    "anthropic request": Spelling(400, anthropic(PRIVATE, kind="invalid_request_error"), "request"),
    "groq request": Spelling(400, openai("property 'seed' is unsupported"), "request"),
    "400 in plain text": Spelling(400, PRIVATE, "request"),
    "400 without a word": Spelling(400, "", "request"),
    "quoted wallet": Spelling(400, openai(f"'{PRIVATE}: insufficient balance' is wrong"), "request"),
    "quoted key": Spelling(
        422, pydantic("x", "body", "messages", said="'API key not valid' is no list"), "request", param="messages"
    ),
}

TROUBLE = {
    "openai 500": Spelling(500, openai("The server had an error", kind="server_error"), "error"),
    "anthropic overloaded": Spelling(529, anthropic("Overloaded", kind="overloaded_error"), "error"),
    "503 with a wait": Spelling(503, HTML, "error", headers={"retry-after": "7"}, wait=7),
    "cloudflare 520": Spelling(520, HTML, "error"),
    "cloudflare 522": Spelling(522, {"errors": [{"code": 7003, "message": "No route"}]}, "error", "7003"),
    "400 in html": Spelling(400, HTML, "error"),
    "403 in html": Spelling(403, HTML, "error"),
    "408": Spelling(408, openai("Timeout", kind="timeout"), "error"),
    "409": Spelling(409, openai("Conflict"), "error"),
    "425": Spelling(425, "", "error"),
    "499": Spelling(499, "", "error"),
    "redirect": Spelling(307, "", "error", headers={"location": "http://127.0.0.1:9/"}),
}

ERRORS: Mapping[str, Spelling] = {
    **CREDENTIALS,
    **BILLING,
    **RATES,
    **MISSING,
    **TOO_LONG_ERRORS,
    **TOO_LARGE,
    **CONTENT,
    **REQUESTS,
    **TROUBLE,
}
