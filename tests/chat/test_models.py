"""The models that a course allows."""

import openai
import pytest

from tests import factories
from tests.chat.world import World


def test_the_list_has_the_allowed_models_in_openai_s_shape(world: World) -> None:
    models = list(world.openai().models.list())

    assert [model.id for model in models] == [world.model.name]
    assert models[0].object == "model"
    assert models[0].created == int(world.model.created_at.timestamp())
    assert models[0].owned_by


def test_one_model_can_be_retrieved(world: World) -> None:
    model = world.openai().models.retrieve(world.model.name)

    assert model.id == world.model.name


@pytest.mark.parametrize("name", ["no-such-model", "vendor/no-such-model", "../usage"])
def test_an_unknown_model_is_not_found(world: World, name: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        world.openai().models.retrieve(name)

    assert caught.value.code in ("model_not_found", "not_found")


def test_a_model_of_another_course_is_not_found(world: World) -> None:
    other = factories.make_model(course=factories.make_course())

    with pytest.raises(openai.NotFoundError):
        world.openai().models.retrieve(other.name)
