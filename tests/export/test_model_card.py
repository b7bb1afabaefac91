"""The model card: what is recorded is told, what is not is said to be not recorded or not measured."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard

from multipl_moe import MultiplMoeConfig, __version__
from multipl_moe.errors import UserError
from multipl_moe.export.model_card import CARD_FILE, CardSubject, write_card
from multipl_moe.recipe.recipe import validate_recipe
from multipl_moe.runs.provenance import Provenance, run_folder, run_recipe_file
from multipl_moe.runs.result import Changes, EvaluatedChanges, LanguageChange, MergeCost, RunResult
from tests.conftest import tiny_base_config, tiny_moe
from tests.eval.measured import moved

__all__ = ["moved"]

UPCYCLE = {
    "base": "smollm2-135m",
    "base_hub_id": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "base_licence": "Apache-2.0",
    "noise": 0.25,
}
TRAINING = {
    "model_folder": "runs/first/model",
    "tokens": 274_432,
    "steps": 268,
    "seconds": 410.9,
    "frozen_sha256": "ab" * 32,
    "decontamination": {
        "starter": {"status": "checked", "problems": {}},
        "humaneval": {"status": "checked", "problems": {}, "problems_searchable": 9, "problems_total": 164},
        "mbpp": {"status": "unavailable", "problems": {}},
    },
}
CHANGE = {"change": -0.1203, "interval": [-0.145, -0.097]}
FILES = {"files": 4, "bytes": 99}
METRICS = {
    **{"model": "first", "against": "smollm2-135m", "seed": 0, "recipe": {}, "environment": {}, "routing": {}},
    "languages": {
        "rust": {"role": "learn", "bpb_before": 1.0704, "bpb_after": 0.9416} | CHANGE | FILES,
        "python": {"role": "keep", "bpb_before": 0.7, "bpb_after": 0.721, "change": 0.03, "interval": [0.01, 0.05]}
        | FILES,
        "english": {"role": "keep", "bpb_before": 1.0, "bpb_after": 1.001, "change": 0.001, "interval": [-0.01, 0.012]}
        | FILES,
    },
    "means": {"learn": CHANGE, "keep": {"change": 0.03, "interval": [0.01, 0.05]}},
}
RUN = {
    **{"tokens": 9, "seconds": 1.0, "learning_rate": None, "warnings": [], "frozen_sha256": "ab"},
    "parameters": {"total": 3, "active": 2, "trained": 1},
    **{key: value for key, value in METRICS.items() if key not in ("model", "recipe")},
}
_MERGED = LanguageChange(
    role="learn", bpb_before=0.9416, bpb_after=1.011, change=0.0737, interval=(0.06, 0.08), files=4, bytes=99
)
COST = MergeCost(
    from_hybrid=Changes(languages={"rust": _MERGED}, means={}),
    from_base=Changes(sentence="Not learnt: Rust needs 1.0% more.", languages={}, means={}),
    has_gain=False,
)
RECIPE = {
    "learn": ["rust"],
    "keep": ["python", "english"],
    "train": {"learning_rate": 2e-3, "replay": 0.15, "schedule": "linear"},
}


@pytest.fixture
def run(tmp_path) -> Path:
    """A run folder with all that train and demo leave in it; returns the model's folder."""
    model = tmp_path / "model"
    model.mkdir()
    write(model / "upcycle.json", UPCYCLE)
    write(tmp_path / "training.json", TRAINING)
    write(tmp_path / "metrics.json", METRICS)
    (tmp_path / "recipe.yaml").write_text(validate_recipe(RECIPE).to_yaml())
    return model


def write(file: Path, values: Any) -> None:
    file.write_text(json.dumps(values))


def subject(preset: str = "causal", expert_type: str = "full", **values: Any) -> CardSubject:
    moe = tiny_moe(preset, type=expert_type, rank=4)
    config = MultiplMoeConfig(text_config=tiny_base_config(), moe=moe.to_dict())
    return CardSubject("first", config, torch.bfloat16, num_parameters=12_345, **values)


def card(provenance: Provenance, folder: Path, **values: Any) -> ModelCard:
    write_card(folder, subject(**values), provenance)
    text = (folder / CARD_FILE).read_text()
    assert not re.search(r"None|\{\{|\{%|nan\b", text), text
    return ModelCard(text)


def row(text: str, label: str) -> str:
    """The line of a table that begins with a label."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {label} |")]
    return line


def require_rows(text: str, rows: dict[str, str]) -> None:
    """Each label's line holds what is given for it."""
    assert {label: part for label, part in rows.items() if part not in row(text, label)} == {}


# --- what is recorded


def test_metadata_speaks_the_hub_s_terms(run, tmp_path):
    data = card(Provenance.of(run), tmp_path).data.to_dict()
    assert data == {
        "license": "apache-2.0",
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "language": ["code", "en"],
        "tags": ["code", "multipl-moe", "mixture-of-experts", "rust", "python"],
    }


def test_how_it_was_made_is_told_with_its_scores_its_licence_and_how_to_load_it(run, tmp_path):
    text = card(Provenance.of(run), tmp_path).text
    rows = {
        "base": "HuggingFaceTB/SmolLM2-135M-Instruct (llama architecture)",
        "preset": "causal",
        "hybrid layers": "2 of 3: 1, 2",
        "token-level experts": "4 a layer, of which a token uses 2",
        "segment-level experts": "4 tokens, routed by a window of 8: the tokens before it",
        "experts began as": "blocks with noise of 0.25 standard deviations",
        "trained on": "274,432 tokens in 268 steps (411 s)",
        "learning rate": "0.002 at its peak, linear",
        "mixture of the training text": "rust 1, python 0.15, english 0.15",
        "decontaminated against": "| starter, humaneval (9 of 164) |",
        "frozen parameters": "ab" * 32,
        "weights": "bfloat16",
        "Rust": "| Rust | -12.0% | -14.5% to -9.7% | 1.0704 | 0.9416 | to learn |",
        "Python": "| Python | +3.0% | +1.0% to +5.0% | 0.7000 | 0.7210 | to keep |",
    }
    require_rows(text, rows)
    assert re.search(r"84,896 in all, [\d,]+ active per token, 57,344 trained", row(text, "parameters of the hybrid"))
    assert "| each expert" not in text  # full ones
    assert len([line for line in text.splitlines() if line.startswith("| mean of code")]) == 2
    assert "- No difference that the interval shows: English text." in text
    assert f"multipl-moe {__version__}" in text
    assert "derive from HuggingFaceTB/SmolLM2-135M-Instruct, licence Apache-2.0." in text
    assert "under Apache-2.0 (`LICENSE-multipl-moe`)" in text
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    compile(code, "card", "exec")
    assert 'folder = "first"' in code
    assert code.count("trust_remote_code=True") == 2
    assert re.search(r"`torch>=[\d.]+` and `transformers[^`]*>=5\.24[^`]*`", text)


def test_what_the_model_was_measured_against_is_named(run, tmp_path):
    named = {
        "smollm2-135m": "the base",
        "HuggingFaceTB/SmolLM2-135M-Instruct": "the base",
        "/home/me/runs/first/model": "first/model",
        None: "what it was compared with",
    }
    for against, name in named.items():
        write(tmp_path / "metrics.json", METRICS | {"against": against})
        text = card(Provenance.of(run), tmp_path).text
        assert f" | 95% interval | {name} | this model | role |" in text
        assert f"- Better than {name}: Rust." in text
        assert f"- Worse than {name}: Python." in text


def test_where_the_base_came_from_is_told_without_paths(run, tmp_path):
    origin = {"base": "/home/me/secret/base", "base_hub_id": None, "base_licence": "unknown"}
    write(run / "upcycle.json", UPCYCLE | origin)
    provenance = Provenance.of(run)
    found = card(provenance, tmp_path)
    assert "| base | base (llama architecture) |" in found.text
    assert found.data.get("base_model") is None
    assert "The licence of the base is not recorded" in found.text
    provenance.save(tmp_path)
    assert "secret" not in str(found) + (tmp_path / "upcycle.json").read_text()


def test_tokens_of_trainings_before_are_told(run, tmp_path):
    write(tmp_path / "training.json", TRAINING | {"tokens_before": 8192})
    assert "(411 s), after 8,192 tokens of trainings before" in card(Provenance.of(run), tmp_path).text


def test_licences_of_the_training_text_are_told_or_that_they_are_not_recorded(run, tmp_path):
    assert "its sources, which are not recorded here." in card(Provenance.of(run), tmp_path).text
    counts = {"unknown": 3, "MIT": 1204} | {f"BSD-{number}": 1 for number in range(5)}
    write(tmp_path / "training.json", TRAINING | {"licences": {"rust": counts}})
    text = card(Provenance.of(run), tmp_path).text
    assert "- Rust: MIT (1,204), not known (3), BSD-0 (1), BSD-1 (1), BSD-2 (1), 2 more\n" in text
    assert "not recorded here" not in text


def test_only_a_preset_that_is_not_causal_is_warned_of(run, tmp_path):
    for preset, warns in (("causal", False), ("paper", True)):
        text = card(Provenance.of(run), tmp_path, preset=preset).text
        assert ("Routing sees later tokens" in text) == warns
        assert ("no assisted decoding" in text) != warns
        assert ("its own tokens and those after them" in text) == warns


def test_experts_are_told_as_they_are_and_those_that_a_preset_has_not_are_left_out(run, tmp_path):
    assert "| segment-level experts" not in card(Provenance.of(run), tmp_path, preset="token-only").text
    single = card(Provenance.of(run), tmp_path, preset="single").text
    assert row(single, "experts").endswith("| one a layer, in the place of the feed-forward block; no router |")
    text = card(Provenance.of(run), tmp_path, expert_type="lora").text
    assert "| each expert | a difference of rank 4 (alpha 16) from the frozen block |" in text
    assert "| experts began as | no difference from the base |" in text


def test_the_result_in_words_and_how_far_the_model_moved_are_told_where_they_were_recorded(run, tmp_path, moved):
    whose = ((None, "**", "It"), (COST, "**The hybrid, before merging: ", "The hybrid, before merging,"))
    for cost, *_ in whose:
        text = card(Provenance.of(run), tmp_path, merge_cost=cost).text
        assert not re.search("Measured against the base[.]|nats", text)
    write(tmp_path / "metrics.json", RUN | {"sentence": "Learnt: Rust.", "moved": moved.to_json()})
    for cost, result, who in whose:
        text = card(Provenance.of(run), tmp_path, merge_cost=cost).text
        assert f"{result}Learnt: Rust.** Measured against the base." in text
        measured = f"{who} moved by 0.031 nats a token on the base's own answers."
        assert f"### How far it moved from the base\n\n{measured}" in text
        assert row(text, "the base's own answers") == "| the base's own answers | 567 | 0.031 | 0.025 to 0.037 | 0.6% |"


def test_a_merged_model_tells_what_merging_cost(run, tmp_path):
    found = card(Provenance.of(run), tmp_path, merge_cost=COST, gguf=("model-BF16.gguf",))
    for part in (
        "| Rust | +7.4% | +6.0% to +8.0% | 0.9416 | 1.0110 | to learn |",
        " | 1.0704 | 0.9416 | to learn |",
        "These are the hybrid's, before merging.",
        "**Not learnt: Rust needs 1.0% more.** Measured against the base that the hybrid was made from.",
        "12,345 parameters",
        "`model-BF16.gguf`",
        "folded into its feed-forward blocks, by their mean use.",
        "- A mean of experts is not the hybrid",
    ):
        assert part in found.text
    assert not re.search("trust_remote_code|LICENSE-multipl-moe", found.text)
    assert "merge" in found.data.get("tags")
    assert "mixture-of-experts" not in found.data.get("tags")


def test_a_merged_model_of_one_expert_a_layer_is_told_to_be_open_and_no_mean(run, tmp_path):
    told = {
        "gated-single": ["trained in the place of the feed-forward block, was folded in, and no gate shuts it.\n"],
        "gated-pack": ["trained beside the base's matrices, was folded in, and no gate", "- It has no domain gate: "],
        "single": ["trained in the place of the feed-forward block, was folded in.\n"],
    }
    for preset, parts in told.items():
        kind = "lora" if preset == "gated-pack" else "full"
        text = card(Provenance.of(run), tmp_path, merge_cost=COST, preset=preset, expert_type=kind).text
        assert all(part in text for part in parts)
        assert ("no domain gate" in text) == (preset != "single")
        assert not re.search("by their mean use|A mean of experts", text)


def test_a_native_model_tells_its_architecture_and_needs_no_code(run, tmp_path):
    values = {"preset": "token-only", "native": "ernie4_5_moe", "difference": 1.23e-6}
    found = card(Provenance.of(run), tmp_path, gguf=("m-BF16.gguf", "m-Q8_0.gguf"), **values)
    for part in ("`ernie4_5_moe`", "at most 1.2e-06 in float32", " | 1.0704 | 0.9416 | to learn |"):
        assert part in found.text
    for command in ("vllm serve first", "--model-path first", "llama-server -m first/m-Q8_0.gguf", "ollama run first"):
        assert command in found.text
    assert not re.search("trust_remote_code|LICENSE-multipl-moe|no static", found.text)
    assert "mixture-of-experts" in found.data.get("tags")


def test_a_dense_model_claims_no_experts(tmp_path):
    dense = CardSubject("plain", tiny_base_config(), torch.float32, num_parameters=12_345)
    write_card(tmp_path, dense, Provenance.of(tmp_path / "nothing"))
    text = (tmp_path / CARD_FILE).read_text()
    assert "A dense model with 12,345 parameters." in text
    assert not re.search("expert|trust_remote_code", text)


# --- what is not


def test_without_records_nothing_is_invented(tmp_path):
    found = card(Provenance.of(tmp_path / "nothing"), tmp_path)
    assert found.data.get("license") == "unknown"
    assert found.data.get("base_model") is None
    labels = ("base", "experts began as", "trained on", "learning rate", "frozen parameters")
    require_rows(found.text, dict.fromkeys(labels, "not recorded"))
    assert "that training changes" in row(found.text, "parameters of the hybrid")
    assert "Bits per byte: not measured" in found.text
    assert "Not measured: whether programs that the model writes compile and pass tests" in found.text
    assert not re.search("[|] Rust|Better than the base", found.text)
    assert "The licence of the base is not recorded" in found.text


def test_a_model_fresh_from_upcycling_is_not_called_trained(tmp_path):
    write(tmp_path / "upcycle.json", UPCYCLE)
    (tmp_path / "recipe.yaml").write_text(validate_recipe({}).to_yaml())
    text = card(Provenance.of(tmp_path), tmp_path).text
    assert "none yet: fresh from upcycling" in row(text, "training")
    assert "57,344 that training changes" in text
    assert "| learning rate" not in text


def test_scores_of_one_model_are_told_without_a_change(run, tmp_path):
    rust = {"rust": {"role": "learn", "bpb": 0.9416} | FILES}
    write(tmp_path / "bpb.json", {key: METRICS[key] for key in METRICS if key != "means"} | {"languages": rust})
    text = card(Provenance.of(run, tmp_path / "bpb.json"), tmp_path).text
    assert row(text, "Rust") == "| Rust | to learn | 0.9416 | 4 | 99 |"
    assert "Better than the base" not in text


# --- where it is found


def test_a_file_that_is_named_comes_before_that_of_the_run(run, tmp_path):
    write(tmp_path / "other.json", RUN)
    assert Provenance.of(run, tmp_path / "other.json").metrics == RunResult.read(tmp_path / "other.json")
    assert Provenance.of(run).metrics == EvaluatedChanges.read(tmp_path / "metrics.json")


def test_records_beside_another_model_are_not_taken(run, tmp_path):
    write(tmp_path / "training.json", TRAINING | {"model_folder": "runs/first/another"})
    assert run_folder(run) is None
    assert run_recipe_file(run) is None
    found = Provenance.of(run)
    assert (found.training, found.recipe, found.metrics, found.is_trained) == (None, None, None, None)


def test_the_origin_of_a_demo_s_model_is_found_beside_it(run, tmp_path):
    (run / "upcycle.json").unlink()
    (tmp_path / "hybrid").mkdir()
    write(tmp_path / "hybrid" / "upcycle.json", UPCYCLE)
    assert Provenance.of(run).base_hub_id == UPCYCLE["base_hub_id"]


@pytest.mark.parametrize("name", ["upcycle.json", "../training.json", "../metrics.json"])
def test_a_broken_record_is_named(run, name):
    (run / name).write_text("[]")
    with pytest.raises(UserError, match=rf"{Path(name).name}.*restore or remove it"):
        Provenance.of(run)
