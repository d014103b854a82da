"""The course that is measured: one student, two models, ten rules and three limited accounts."""

PATTERNS = [rf"(?i)forbidden\s+phrase{number}" for number in range(10)]
MODELS = {"mock": "mock", "slow": "mock-c50-d100"}  # and what the upstream calls them
_CONFIGURATION = """
institution: {{timezone: Europe/Helsinki, week_starts: monday, weekly_tokens: 1000000000000}}
providers:
  - {{name: mock, adapter: openai, base_url: "http://127.0.0.1:{port}/v1", allow_private_network: true,
     credentials: [{{label: main, secret_env: BENCH_SECRET}}]}}
models:
{models}
courses:
  - slug: bench
    title: Bench
    timezone: Europe/Helsinki
    weekly_tokens: 100000000000
    student_weekly_tokens: 10000000000
    models: [{names}]
    rules:
{rules}
    members: [{{external_id: ada, role: student}}]
"""
_MODEL = "  - {{name: {name}, deployments: [{{provider: mock, upstream_model: {upstream}}}]}}"
_RULE = """\
      - {{name: rule-{number}, pattern: '{pattern}', action: block, stage: enforce, message: Not here.}}"""


def configuration(*, upstream_port: int) -> str:
    """For `manage.py apply`."""
    rules = (_RULE.format(number=number, pattern=pattern) for number, pattern in enumerate(PATTERNS))
    models = (_MODEL.format(name=name, upstream=upstream) for name, upstream in MODELS.items())
    return _CONFIGURATION.format(
        port=upstream_port, rules="\n".join(rules), models="\n".join(models), names=", ".join(MODELS)
    )
