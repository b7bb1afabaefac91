"""The keep panel of whole models on the tiny world."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from multipl_moe import MultiplMoeConfig
from multipl_moe.checkpoints.loading import load_dense
from multipl_moe.corpus.documents import TextFile, read_documents
from multipl_moe.errors import ConfigError
from multipl_moe.eval.bits_per_byte import score_files
from multipl_moe.eval.movement import panel as module
from multipl_moe.eval.movement.panel import KINDS, OTHER_KINDS, movement_of, movement_rows
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.runs.result import Movement
from multipl_moe.upcycle.gate_start import GATE_BACKGROUND, samples
from tests.conftest import randomise, tiny_moe
from tests.fixtures import save_beginning_texts
from tests.train.tiny import World, tiny_recipe

_ROW = {"nats_per_token", "interval", "changed", "tokens", "texts"}


@pytest.fixture(autouse=True)
def other(monkeypatch) -> dict[str, list[TextFile]]:
    """Files of two other kinds, instead of those that happen to be installed."""
    kinds = {
        "CSS": [TextFile(f"a{n}.css", f"p {{ margin: {n}px; }}\n" * 30, "MIT") for n in range(4)],
        "SQL": [TextFile(f"b{n}.sql", f"select {n};\n", "MIT") for n in range(3)],
    }
    monkeypatch.setattr(module, "package_files", lambda *args, **limits: kinds)
    return kinds


def _moved(world: World, model: Any, tokenizer: Any, **sections: Any) -> Any:
    recipe = tiny_recipe(world.base, world.sources, **sections)
    return movement_of(recipe, str(world.base), model, tokenizer, world.corpus)


_UNGATED = [kind for kind in KINDS if kind != "generated"]


def _all_rows(moved: Any) -> list[Movement]:
    kinds = [found for kind in KINDS if (found := getattr(moved, kind)) is not None]
    return [*kinds, *(part for kind in kinds for part in kind.parts.values())]


def test_a_copy_of_the_base_has_moved_by_exactly_nothing(world: World, tokenizer):
    moved = _moved(world, load_dense(world.base), tokenizer)
    assert {(row.nats_per_token, row.changed, *row.interval) for row in _all_rows(moved)} == {(0, 0, 0, 0)}
    assert moved.sentence == "moved by 0.000 nats a token on the base's own answers"


def test_models_in_bfloat16_are_read_in_float32_where_there_is_memory(world: World, tokenizer, far, monkeypatch):
    whole = _moved(world, far, tokenizer)
    rounded = _moved(world, far.bfloat16(), tokenizer)
    assert whole.compute_dtype == rounded.compute_dtype == "float32"
    assert rounded.kept.nats_per_token == pytest.approx(whole.kept.nats_per_token, rel=0.1)
    monkeypatch.setattr(module, "usable_bytes", lambda: 1000)
    monkeypatch.setattr("multipl_moe.checkpoints.loading.fast_dtype", lambda: torch.bfloat16)
    assert _moved(world, load_dense(world.base).bfloat16(), tokenizer).compute_dtype == "bfloat16/float32"


@pytest.fixture
def far(world: World) -> Any:
    model = load_dense(world.base)
    randomise(model, seed=7)
    return model


def test_every_kind_of_text_is_told_with_its_parts(world: World, tokenizer, far):
    moved = _moved(world, far, tokenizer)
    assert set(moved.to_json()) == {*_UNGATED, "compute_dtype", "sentence"}
    assert moved.generated is None
    parts = {kind: set(getattr(moved, kind).parts) for kind in _UNGATED}
    assert parts == {"answers": {"chat", "code"}, "kept": {"python", "english"}, "other": {"CSS", "SQL"}}
    for row in _all_rows(moved):
        assert set(row.to_json()) - {"sha256", "parts"} == _ROW
        low, high = row.interval
        assert 0 < low <= row.nats_per_token <= high
        assert 0 < row.changed <= 1
    for kind, names in {"answers": ("chat", "code"), "kept": ("python",), "other": ("CSS", "SQL")}.items():
        total = getattr(moved, kind)
        inner = [total.parts[name] for name in names]
        assert total.tokens == sum(part.tokens for part in inner)
        nats = sum(part.nats_per_token * part.tokens for part in inner)
        assert total.nats_per_token == pytest.approx(nats / total.tokens)
    assert moved.sentence.startswith(f"moved by {moved.answers.nats_per_token:.3f} nats a token on")
    others = moved.kept.parts | moved.other.parts
    worst = max(others, key=lambda name: others[name].nats_per_token)
    assert moved.sentence.endswith(f"of other text {worst} moved farthest, by {others[worst].nats_per_token:.3f}")
    brief = moved.brief().to_json()
    assert set(brief) == set(_UNGATED)
    assert set(brief["kept"]) == _ROW | {"sha256"}
    assert _moved(world, far, tokenizer) == moved
    assert [row[0] for row in movement_rows(moved)] == [KINDS[kind] for kind in _UNGATED]


def test_gates_that_read_the_prompts_first_are_measured_so_too(world: World, tokenizer):
    base = load_dense(world.base)
    model = MultiplMoeForCausalLM(MultiplMoeConfig(text_config=base.config, moe=tiny_moe("gated-single").to_dict()))
    randomise(model)
    before = base.state_dict()
    named = {name: name.replace("shared_expert.", "") for name in model.state_dict()}
    model.load_state_dict({name: before[of] for name, of in named.items() if of in before}, strict=False)
    (gate,) = model.model.gates.values()
    for offset, is_open in ((9.0, True), (-9.0, False)):
        gate.calibration.copy_(torch.tensor([[0.0, offset], [0.0, -9.0]]))
        moved = _moved(world, model, tokenizer)
        assert moved.generated is not None
        assert moved.generated.sha256 == moved.answers.sha256
        assert moved.answers.nats_per_token > 0  # a text's beginning is half open
        assert (moved.generated.nats_per_token > 0) == is_open
        assert f"by {moved.generated.nats_per_token:.3f} where it reads the prompt first" in moved.sentence
        assert [row[0] for row in movement_rows(moved)] == list(KINDS.values())


def test_a_share_of_the_texts_is_two_at_least_and_what_was_kept_is_read_as_bits_per_byte_read_it(
    world: World, tokenizer, far, other
):
    whole, least = (_moved(world, far, tokenizer, eval={"moved_share": share}) for share in (1.0, 0.001))
    counts = [
        {name: part.texts for kind in _UNGATED for name, part in getattr(m, kind).parts.items()} for m in (whole, least)
    ]
    assert counts[0] == {"chat": 60, "code": 40, "python": 4, "english": 4, "CSS": 4, "SQL": 3}
    assert counts[1] == dict.fromkeys(counts[0], 2)
    assert all(getattr(whole, kind).sha256 != getattr(least, kind).sha256 for kind in _UNGATED)
    files = read_documents(world.corpus, "validation", "python", world.recipe.eval.files_per_language)
    scores = score_files(far.eval(), tokenizer, files, world.recipe.eval)
    assert whole.kept.parts["python"].tokens == sum(score.num_tokens for score in scores)


def test_languages_of_the_recipe_are_no_other_text_and_natural_language_alone_is_the_total(
    world: World, tokenizer, far, monkeypatch
):
    asked = []
    monkeypatch.setattr(module, "package_files", lambda kinds, endings, **limits: asked.append(set(endings)) or {})
    recipe = tiny_recipe(world.base, world.sources)
    nothing, english = (recipe.model_copy(update={"keep": keep}) for keep in ([], ["english"]))
    moved = movement_of(nothing, str(world.base), far, tokenizer, world.corpus)
    assert (moved.kept, moved.other) == (None, None)
    assert asked[0] >= {".rs", ".go"}
    assert [row[0] for row in movement_rows(moved)] == [KINDS["answers"]]
    kept = movement_of(english, str(world.base), far, tokenizer, world.corpus).kept
    assert kept is not None
    assert kept.tokens == kept.parts["english"].tokens


def test_the_domain_gate_is_fitted_to_no_kind_of_text_that_is_measured_on():
    fitted, measured = ({e for endings in kinds.values() for e in endings} for kinds in (GATE_BACKGROUND, OTHER_KINDS))
    assert not fitted & measured
    assert samples(measured, []) == samples([], [])


def test_a_token_in_front_of_every_text_is_context(world: World, tokenizer, far, tmp_path: Path):
    base = load_dense(world.base)
    base.resize_token_embeddings(len(tokenizer) + 1)
    base.save_pretrained(tmp_path)
    save_beginning_texts(world.base, tmp_path)
    started = AutoTokenizer.from_pretrained(tmp_path)
    recipe = tiny_recipe(world.base, world.sources)
    moved: Any = movement_of(recipe, str(tmp_path), base, started, world.corpus)
    plain = _moved(world, far, tokenizer)
    for name in ("CSS", "SQL"):
        whole = [other.parts[name].tokens for other in (moved.other, plain.other)]
        assert whole[0] - whole[1] == (2 if name == "SQL" else 0)  # the first of each; long ones are cut


def test_a_model_may_have_more_tokens_than_its_base_and_not_the_other_way_round(world: World, tokenizer):
    model, more = load_dense(world.base), AutoTokenizer.from_pretrained(world.base)
    more.add_special_tokens({"extra_special_tokens": ["<|new|>"]})
    model.resize_token_embeddings(len(more))
    moved = _moved(world, model, more)
    assert all(abs(row.nats_per_token) < 1e-6 for row in _all_rows(moved))
    for its_tokenizer, told in (
        (more, r"has another tokenizer than the model \(1 of its tokens"),
        (tokenizer, r"it has \d+ tokens, and the model \d+; give the model's base"),
    ):
        folder = world.base.parent / "more"
        model.save_pretrained(folder)
        its_tokenizer.save_pretrained(folder)
        with pytest.raises(ConfigError, match=f"--against: .*{told}"):
            movement_of(world.recipe, str(folder), load_dense(world.base), tokenizer, world.corpus)
