"""How completions are generated: the `codegen` section of a recipe."""

from typing import Literal

from pydantic import Field, model_validator

from multipl_moe.recipe.section import Section


class CodegenSection(Section):
    """How a model's completions are sampled."""

    num_samples: int = Field(default=1, ge=1)
    """Number of completions to sample per problem; pass@k needs at least k."""
    temperature: float = Field(default=0.0, ge=0, le=10)
    """Sampling temperature of completions; 0, or less than 0.0001, takes the likeliest token each time."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Nucleus sampling (top p): share of the probability to draw tokens from; 1: all of it."""
    max_new_tokens: int = Field(default=512, ge=1)
    """Maximum number of tokens per completion."""
    seed: int = Field(default=0, ge=0)
    """Random seed for sampling completions; each sample has a seed that follows from it."""
    batch_sequences: int = Field(default=32, ge=1)
    """Number of completions to generate at a time."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Data type of the weights in generation; auto: the checkpoint's, but float32 if bfloat16 is slow."""

    tell_language: Literal[True, False, "both"] = True
    """Tell a model with a domain gate the language of each problem, as an editor can, instead of letting the gate find
    out; both: `eval` samples such a model twice and shows the gate by itself as well."""

    @model_validator(mode="after")
    def _samples_differ(self) -> "CodegenSection":
        if self.num_samples > 1 and self.temperature == 0:
            raise ValueError(
                f"num_samples: {self.num_samples} samples at temperature 0 are all the same; "
                "set a temperature above 0, or num_samples to 1"
            )
        return self
