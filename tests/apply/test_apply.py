"""What applying a file does: it shows the difference, makes it, and does no more."""

from decimal import Decimal

import pytest

from apps.accounts.models import Course
from apps.providers.models import CourseModel, Credential, Deployment, Model, Provider
from apps.quotas.models import Institution, QuotaPolicy
from apps.rules.models import Rule
from tests.apply.conftest import Operator, revisions
from tests.factories import make_course


def test_a_first_application_shows_everything_as_new(operator: Operator, example: str) -> None:
    Institution.objects.all().delete()

    assert operator.apply(example) == [
        "+ institution",
        "+ provider mock",
        "+ credential mock/main",
        "+ model mock",
        "+ deployment of mock: mock at mock",
        "+ course cs101",
        "+ allowance of course cs101",
        "+ model mock in course cs101",
        "+ rule cs101/no-homework",
        "+ person s1@example.edu",
        "+ member cs101/s1",
    ]


def test_a_second_application_changes_nothing(applied: Operator, example: str) -> None:
    before = revisions()

    assert applied.apply(example) == ["= nothing to change"]
    assert revisions() == before


def test_a_dry_run_shows_the_same_and_writes_nothing(operator: Operator, example: str) -> None:
    before = revisions()

    shown = operator.apply(example, dry_run=True)

    assert revisions() == before
    assert shown == operator.apply(example)


def test_the_institution_is_as_the_file_says(applied: Operator) -> None:
    institution = Institution.objects.get()

    assert institution.timezone == "Europe/Helsinki"
    assert institution.weekly_tokens == 50_000_000_000


def test_a_provider_is_as_the_file_says(applied: Operator) -> None:
    provider = Provider.objects.get(name="mock")

    assert (provider.adapter, provider.base_url) == ("openai", "http://127.0.0.1:9100/v1")
    assert (provider.timeout_seconds, provider.allow_private_network) == (60.0, True)


def test_a_secret_is_kept_encrypted(applied: Operator) -> None:
    credential = Credential.objects.get(provider__name="mock")

    assert credential.secret() == "first-secret"
    assert "first-secret" not in credential.ciphertext


def test_a_deployment_is_as_the_file_says(applied: Operator) -> None:
    deployment = Deployment.objects.get(model__name="mock")

    assert (deployment.provider.name, deployment.upstream_model, deployment.priority) == ("mock", "mock", 0)


def test_an_allowance_is_as_the_file_says(applied: Operator) -> None:
    policy = QuotaPolicy.objects.get(course__slug="cs101")

    assert (policy.weekly_tokens, policy.student_weekly_tokens) == (1_000_000, 200_000)
    assert (policy.student_requests_per_minute, policy.student_concurrent_requests) == (60, 8)


@pytest.mark.parametrize("who", ["key", "student", "course"])
def test_requests_are_limited_as_the_file_says(applied: Operator, example: str, who: str) -> None:
    limits = {
        f"{who}_requests_per_minute": 90,
        f"{who}_concurrent_requests": 12,
        f"{who}_tokens_per_minute": 5000,
    }
    text = "courses: [{{slug: cs101, {}}}]".format(", ".join(f"{name}: {limit}" for name, limit in limits.items()))

    applied.apply(text)
    set_to = QuotaPolicy.objects.filter(course__slug="cs101").values(*limits).get()
    applied.apply(text.replace("90", "null").replace("12", "null").replace("5000", "null"))

    assert set_to == limits
    assert QuotaPolicy.objects.filter(course__slug="cs101").values(*limits).get() == dict.fromkeys(limits)


def test_a_rule_is_as_the_file_says(applied: Operator) -> None:
    rule = Rule.objects.get(course__slug="cs101")

    assert (rule.pattern, rule.stage) == (r"(?i)solve\s+my\s+homework", "enforce")


def test_a_course_allows_the_models_of_the_file(applied: Operator) -> None:
    assert CourseModel.objects.filter(course__slug="cs101", model__name="mock").count() == 1


def test_a_change_shows_old_and_new(applied: Operator, example: str) -> None:
    text = example.replace("student_weekly_tokens: 200000", "student_weekly_tokens: 1000")

    assert applied.apply(text) == ["~ course cs101: student_weekly_tokens 200000 -> 1000"]
    assert QuotaPolicy.objects.get(course__slug="cs101").student_weekly_tokens == 1000


def test_changes_of_a_course_share_a_line(applied: Operator) -> None:
    text = "courses: [{slug: cs101, title: Programming, open: no, weekly_tokens: null}]"

    assert applied.apply(text) == [
        '~ course cs101: title "Introduction to programming" -> Programming, open true -> false, '
        "weekly_tokens 1000000 -> none"
    ]


def test_a_change_bumps_only_what_it_concerns(applied: Operator, example: str) -> None:
    before = revisions()

    applied.apply(example.replace("stage: enforce", "stage: warn"))

    changed = {topic for topic, number in revisions().items() if number != before.get(topic)}
    assert changed == {"rulebook"}


def test_a_changed_rule_tells_when(applied: Operator, example: str) -> None:
    before = Rule.objects.get(course__slug="cs101").updated_at

    applied.apply(example.replace("stage: enforce", "stage: warn"))

    assert Rule.objects.get(course__slug="cs101").updated_at > before


def test_a_changed_secret_is_shown_without_its_value(applied: Operator, example: str) -> None:
    applied.environment["MOCK_KEY"] = "second-secret"

    assert applied.apply(example) == ["~ credential mock/main: secret changed"]
    assert Credential.objects.get(provider__name="mock").secret() == "second-secret"


def test_a_secret_that_does_not_open_is_replaced(applied: Operator, example: str) -> None:
    Credential.objects.filter(provider__name="mock").update(ciphertext="v1:made:with:another")

    assert applied.apply(example) == ["~ credential mock/main: secret changed"]
    assert Credential.objects.get(provider__name="mock").secret() == "first-secret"


def test_an_omitted_secret_stays(applied: Operator, example: str) -> None:
    text = example.replace("secret_env: MOCK_KEY, weight: 1", "weight: 2")

    assert applied.apply(text) == ["~ credential mock/main: weight 1 -> 2"]
    assert Credential.objects.get(provider__name="mock").secret() == "first-secret"


def test_omitted_fields_keep_what_is_stored(applied: Operator) -> None:
    assert applied.apply("courses: [{slug: cs101}]") == ["= nothing to change"]


def test_omitted_fields_of_new_rows_take_the_defaults(operator: Operator) -> None:
    operator.apply("courses: [{slug: c, title: C, rules: [{name: r, pattern: x, message: No.}]}]")

    course = Course.objects.get(slug="c")
    assert (course.timezone, course.week_starts, course.is_open, course.logging) == ("UTC", "monday", True, "full")
    assert course.quota_policy.student_weekly_tokens == 0
    assert Rule.objects.get(course=course).stage == "draft"


def test_a_course_without_an_allowance_gets_one(operator: Operator) -> None:
    make_course(slug="c", allowance=None)

    assert operator.apply("courses: [{slug: c, student_weekly_tokens: 5}]") == ["+ allowance of course c"]


def test_logging_off_is_a_choice_and_no_flag(operator: Operator) -> None:
    operator.apply("courses: [{slug: c, title: C, logging: off}]")

    assert Course.objects.get(slug="c").logging == "off"


def test_weekdays_may_be_written_in_any_case(operator: Operator) -> None:
    operator.apply("courses: [{slug: c, title: C, week_starts: Sunday}]")

    assert Course.objects.get(slug="c").week_starts == "sunday"


def test_large_numbers_may_be_grouped(operator: Operator) -> None:
    operator.apply("courses: [{slug: c, title: C, weekly_tokens: 1_000_000}]")

    assert QuotaPolicy.objects.get(course__slug="c").weekly_tokens == 1_000_000


@pytest.mark.parametrize(
    ("fields", "weights"),
    [
        ("token_weight: 2", ("2", "2", "2")),
        ("token_weight: 2, cached_input_weight: 0.25", ("2", "0.25", "2")),
        ("input_weight: 3, output_weight: 15", ("3", "1", "15")),
    ],
)
def test_weights_are_set_alike_or_apart(operator: Operator, fields: str, weights: tuple[str, ...]) -> None:
    operator.apply(f"models: [{{name: m, {fields}}}]")

    model = Model.objects.get(name="m")
    assert (model.input_weight, model.cached_input_weight, model.output_weight) == tuple(map(Decimal, weights))


def test_a_weight_shows_as_people_write_it(operator: Operator) -> None:
    operator.apply("models: [{name: m, input_weight: 10}]")

    assert operator.apply("models: [{name: m, input_weight: 0.5}]") == ["~ model m: input_weight 10 -> 0.5"]


def test_an_address_with_a_final_slash_is_the_same_address(operator: Operator) -> None:
    text = "providers: [{name: p, base_url: 'https://api.example.com/v1/'}]"
    operator.apply(text)

    assert operator.apply(text) == ["= nothing to change"]


def test_a_long_text_is_shown_in_part(operator: Operator) -> None:
    text = "courses: [{slug: c, title: C, rules: [{name: r, pattern: x, message: '%s'}]}]"
    operator.apply(text % "short")

    assert operator.apply(text % ("long " * 30)) == [f'~ rule c/r: message short -> "{"long " * 12}…"']


def test_a_file_may_refer_to_what_is_stored(applied: Operator) -> None:
    assert applied.apply("courses: [{slug: c, title: C, models: [mock]}]") == [
        "+ course c",
        "+ allowance of course c",
        "+ model mock in course c",
    ]


def test_a_priority_may_be_negative(operator: Operator) -> None:
    operator.apply("courses: [{slug: c, title: C, rules: [{name: r, pattern: x, message: No., priority: -5}]}]")

    assert Rule.objects.get(course__slug="c").priority == -5


def test_a_provider_that_moves_does_not_take_old_secrets_along(applied: Operator, example: str) -> None:
    Provider.objects.get(name="mock").credentials.create(label="old").set_secret("for the old server alone")

    applied.apply(example.replace("http://127.0.0.1:9100/v1", "https://elsewhere.example.edu/v1"))

    assert Credential.objects.get(label="old").ciphertext == ""


def test_a_provider_that_moves_gets_the_secrets_that_the_file_gives(applied: Operator, example: str) -> None:
    stored = Credential.objects.get(label="main").secret()

    applied.apply(example.replace("http://127.0.0.1:9100/v1", "https://elsewhere.example.edu/v1"))

    assert Credential.objects.get(label="main").secret() == stored
