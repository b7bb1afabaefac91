"""What the page asks a model is what the model says, of itself and of its base; and with which text the page begins."""

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from multipl_moe.corpus.documents import documents_path
from multipl_moe.errors import ConfigError
from multipl_moe.explore.explorer import MOST_TOKENS, Explorer, samples_of
from multipl_moe.generate.text import TextGenerator
from multipl_moe.model.expert_use import ExpertUse
from multipl_moe.recipe.recipe import validate_recipe
from tests.codegen.problems import tiny_model
from tests.conftest import tiny_moe

PROMPT = "let x ="


def written(model, tokenizer, **known) -> str:
    generator, parts = TextGenerator(model, tokenizer), []
    generator.generate(generator.encode(PROMPT, chat=False), parts.append, max_new_tokens=12, **known)
    return "".join(parts)


def test_hybrid_and_base_each_complete_a_prompt_as_it_grows(tokenizer):
    model, dense = tiny_model("gated"), tiny_model(None)
    for base, is_base, expected in (
        (None, True, written(model, tokenizer, open_share=0.0)),
        (None, False, written(model, tokenizer)),
        (dense, True, written(dense, tokenizer)),
    ):
        grown = list(Explorer(model, tokenizer, base, None).complete(PROMPT, base=is_base, max_new_tokens=12))
        assert grown[-1] == expected
        assert all(later.startswith(earlier) for earlier, later in pairwise(grown))


def test_a_prompt_that_cannot_be_read_is_an_error_and_the_next_one_is_answered(tokenizer):
    explorer = Explorer(tiny_model("gated"), tokenizer, None, None)
    with pytest.raises(ConfigError, match="more than"):
        list(explorer.complete("x" * 300, base=False, max_new_tokens=8))
    assert list(explorer.complete(PROMPT, base=False, max_new_tokens=8))


def test_who_leaves_stops_the_writing_before_anything_else_uses_the_model(tokenizer, monkeypatch):
    explorer, running = Explorer(tiny_model("gated"), tokenizer, None, None), []
    generate = TextGenerator.generate

    def noted(*args, **kwargs):
        running.append(True)
        try:
            return generate(*args, **kwargs)
        finally:
            running.clear()

    monkeypatch.setattr(TextGenerator, "generate", noted)
    writing: Any = explorer.complete(PROMPT, base=True, max_new_tokens=100)
    next(writing)
    writing.close()
    assert running == []
    assert explorer.read(PROMPT).pieces


def test_a_text_is_read_in_all_hybrid_layers_and_cut(tokenizer):
    model = tiny_model("gated", max_position_embeddings=2 * MOST_TOKENS)
    reading = Explorer(model, tokenizer, None, None).read("a" * 2 * MOST_TOKENS, 1.0)
    assert (len(reading.pieces), list(reading.weights)) == (MOST_TOKENS, [1, 2])


def test_a_model_without_a_gate_needs_its_base(tokenizer, tmp_path: Path):
    tiny_model("causal").save_pretrained(tmp_path / "hybrid")
    tiny_model(None).save_pretrained(tmp_path / "base")
    for folder in ("hybrid", "base"):
        tokenizer.save_pretrained(tmp_path / folder)
    with pytest.raises(ConfigError, match="--base: this model has no domain gate"):
        Explorer.load(tmp_path / "hybrid", None)
    reading = Explorer.load(tmp_path / "hybrid", str(tmp_path / "base")).read(PROMPT)
    assert reading.base_bits is not None
    assert torch.isfinite(torch.tensor(reading.base_bits[1:])).all()


def test_a_text_of_each_language_that_was_learnt_comes_before_one_of_those_kept(tmp_path: Path):
    use = ExpertUse({name: {1: [0.1] * 7} for name in ("go", "java", "ruby")})
    samples = samples_of(tmp_path, tiny_moe("gated", languages=["go"]), use)
    assert list(samples) == ["Go", "Java"]
    assert samples["Go"].text.startswith(samples["Go"].prompt)
    assert samples["Go"].text.rstrip().endswith("}")
    assert samples["Go"].prompt.rstrip().endswith("{")
    assert "--- solution" not in samples["Go"].text


def test_a_language_of_ones_own_is_shown_by_a_file_that_the_corpus_held_out(tmp_path: Path):
    own = {"tcl": {"title": "Tcl", "extensions": [".tcl"]}}
    recipe = validate_recipe({"learn": ["tcl"], "keep": ["english", "python"], "own_languages": own})
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    training = {"model_folder": str(tmp_path / "model"), "corpus": str(tmp_path / "corpus")}
    (tmp_path / "training.json").write_text(json.dumps(training))
    (tmp_path / "model").mkdir()
    file = documents_path(tmp_path / "corpus", "validation", "tcl")
    file.parent.mkdir(parents=True)
    text = "# From the corpus.\n" + "IO.puts(1)\n" * 300
    with gzip.open(file, "wt") as lines:
        lines.write(json.dumps({"text": text, "metadata": {"path": "a/b/c.tcl", "licence": "MIT"}}) + "\n")
    samples = samples_of(tmp_path / "model", tiny_moe("gated", languages=["tcl"]), None)
    assert list(samples) == ["Tcl", "Python"]
    assert samples["Tcl"].text == text[:2000]
    assert samples["Tcl"].prompt == "# From the corpus.\n" + "IO.puts(1)\n" * 9


def test_where_nothing_is_known_the_page_begins_with_python(tmp_path: Path):
    for gate in (["tcl"], []):
        assert list(samples_of(tmp_path, tiny_moe("gated", languages=gate), None)) == ["Python"]
