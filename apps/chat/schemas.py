"""The schemas of the models that a course allows, as OpenAI's clients read them."""

from typing import Literal

from ninja import Field, Schema

from apps.common.hosting import Hosting


class ModelOut(Schema):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "stoa"
    context_window: int | None
    max_output_tokens: int
    hosting: Hosting | None = Field(
        description="The farthest that a prompt may go. Null if the model has no provider yet."
    )
    regions: list[str] = Field(description="Where the providers are. Empty if the model has none yet.")


class ModelsOut(Schema):
    object: Literal["list"] = "list"
    data: list[ModelOut]
