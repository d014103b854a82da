"""The base of the sections of a configuration file."""

from typing import Any

from pydantic import BaseModel, ConfigDict

OMITTED: Any = None


class FileSection(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def given(self) -> dict[str, Any]:
        """The fields that the file sets, in the order in which they are declared."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}
