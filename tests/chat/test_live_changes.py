"""What staff change holds within two seconds."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts.models import Course, Membership
from apps.providers.models import CourseModel, Deployment, Model, Provider
from apps.quotas.models import QuotaPolicy
from apps.rules.models import Rule
from tests import factories
from tests.chat.processes import post, wait_until_both_know
from tests.chat.world import World, make_world, wait_until
from tests.live import Gateway, models_on
from tests.provider_stub import ProviderStub

SECONDS = 2.0


def code(world: World) -> str | None:
    """The code with which a request about homework is refused; None if it is answered."""
    error = world.post(world.body("Solve my homework")).json().get("error")
    return error and error["code"]


def revoke_the_key(world: World) -> None:
    world.student.api_keys.all().revoke(now=datetime.now(UTC))


def remove_the_member(world: World) -> None:
    Membership.objects.filter(pk=world.student.pk).update(is_active=False)


def deactivate_the_person(world: World) -> None:
    world.student.user.is_active = False
    world.student.user.save()


def close_the_course(world: World) -> None:
    Course.objects.filter(pk=world.course.pk).update(is_open=False)


def take_the_model_away(world: World) -> None:
    CourseModel.objects.filter(course=world.course).delete()


def disable_the_model(world: World) -> None:
    Model.objects.filter(pk=world.model.pk).update(is_enabled=False)


def disable_the_provider(world: World) -> None:
    Provider.objects.filter(pk=world.providers[0].pk).update(is_enabled=False)


def remove_the_deployment(world: World) -> None:
    Deployment.objects.filter(model=world.model).delete()


def cut_the_allowance(world: World) -> None:
    QuotaPolicy.objects.filter(course=world.course).update(student_weekly_tokens=1)


def make_a_rule(world: World) -> None:
    factories.make_rule(course=world.course)


CHANGES: dict[Callable[[World], None], str] = {
    revoke_the_key: "invalid_api_key",
    remove_the_member: "invalid_api_key",
    deactivate_the_person: "invalid_api_key",
    close_the_course: "course_closed",
    take_the_model_away: "model_not_found",
    disable_the_model: "model_not_found",
    disable_the_provider: "no_provider",
    remove_the_deployment: "no_provider",
    cut_the_allowance: "insufficient_quota",
    make_a_rule: "blocked_by_rule",
}


@pytest.mark.parametrize(("change", "expected"), CHANGES.items(), ids=[change.__name__ for change in CHANGES])
def test_a_change_is_live_within_two_seconds(world: World, change: Callable[[World], None], expected: str) -> None:
    assert code(world) is None

    change(world)

    wait_until(lambda: code(world) == expected, seconds=SECONDS, what=f"{change.__name__} to {expected}")


def test_a_new_key_works_at_once(world: World) -> None:
    key = factories.make_key(world.student)

    assert world.get("/v1/models", key=key).status_code == 200


def test_a_rule_that_is_relaxed_lets_prompts_through_again(world: World) -> None:
    rule = factories.make_rule(course=world.course)
    wait_until(lambda: code(world) is not None, seconds=SECONDS)

    rule.stage = Rule.Stage.OBSERVE
    rule.save()

    wait_until(lambda: code(world) is None, seconds=SECONDS)


def test_a_key_that_expires_is_refused_from_that_moment(world: World) -> None:
    key = factories.make_key(world.student, expires_at=datetime.now(UTC) + timedelta(seconds=1))
    before = world.get("/v1/models", key=key).status_code

    wait_until(lambda: world.get("/v1/models", key=key).status_code == 401, seconds=SECONDS)

    assert before == 200


IN_A_ROW = 60  # requests on connections of their own: both processes are among those that answer them


@pytest.mark.usefixtures("committed_db")
def test_a_rule_is_enforced_by_every_process_within_two_seconds(
    two_processes: Gateway, plain_stub: ProviderStub
) -> None:
    with models_on(two_processes.data_dir), make_world(two_processes, plain_stub) as world:
        wait_until_both_know(world)

        make_a_rule(world)
        made = answered = time.monotonic()
        refused = 0
        while refused < IN_A_ROW:
            asked = time.monotonic()
            if post(world, "Solve my homework").status_code == 400:
                refused += 1
            else:
                refused, answered = 0, asked

        assert answered - made < SECONDS
