"""What all parts of a recipe have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Section(BaseModel):
    """A part of a recipe: strict about keys and types, documented field by field."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True, allow_inf_nan=False)

    @model_serializer(mode="wrap")
    def _keeps_nulls_that_mean_something(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Written without its nulls, a section would come back with the default where that is not null."""
        fields = type(self).model_fields.items()
        nulls = {name: None for name, field in fields if getattr(self, name) is None and field.default is not None}
        return serialize(self) | nulls
