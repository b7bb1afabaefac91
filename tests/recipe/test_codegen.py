"""What makes no sense is refused."""

import pytest
from pydantic import ValidationError

from multipl_moe.recipe.codegen import CodegenSection


@pytest.mark.parametrize(
    "values",
    [
        {"num_samples": 0},
        {"num_samples": "2", "temperature": 1.0},
        {"temperature": -0.1},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"max_new_tokens": 0},
        {"batch_sequences": 0},
        {"seed": -1},
        {"dtype": "int8"},
        {"top_k": 5},
    ],
)
def test_values_out_of_range_and_unknown_keys_are_refused(values):
    with pytest.raises(ValidationError):
        CodegenSection(**values)


def test_several_samples_at_temperature_zero_are_refused_with_the_remedy():
    with pytest.raises(ValidationError, match="3 samples at temperature 0 are all the same; set a temperature"):
        CodegenSection(num_samples=3)
