"""The page begins with a text in a language that the model learnt, whatever that is."""

import gzip
import json
from pathlib import Path

import pytest

from multipl_moe.corpus.documents import documents_path
from multipl_moe.explore.samples import samples_of
from multipl_moe.model.expert_use import ExpertUse
from multipl_moe.recipe.recipe import validate_recipe
from tests.conftest import tiny_moe

GATED = tiny_moe("gated", languages=["go"])
TCL = "# From the corpus.\n" + "IO.puts(1)\n" * 300


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that taught a language which the package does not know; returns the model's folder."""
    own = {"tcl": {"title": "Tcl", "extensions": [".tcl"]}}
    recipe = validate_recipe({"learn": ["tcl"], "keep": ["english", "python"], "own_languages": own})
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    training = {"model_folder": str(tmp_path / "model"), "corpus": str(tmp_path / "corpus")}
    (tmp_path / "training.json").write_text(json.dumps(training))
    (tmp_path / "model").mkdir()
    file = documents_path(tmp_path / "corpus", "validation", "tcl")
    file.parent.mkdir(parents=True)
    with gzip.open(file, "wt") as lines:
        lines.write(json.dumps({"text": TCL, "metadata": {"path": "a/b/c.tcl", "licence": "MIT"}}) + "\n")
    return tmp_path / "model"


def test_a_text_of_each_language_that_was_learnt_comes_before_one_of_those_kept(tmp_path: Path):
    use = ExpertUse({name: {1: [0.1] * 7} for name in ("go", "java", "ruby")})
    samples = samples_of(tmp_path, GATED, use)
    assert list(samples) == ["Go", "Java"]
    assert samples["Go"].text.startswith(samples["Go"].prompt)
    assert samples["Go"].text.rstrip().endswith("}")
    assert samples["Go"].prompt.rstrip().endswith("{")
    assert "--- solution" not in samples["Go"].text


def test_a_language_of_ones_own_is_shown_by_a_file_that_the_corpus_held_out(run: Path):
    samples = samples_of(run, tiny_moe("gated", languages=["tcl"]), None)
    assert list(samples) == ["Tcl", "Python"]
    assert samples["Tcl"].text == TCL[:2000]
    assert samples["Tcl"].prompt == "# From the corpus.\n" + "IO.puts(1)\n" * 9


@pytest.mark.parametrize("gate", [["tcl"], []])
def test_where_nothing_is_known_the_page_begins_with_python(tmp_path: Path, gate: list[str]):
    assert list(samples_of(tmp_path, tiny_moe("gated", languages=gate), None)) == ["Python"]
