"""What all parts of a recipe have in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a recipe: strict about keys and types, documented field by field."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True, allow_inf_nan=False)
