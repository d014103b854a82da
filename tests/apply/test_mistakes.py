"""What a wrong file is told: the line, the field and a sentence. Mistakes in its shape come first; nothing changes."""

import pytest

from apps.accounts.models import Course
from tests.apply.conftest import Operator
from tests.factories import make_course, make_member, make_model, make_provider, make_user

RULE = "courses:\n  - slug: c\n    title: C\n    rules:\n      - {name: r, %s}\n"
COURSE = "courses:\n  - slug: c\n    title: C\n    %s\n"
PROVIDER = "providers:\n  - {name: p, base_url: 'https://api.example.com/v1', %s}\n"
MODEL = "models:\n  - {name: m, %s}\n"
MEMBER = "courses:\n  - slug: c\n    title: C\n    members:\n      - {external_id: s1, %s}\n"
WHOLE = "must be a whole number, 0 or more."
SECONDS = "must be a number of seconds, 0.1 or more."


def test_a_wrong_number_names_its_line_and_field(operator: Operator, example: str) -> None:
    text = example.replace("student_weekly_tokens: 200000", "student_weekly_tokens: plenty")

    assert operator.refused(text) == [
        "stoa.yaml:14: courses[0].student_weekly_tokens: must be a whole number, 0 or more."
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (COURSE % "student_weekly_tokens: -1", f"4: courses[0].student_weekly_tokens: {WHOLE}"),
        (COURSE % "student_weekly_tokens: 1.5", f"4: courses[0].student_weekly_tokens: {WHOLE}"),
        (COURSE % "student_weekly_tokens: null", f"4: courses[0].student_weekly_tokens: {WHOLE}"),
        (COURSE % "student_weekly_tokens: ٣", f"4: courses[0].student_weekly_tokens: {WHOLE}"),
        (COURSE % f"weekly_tokens: {2**63}", f"4: courses[0].weekly_tokens: must be at most {2**63 - 1}."),
        (COURSE % f"weekly_tokens: {'9' * 5000}", "4: courses[0].weekly_tokens: must be a whole number, 0 or more."),
        (COURSE % "student_requests_per_minute: 0",
         "4: courses[0].student_requests_per_minute: must be a whole number, 1 or more."),
        (COURSE % "course_requests_per_minute: 1.5",
         "4: courses[0].course_requests_per_minute: must be a whole number, 1 or more."),
        (COURSE % f"key_concurrent_requests: {2**31}",
         f"4: courses[0].key_concurrent_requests: must be at most {2**31 - 1}."),
        (COURSE % "logging: some", "4: courses[0].logging: must be one of: full, metadata, off."),
        (COURSE % "logging: [full]", "4: courses[0].logging: must be one of: full, metadata, off."),
        (COURSE % "open: maybe", "4: courses[0].open: must be true or false."),
        (COURSE % "open: [true]", "4: courses[0].open: must be true or false."),
        (COURSE % "week_starts: someday",
         "4: courses[0].week_starts: must be one of: monday, tuesday, wednesday, thursday, friday, saturday, sunday."),
        (COURSE % "timezone: Helsinki",
         "4: courses[0].timezone: “Helsinki” is not a time zone. "
         "Use a name such as Europe/Helsinki or America/New_York."),
        (COURSE % "rules: no-homework", "4: courses[0].rules: must be a list."),
        (COURSE % "rules:", "4: courses[0].rules: must be a list."),
        (COURSE % "rules: [no-homework]", "4: courses[0].rules[0]: must be a mapping of fields."),
        (COURSE % "models: [{name: m}]", "4: courses[0].models[0]: must be text."),
        (COURSE % "models: ['']", "4: courses[0].models[0]: must not be empty."),
        (COURSE % "models: [none-such]", "4: courses[0].models[0]: there is no model “none-such”."),
        (COURSE % "open: true\n    open: false", "5: courses[0].open: is given twice; the first time on line 4."),
        (COURSE % 'models: ["a\\0b"]', "4: courses[0].models[0]: contains a character that cannot be stored."),
        ("courses: [{title: C}]", "1: courses[0].slug: is required."),
        ("courses: [{slug: no spaces, title: C}]",
         "1: courses[0].slug: Enter a valid “slug” consisting of letters, numbers, underscores or hyphens."),
        ("courses: [{slug: c}]", "1: courses[0].title: This field cannot be blank."),
        ("course: []", "1: course: is not a known field; did you mean courses?"),
        ("zebra: []",
         "1: zebra: is not a known field; use courses, departments, institution, issuers, models, providers, "
         "services."),
        ("- courses", "1: must be a mapping of fields."),
        ("institution: [1]", "1: institution: must be a mapping of fields."),
        (COURSE % "student_weekly_token: 5",
         "4: courses[0].student_weekly_token: is not a known field; did you mean student_weekly_tokens?"),
        (RULE % "stage: live", "5: courses[0].rules[0].stage: must be one of: draft, observe, warn, enforce."),
        (RULE % "pattern: x, message: No., priority: high",
         "5: courses[0].rules[0].priority: must be a whole number from -32768 to 32767."),
        (RULE % "pattern: x",
         "5: courses[0].rules[0].message: Write the sentence that the student reads when this rule blocks."),
        (RULE % "message: No.", "5: courses[0].rules[0].pattern: Write a pattern."),
        (RULE % "pattern: x, action: guide",
         "5: courses[0].rules[0].guidance: Write what the model is told when this rule matches."),
        (RULE % "pattern: x*, message: No.",
         "5: courses[0].rules[0].pattern: The pattern matches the empty text, so it would match every prompt. "
         "Make some part required."),
        (PROVIDER % "timeout_seconds: 0", f"2: providers[0].timeout_seconds: {SECONDS}"),
        (PROVIDER % "timeout_seconds: soon", f"2: providers[0].timeout_seconds: {SECONDS}"),
        (PROVIDER % "timeout_seconds: inf", f"2: providers[0].timeout_seconds: {SECONDS}"),
        ("providers: [{name: p}]",
         "1: providers[0].base_url: Give the address of the provider's API, up to and including /v1."),
        ("providers: [{name: p, base_url: 'ftp://x'}]",
         "1: providers[0].base_url: The address must start with https:// or http://."),
        (PROVIDER % "credentials: [{label: main}]",
         "2: providers[0].credentials[0].secret_env: is required for a new credential, and for one whose provider has moved."),  # noqa: E501
        (PROVIDER % "credentials: [{label: main, secret_env: NONE_SUCH}]",
         "2: providers[0].credentials[0].secret_env: the environment variable NONE_SUCH is not set."),
        (PROVIDER % "credentials: [{label: main, secret_env: ODD_KEY}]",
         "2: providers[0].credentials[0].secret_env: ODD_KEY holds a space or a character that no key contains."),
        (MODEL % "token_weight: -1",
         "2: models[0].token_weight: must be a number from 0 to 9999.9999, with at most four decimals."),
        (MODEL % "output_weight: 0.00001",
         "2: models[0].output_weight: must be a number from 0 to 9999.9999, with at most four decimals."),
        (MODEL % "output_weight: heavy",
         "2: models[0].output_weight: must be a number from 0 to 9999.9999, with at most four decimals."),
        (MODEL % "deployments: [{provider: none-such, upstream_model: x}]",
         "2: models[0].deployments[0].provider: there is no provider “none-such”."),
        (MEMBER % "email: not an address", "5: courses[0].members[0].email: Enter a valid email address."),
        (MEMBER % "role: dean",
         "5: courses[0].members[0].role: must be one of: student, assistant, instructor, service."),
        (MEMBER % f"name: {'x' * 151}",
         "5: courses[0].members[0].name: Ensure this value has at most 150 characters (it has 151)."),
        (MEMBER % f"email: {'x' * 150}@example.edu",
         "5: courses[0].members[0]: makes a user name of more than 150 characters."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_line_field_and_sentence(operator: Operator, text: str, told: str) -> None:
    operator.environment["ODD_KEY"] = "two words\nand a line"

    assert operator.refused(text) == [f"stoa.yaml:{told}"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("courses:\n  - {slug: c, title: C}\n  - {slug: c, title: D}\n",
         "3: courses[1].slug: “c” is already given on line 2."),
        ("models:\n  - {name: m}\n  - {name: ' m'}\n", "3: models[1].name: “m” is already given on line 2."),
        (COURSE % "rules:\n      - {name: r, pattern: x, message: y}\n      - {name: r, pattern: z, message: y}",
         "6: courses[0].rules[1].name: “r” is already given on line 5."),
        (COURSE % "members:\n      - {external_id: s}\n      - {external_id: s}",
         "6: courses[0].members[1].external_id: “s” is already given on line 5."),
        (PROVIDER % "credentials: [{label: a, secret_env: MOCK_KEY}, {label: a, secret_env: MOCK_KEY}]",
         "2: providers[0].credentials[1].label: “a” is already given on line 2."),
    ],
)  # fmt: skip
def test_the_same_name_twice_is_a_mistake(operator: Operator, text: str, told: str) -> None:
    assert operator.refused(text) == [f"stoa.yaml:{told}"]


def test_the_same_deployment_twice_is_a_mistake(operator: Operator) -> None:
    make_provider(name="p")
    text = MODEL % "deployments: [{provider: p, upstream_model: x}, {provider: p, upstream_model: x}]"

    assert operator.refused(text) == [
        "stoa.yaml:2: models[0].deployments[1].upstream_model: “x at p” is already given on line 2."
    ]


def test_a_course_that_allows_a_model_twice_is_a_mistake(operator: Operator) -> None:
    make_model(name="m")

    assert operator.refused(COURSE % "models: [m, m]") == [
        "stoa.yaml:4: courses[0].models[1]: “m” is already given on line 4."
    ]


def fields(mistakes: list[str]) -> list[str]:
    return [line.partition(": ")[2].partition(": ")[0] for line in mistakes]


def test_all_mistakes_in_the_shape_of_a_file_are_told_at_once(operator: Operator) -> None:
    text = (
        "providers:\n"
        "  - {name: p, base_url: 'gopher://x', colour: red}\n"
        "models:\n"
        "  - {token_weight: x, deployments: [{provider: q, upstream_model: m}]}\n"
        "courses:\n"
        "  - slug: c\n"
        "    title: C\n"
        "    open: perhaps\n"
        "    open: true\n"
        "    rules:\n"
        "      - {name: r, pattern: '(?=x)', action: shout}\n"
        "      - nothing\n"
        "    members:\n"
        "      - {external_id: s}\n"
        "      - {external_id: s}\n"
    )

    assert fields(operator.refused(text)) == [
        "providers[0].colour",
        "models[0].name",
        "models[0].token_weight",
        "courses[0].open",
        "courses[0].open",
        "courses[0].rules[0].action",
        "courses[0].rules[1]",
        "courses[0].members[1].external_id",
    ]


def test_all_further_mistakes_are_told_at_once(operator: Operator) -> None:
    text = (
        "institution: {timezone: Nowhere}\n"
        "providers:\n"
        "  - {name: p, base_url: 'gopher://x'}\n"
        "models:\n"
        "  - {name: m, deployments: [{provider: q, upstream_model: m}]}\n"
        "courses:\n"
        "  - slug: c\n"
        "    title: C\n"
        "    boosts: [{factor: 2, starts_at: 2026-11-30T09:00:00Z, ends_at: 2026-11-30T09:00:00Z, reason: Exam}]\n"
        "    rules:\n"
        "      - {name: r, pattern: '(?=x)', message: No.}\n"
        "    members:\n"
        "      - {external_id: s, email: nobody}\n"
    )

    assert fields(operator.refused(text)) == [
        "institution.timezone",
        "providers[0].base_url",
        "models[0].deployments[0].provider",
        "courses[0].boosts[0].ends_at",
        "courses[0].rules[0].pattern",
        "courses[0].members[0].email",
    ]


def test_a_mistake_has_no_consequences_told(operator: Operator) -> None:
    text = (
        "providers:\n"
        "  - {nam: p, base_url: 'https://api.example.com/v1'}\n"
        "models:\n"
        "  - {name: m, deployments: [{provider: p, upstream_model: m}]}\n"
        "courses:\n"
        "  - slug: c\n"
        "    title: C\n"
        "    models: [m]\n"
        "    rules:\n"
        "      - {name: r, patern: x, message: No.}\n"
    )

    assert operator.refused(text) == [
        "stoa.yaml:2: providers[0].nam: is not a known field; did you mean name?",
        "stoa.yaml:2: providers[0].name: is required.",
        "stoa.yaml:10: courses[0].rules[0].patern: is not a known field; did you mean pattern?",
    ]


def test_a_reference_that_is_nearly_right_is_guessed(operator: Operator, example: str) -> None:
    told = operator.refused(example.replace("models: [mock]", "models: [mok]"))

    assert told == ["stoa.yaml:17: courses[0].models[0]: there is no model “mok”; did you mean mock?"]


def test_what_pruning_would_delete_cannot_be_referred_to(operator: Operator) -> None:
    make_provider(name="old")
    text = "providers: [{name: echo, adapter: echo}]\n"
    text += "models: [{name: m, deployments: [{provider: old, upstream_model: m}]}]"

    assert operator.refused(text, prune=True) == [
        "stoa.yaml:2: models[0].deployments[0].provider: there is no provider “old”."
    ]


def test_one_mistake_stops_all_of_the_file(operator: Operator, example: str) -> None:
    operator.refused(example + "  - {slug: second, title: Second, open: perhaps}\n")

    assert not Course.objects.filter(slug="cs101").exists()


def test_an_address_of_several_people_is_a_mistake(operator: Operator) -> None:
    for name in ("one", "two"):
        make_user(username=name, email="twin@example.edu")

    assert operator.refused(MEMBER % "email: Twin@example.edu") == [
        "stoa.yaml:5: courses[0].members[0].email: belongs to several people: one, two."
    ]


def test_one_person_cannot_be_two_members(operator: Operator) -> None:
    text = MEMBER % "email: a@example.edu" + "      - {external_id: s2, email: A@example.edu}\n"

    assert operator.refused(text) == [
        "stoa.yaml:6: courses[0].members[1].email: belongs to member s1 of this course already."
    ]


def test_one_person_cannot_become_a_second_member(operator: Operator) -> None:
    make_member(course=make_course(slug="c"), user=make_user(email="a@example.edu"), external_id="old")

    assert operator.refused(MEMBER % "email: a@example.edu") == [
        "stoa.yaml:5: courses[0].members[0].email: belongs to member old of this course already."
    ]


def test_one_person_cannot_have_two_names(operator: Operator) -> None:
    text = (
        "courses:\n"
        "  - {slug: a, title: A, members: [{external_id: s1, email: x@example.edu, name: Ada L.}]}\n"
        "  - {slug: b, title: B, members: [{external_id: s1, email: x@example.edu, name: Ada Lovelace}]}\n"
    )

    assert operator.refused(text) == [
        "stoa.yaml:3: courses[1].members[0].name: differs from the same person's name on line 2."
    ]
