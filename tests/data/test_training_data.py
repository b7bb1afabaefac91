"""What a run reads: weights as shares of tokens, temperature, bounds on passes, and the order's hash."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from multipl_moe.corpus.manifest import FORMAT_VERSION, CorpusManifest, LanguageCounts
from multipl_moe.data.training_data import TrainingData, training_data
from multipl_moe.errors import ConfigError, CorpusError
from multipl_moe.recipe.recipe import Recipe, validate_recipe
from tests.corpus.token_files import write_tokens

_LENGTHS = {"rust": [40] * 50, "go": [64] * 90, "python": [10, 100, 33] * 40}  # of documents; best fit pads rust's
_BYTES = {"rust": 80_000, "go": 20_000, "python": 5_000}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Tokens whose documents pack badly, well and in between, and a manifest with their bytes."""
    for name, lengths in _LENGTHS.items():
        (tmp_path / "tokens" / "train").mkdir(parents=True, exist_ok=True)
        write_tokens(tmp_path / "tokens" / "train" / name, lengths)
    counts = {
        name: LanguageCounts(len(_LENGTHS[name]), size, sum(_LENGTHS[name]), 1, 1, {}, {}, {})
        for name, size in _BYTES.items()
    }
    CorpusManifest(FORMAT_VERSION, 0, "tiny", "", 0, counts).save(tmp_path)
    return tmp_path


def _recipe(**train: Any) -> Recipe:
    values = {"tokens": 1000 * 64, "sequence_tokens": 64, "replay": 0.5} | train
    return validate_recipe({"learn": ["rust", "go"], "keep": ["python"], "train": values})


def _data(corpus: Path, num_sequences: int = 1000, **train: Any) -> TrainingData:
    return training_data(_recipe(**train), corpus, num_sequences)


def _counted(data: TrainingData) -> dict[str, tuple[int, int]]:
    """Tokens and padding of each language, item by item."""
    counts: dict[str, tuple[int, int]] = {}
    for index in range(len(data)):
        real = int((data[index]["position_ids"] >= 0).sum())
        tokens, padding = counts.get(data.language_of(index), (0, 0))
        counts[data.language_of(index)] = (tokens + real, padding + 64 - real)
    return counts


_ANSWERS = {"rust": 1, "rust.answers": 1, "go": 1, "python": 0.5}
_ASKED: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "roles": ({"answers": 0}, {"rust": 1, "go": 1, "python": 0.5}),
    "weights": ({"weights": {"rust": 3.0, "go": 1.0}, "answers": 0}, {"rust": 3, "go": 1}),
    "temperature": ({"mixture_temperature": 2.0, "answers": 0}, {"rust": 2 * 2 / 3, "go": 2 / 3, "python": 0.5}),
    "answers": ({}, _ANSWERS),
    "fewer answers": ({"answers": 0.25}, _ANSWERS | {"rust.answers": 0.25}),
    "answers alone": ({"answers": "alone"}, {"rust.answers": 1, "go": 1, "python": 0.5}),
    "answers by weights": (
        {"answers": 2, "weights": {"rust": 3.0, "go": 1.0}},
        {"rust": 3, "rust.answers": 6, "go": 1},
    ),
    "answers without replay": (
        {"answers": 0.5, "mixture_temperature": 1.0, "replay": 0},
        {"rust": 1.6, "rust.answers": 0.8, "go": 0.4},
    ),
}


def _write_answers(corpus: Path, language: str, lengths: list[int]) -> None:
    write_tokens(corpus / "tokens" / "train" / f"{language}.answers", lengths, prompts=[5] * len(lengths))


@pytest.mark.parametrize("packing", ["windows", "best_fit"])
@pytest.mark.parametrize("asked", _ASKED)
def test_shares_of_tokens_are_those_asked_for_within_a_hundredth_and_answers_are_never_cut(
    corpus: Path, asked: str, packing: str
):
    _write_answers(corpus, "rust", [30, 20, 65, 14, 40] * 9)
    train, weights = _ASKED[asked]
    summary, total = _data(corpus, 3000, packing=packing, **train).summary, sum(weights.values())
    assert list(summary.languages) == list(weights)
    for name, part in summary.languages.items():
        assert part.share_asked == pytest.approx(weights[name] / total)
        assert part.share == pytest.approx(weights[name] / total, rel=0.02 if "rust.answers" in weights else 0.01)
        assert part.role == ("keep" if name == "python" else "learn")
    if "rust" in weights:
        assert (summary.languages["rust"].padding_tokens > 0) == (packing == "best_fit")
    told = "rust.answers: 9 of 45 are longer than a sequence and left out (train.sequence_tokens)"
    assert summary.warnings == ([told] if "rust.answers" in weights else [])


@pytest.mark.parametrize("packing", ["windows", "best_fit"])
def test_shares_and_tokens_are_those_of_the_items(corpus: Path, packing: str):
    data = _data(corpus, 300, packing=packing, skip_tokens=100 * 64)
    counted = _counted(data)
    real = sum(tokens for tokens, _ in counted.values())
    for name, part in data.summary.languages.items():
        assert (part.tokens, part.padding_tokens) == counted[name]
        assert part.share == counted[name][0] / real


def test_summary_tells_passes_roles_and_what_packing_costs(corpus: Path):
    data = _data(corpus, packing="best_fit")
    rust = data.summary.languages["rust"]
    assert (rust.role, rust.packing.sequences, rust.packing.padding_share) == ("learn", 50, 24 / 64)
    assert rust.epochs == rust.sequences / 50
    python = data.summary.languages["python"]
    assert (python.role, python.packing.cut_documents, python.packing.documents) == ("keep", 40, 120)
    told = json.loads(json.dumps(data.summary.to_json()))
    assert told["languages"]["python"]["packing"]["lost_tokens"] == 0
    places = 1000 * 64
    assert told["padding_share"] == sum(part["padding_tokens"] for part in told["languages"].values()) / places


def test_a_later_stage_goes_on_where_the_earlier_one_stopped(corpus: Path):
    whole = _data(corpus, 300, packing="best_fit")
    rest = _data(corpus, 100, packing="best_fit", skip_tokens=200 * 64)
    assert len(rest) == 100
    assert all(torch.equal(rest[index]["input_ids"], whole[200 + index]["input_ids"]) for index in range(100))
    assert all(rest.language_of(index) == whole.language_of(200 + index) for index in range(100))
    assert rest.summary.languages["go"].epochs == whole.summary.languages["go"].epochs
    assert rest.summary.languages["go"].tokens < whole.summary.languages["go"].tokens / 2


def test_more_passes_than_allowed_are_refused_in_one_line(corpus: Path):
    with pytest.raises(ConfigError) as caught:
        _data(corpus, packing="best_fit", max_epochs=5.0)
    (line,) = caught.value.problems
    assert line.startswith("train.max_epochs: 9.78 passes over rust would be read, more than 5; lower")
    with pytest.raises(ConfigError, match=r"9\.78 passes over rust, 3\.4 passes over go would"):
        _data(corpus, packing="best_fit", max_epochs=2.0)
    assert _data(corpus, packing="best_fit", max_epochs=11.0).summary.warnings == []


def test_capped_languages_leave_their_tokens_to_the_others(corpus: Path):
    data = _data(corpus, packing="best_fit", max_epochs=6.0, on_max_epochs="cap")
    parts = data.summary.languages
    assert parts["rust"].epochs == 6
    assert parts["rust"].sequences == 300
    assert parts["go"].tokens == pytest.approx(2 * parts["python"].tokens, rel=0.02)
    (line,) = data.summary.warnings
    assert line.startswith("rust: 6 passes over its text give 23.0% of the tokens")
    assert "not the 40.0% asked for" in line


def test_too_little_text_for_all_bounds_is_refused(corpus: Path):
    with pytest.raises(ConfigError, match=r"1 passes over all languages are 16,640 tokens, fewer than the 64,000"):
        _data(corpus, packing="best_fit", max_epochs=1.0, on_max_epochs="cap")


def test_the_hash_tells_other_orders_and_other_corpora(corpus: Path):
    first = _data(corpus).summary.order_sha256
    for same in (
        _data(corpus),
        _data(corpus, max_epochs=100.0, on_max_epochs="cap"),
        _data(corpus, weights={"rust": 2e3, "go": 2e3, "python": 1e3}),
    ):
        assert same.summary.order_sha256 == first
    others = [_data(corpus, packing="windows"), _data(corpus, weights={"rust": 1.0, "go": 2.0}), _data(corpus, 999)]
    others.append(training_data(_recipe().model_copy(update={"seed": 3}), corpus, 1000))
    write_tokens(corpus / "tokens" / "train" / "go", [63, 65, *_LENGTHS["go"][2:]])
    others.append(_data(corpus))
    assert len({first, *(data.summary.order_sha256 for data in others)}) == 6


def test_a_language_without_files_is_read_as_answers_alone(corpus: Path):
    _write_answers(corpus, "ruby", [30, 20])
    recipe = validate_recipe({"learn": ["ruby"], "keep": [], "train": {"sequence_tokens": 64}})
    assert list(training_data(recipe, corpus, 10).summary.languages) == ["ruby.answers"]
    with pytest.raises(CorpusError, match="ruby has no tokens"):
        training_data(recipe.with_settings("train", answers=0), corpus, 10)
