"""Errors as providers write them, and what each of them means."""

import json
from collections.abc import Mapping

from tests.provider_stub.account_errors import BILLING, CREDENTIALS, RATES
from tests.provider_stub.spelling import HTML, PRIVATE, Spelling, anthropic, gemini, openai, openrouter, pydantic, vllm

LONG = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens."
TOO_LONG = "context_length_exceeded"
FILTER = "content_filter"
FLAGGED = {"reasons": ["violence"], "flagged_input": PRIVATE, "provider_name": "OpenAI"}
RAW = {"provider_name": "Together", "raw": json.dumps(openai(LONG))}

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
