"""What the file leaves out: kept, unless the operator asks to prune, and then only within the lists that it gives."""

from apps.accounts.models import Course
from apps.common.ids import new_id
from apps.conversations.models import Call, RuleHit
from apps.providers.models import CourseModel, Credential, Deployment, Model, Provider
from apps.rules.models import Rule
from tests.apply.conftest import Operator
from tests.factories import (
    make_course,
    make_credential,
    make_deployment,
    make_member,
    make_model,
    make_provider,
    make_rule,
)

WITHOUT = "courses: [{slug: c, rules: [], models: []}]"


def test_nothing_is_deleted_unasked(operator: Operator) -> None:
    course = make_course(slug="c")
    make_rule(course=course)
    make_model(course=course)

    assert operator.apply(WITHOUT) == ["= nothing to change"]


def test_rules_that_the_list_leaves_out_are_deleted(operator: Operator) -> None:
    make_rule(course=make_course(slug="c"), name="old")

    assert operator.apply(WITHOUT, prune=True) == ["- rule c/old"]
    assert not Rule.objects.filter(course__slug="c").exists()


def test_a_deleted_rule_keeps_its_hits(operator: Operator) -> None:
    rule = make_rule(course=make_course(slug="c"), name="old")
    student = make_member(course=rule.course)
    started_at = student.created_at
    call = Call.objects.create(
        id=new_id(), course=rule.course, membership=student, status=Call.Status.BLOCKED, started_at=started_at
    )
    RuleHit.objects.create(call=call, rule=rule, name="old", action="block", stage="enforce", message=0, start=0, end=1)

    operator.apply(WITHOUT, prune=True)

    assert RuleHit.objects.get(call=call).name == "old"


def test_rules_of_a_course_without_a_list_stay(operator: Operator) -> None:
    make_rule(course=make_course(slug="c"))

    assert operator.apply("courses: [{slug: c, models: []}]", prune=True) == ["= nothing to change"]


def test_rules_of_other_courses_stay(operator: Operator) -> None:
    make_course(slug="c")
    make_rule(course=make_course(slug="other"))

    assert operator.apply(WITHOUT, prune=True) == ["= nothing to change"]


def test_models_that_the_course_leaves_out_are_no_longer_allowed(operator: Operator) -> None:
    make_model(name="old", course=make_course(slug="c"))

    assert operator.apply(WITHOUT, prune=True) == ["- model old in course c"]
    assert not CourseModel.objects.filter(course__slug="c").exists()
    assert Model.objects.filter(name="old").exists()


def test_credentials_that_the_list_leaves_out_are_deleted(operator: Operator) -> None:
    provider = make_provider(name="p", secret="")
    make_credential(provider, label="old", secret="x")
    Provider.objects.exclude(name="p").delete()

    assert operator.apply("providers: [{name: p, credentials: []}]", prune=True) == ["- credential p/old"]
    assert not Credential.objects.filter(provider=provider).exists()


def test_deployments_that_the_list_leaves_out_are_deleted(operator: Operator) -> None:
    model = make_model(name="m")
    make_deployment(model, make_provider(name="p"), upstream_model="old")
    Model.objects.exclude(name="m").delete()

    assert operator.apply("models: [{name: m, deployments: []}]", prune=True) == ["- deployment of m: old at p"]
    assert not Deployment.objects.filter(model=model).exists()


def test_providers_that_the_section_leaves_out_are_deleted(operator: Operator) -> None:
    make_provider(name="old")

    assert "- provider old" in operator.apply("providers: [{name: echo, adapter: echo}]", prune=True)
    assert list(Provider.objects.values_list("name", flat=True)) == ["echo"]


def test_a_deployment_goes_with_its_provider_whatever_the_order(operator: Operator) -> None:
    make_model(make_provider(name="old"), name="m")
    text = "providers: [{name: echo, adapter: echo}]\nmodels: [{name: m, deployments: []}]"

    shown = operator.apply(text, prune=True)

    assert shown.index("- deployment of m: m at old") < shown.index("- provider old")
    assert not Deployment.objects.filter(model__name="m").exists()


def test_models_that_the_section_leaves_out_are_deleted(operator: Operator) -> None:
    make_model(name="old")

    assert "- model old" in operator.apply("models: [{name: new}]", prune=True)
    assert not Model.objects.filter(name="old").exists()


def test_courses_are_never_deleted(operator: Operator) -> None:
    make_course(slug="other")
    make_course(slug="c")

    operator.apply(WITHOUT, prune=True)

    assert Course.objects.filter(slug="other").exists()
