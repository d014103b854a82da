"""Errors about the operator's account: its key, its bill and its limits."""

from tests.provider_stub.spelling import HTML, SECRET, Spelling, anthropic, gemini, openai, openrouter

RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36.5s"}
KEY_INVALID = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}

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
