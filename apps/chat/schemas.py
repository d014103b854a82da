"""The schemas of the models that a course allows, as OpenAI's clients read them."""

from typing import Literal

from ninja import Schema


class ModelOut(Schema):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "stoa"
    context_window: int | None
    max_output_tokens: int


class ModelsOut(Schema):
    object: Literal["list"] = "list"
    data: list[ModelOut]
