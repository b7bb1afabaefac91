"""A comparison in the tiny world of tests/train/tiny.py: three methods, two steps a run."""

from typing import Any

import pytest
import yaml

from multipl_moe.compare import session
from multipl_moe.compare.schema import Comparison, load_comparison
from multipl_moe.eval.movement import panel
from multipl_moe.report.comparison_page import comparison_markdown
from tests.train.tiny import World


@pytest.fixture(scope="module")
def markdown_alone():
    """What takes longer than tiny runs is left out: pages but comparison.md, and text of installed packages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel, "package_files", lambda *args, **limits: {})
        patch.setattr(
            session,
            "write_comparison",
            lambda output, result: (output / "comparison.md").write_text(comparison_markdown(result)),
        )
        yield


@pytest.fixture(scope="session")
def values(world: World) -> dict[str, Any]:
    """The file: a hybrid, a dense one with a curve, one with a curve alone.

    The dense ones have the recipe's seed, and the slow one the recipe's rate.
    """
    return {
        "title": "Two ways",
        "tokens": 512,
        "curve_tokens": 256,
        "programs": False,
        "recipe": world.recipe.model_dump(mode="json", exclude_none=True),
        "methods": {
            "causal": {"title": "hybrid", "seeds": [3]},
            "dense-ffn": {
                "title": "feed-forward",
                "set": {"train.method": "dense-ffn"},
                "learning_rate": 1e-3,
                "learning_rates": [1e-3, 1e-2],
            },
            "slow": {
                "title": "slow feed-forward",
                "set": {"train.method": "dense-ffn", "train.warmup_share": 0.5, "train.learning_rate": 1e-3},
                "learning_rates": [1e-3],
                "long": False,
            },
        },
        "claims": [
            {"question": "Is it better?", "of": "causal", "against": "dense-ffn"},
            {"question": "Is it worse?", "of": "slow", "against": "dense-ffn"},
        ],
    }


@pytest.fixture(scope="session")
def comparison(values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    file = tmp_path_factory.mktemp("comparison") / "comparison.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    return load_comparison(file)
