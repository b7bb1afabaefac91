"""The scripts in benchmarks/ run to their end, on a tiny model and in this process; their numbers mean nothing here."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from multipl_judge.judge.sandbox import Sandbox
from multipl_moe.packs.write import write_pack
from multipl_moe.upcycle.convert import upcycle
from tests.conftest import tiny_base_config
from tests.export.test_gguf import save_dense
from tests.train.tiny import source_text, tiny_recipe

_FOLDER = Path(__file__).parents[2] / "benchmarks"
_TINY = {
    "moe.preset": "causal",
    "moe.gate.languages": [],
    "moe.experts.layers": "last:2",
    "moe.routing.num_token_experts": 4,
    "moe.routing.num_segment_experts": 3,
    "moe.routing.segment_window": 8,
    "moe.gate.stride": 4,
    "train.sequence_tokens": 32,
    "train.packing": "windows",
    "train.batch_sequences": 4,
    "train.save_every_steps": 2,
    "train.log_every_steps": 2,
}


@pytest.fixture(scope="module")
def gated(world, tmp_path_factory) -> Path:
    """The run of a model with a domain gate, which is not trained."""
    folder, recipe = tmp_path_factory.mktemp("gated"), tiny_recipe(world.base, world.sources, moe={"languages": None})
    upcycle(recipe, folder / "model", corpus=world.corpus)
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    return folder


@pytest.fixture
def measured(world, monkeypatch, tmp_path):
    """Runs a script in its quick form, with some of its constants replaced; returns what it stored."""
    monkeypatch.syspath_prepend(_FOLDER)

    def peak_of_no_fresh_process(step: Callable[[], object]) -> int:
        step()
        return 1  # this process may have been larger before, and then a step raises its peak by nothing

    harness = importlib.import_module("harness")
    everywhere = {
        "HYBRID_RECIPE": harness.HYBRID_RECIPE | {"base": str(world.base)} | _TINY,
        "in_fresh_process": lambda function, *values: function(*values),
        "keep_freed_memory": lambda: None,
        "peak_memory_bytes": peak_of_no_fresh_process,
    }

    def measured(name: str, *arguments: str, **constants: Any) -> dict[str, Any]:
        module = importlib.import_module(name)
        for constant, value in everywhere.items():
            monkeypatch.setattr(module, constant, value, raising=False)
        for constant, value in constants.items():
            monkeypatch.setattr(module, constant, value)
        monkeypatch.setattr(sys, "argv", [name, *arguments, "--quick", "--output", str(tmp_path / "result.json")])
        module.main()
        return json.loads((tmp_path / "result.json").read_text())

    return measured


_DECODED = {"_BATCHES": (1, 2), "_NEW_TOKENS": 3, "_PROMPT_TOKENS": 5, "_LONG_PROMPT_TOKENS": 9}
_LAYER = {"_HIDDEN": 32, "_INTERMEDIATE": 48, "_ROW_TOKENS": 32, "_SIZES": (64, 128, 256), "_BASE": tiny_base_config()}
_UPCYCLED = {"_HIDDEN": 64, "_INTERMEDIATE": 96, "_VOCABULARY": 256}


@pytest.mark.extended
@pytest.mark.parametrize(
    ("name", "constants", "measures"),
    [
        ("train_step", {}, {"added"}),
        ("expert_types", {}, {"lora", "full"}),
        ("plan", {"_CONFIGURATIONS": {"last:4": {}}}, {"last:4"}),
        ("decode", _DECODED, {"float32", "bfloat16"}),
        ("layer", _LAYER, {"scaling", "efficiency", "blocks", "one_hot"}),
        ("upcycle", _UPCYCLED, {"hybrid_bytes", "base_bytes", "peak_bytes", "empty_interpreter_bytes"}),
        ("neighbours", {}, {"a right program", "blank lines", "digits", "byte by byte"}),
    ],
)
def test_a_script_runs_to_its_end(measured, name, constants, measures):
    results = measured(name, **constants)["results"]
    assert measures <= results.keys()
    assert all(results.values())


@pytest.mark.extended
def test_packs_measures_every_kind_of_pack(measured, world):
    recipe = {"base": str(world.base), "train.packing": "windows"}
    results = measured("packs", DEMO_RECIPE=recipe, _ROW_TOKENS=32, _LAYER=1)["results"]
    assert set(results["ratios"]["forward"]) == set(results["tokens_per_s"]) - {"LoRA, this project", "LoRA, TRL"}


@pytest.mark.extended
def test_serving_measures_every_way_and_writes_its_tables(measured, tmp_path):
    base = save_dense(tmp_path / "base")
    page = tmp_path / "page.md"
    begins = [
        f"<!-- {name}: written by benchmarks/serving.py -->\n<!-- end of {name} -->" for name in ("homes", "ways")
    ]
    page.write_text("\n".join(["before", *begins, "after"]))
    small = {"_TEXT_TOKENS": 60, "_NEW_TOKENS": 4, "DEMO_RECIPE": {"base": str(base)} | _TINY}
    rows = measured("serving", "--page", str(page), **small)["results"]["rows"]
    assert len(rows) == 2 * 5
    assert {row["way"] for row in rows if row["model"] == "tiny qwen2"} == {
        *("`ernie4_5_moe`", "GGUF BF16", "GGUF Q8_0", "GGUF Q6_K", "GGUF Q4_K_M")
    }
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter")
    assert "| `phi3` | its matrices" in text
    assert text.count("\n| tiny llama |") == 5


def test_startup_runs_every_verb_and_some_refusals(measured):
    results = measured("startup", processor_seconds=lambda arguments, folder: float(len(arguments)))["results"]
    assert {"an interpreter alone", "--version", "train --help", "an unknown recipe key"} <= results["timings"].keys()


@pytest.mark.extended
def test_causality_finds_a_causal_model_equal_to_itself_step_by_step(measured, world, tmp_path):
    arguments = str(world.corpus), f"tiny={world.hybrid}", "--work", str(tmp_path / "work")
    stored = measured("causality", *arguments)
    assert stored["results"]["models"]["tiny"]["is_causal"]
    assert all(target["met"] for target in stored["targets"])
    assert (tmp_path / "result.png").is_file()


@pytest.mark.extended
def test_domain_gate_and_gate_shut_measure_what_it_lets_through(measured, world, gated, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "syntax.vim").write_text("syntax keyword vimTodo contained TODO FIXME XXX\n" * 20)
    arguments = str(gated), "--corpus", str(world.corpus)
    plot = str(tmp_path / "frontier.png")
    results = measured("domain_gate", *arguments, "--plot", plot, _STARTS=(0.0, 0.75), _BOUNDS=(0.9,))["results"]
    assert [point["start"] for point in results["frontier"]] == [0.0, 0.75, 0.75, None]
    assert all(point["keep"]["change"] == pytest.approx(0, abs=1e-6) for point in results["frontier"])  # not trained
    assert (tmp_path / "frontier.png").is_file()
    found = measured("gate_prompts", *arguments)["results"]["found"]
    assert found.keys() == {
        *(f"short, {name}" for name in ("rust", "go", "ruby", "other")),
        *(f"problem, {name}" for name in ("python", "java", "cpp", "rust", "go", "ruby")),
    }
    assert all(counts["as told"] == counts["by what is before"] == 2 for counts in found.values())  # not trained
    results = measured("gate_shut", *arguments, "--folder", str(tmp_path / "more"), _NEW_TOKENS=3)["results"]
    assert results["exact"].keys() == {"python", "english"}
    assert results["p"]["rust"]["p"] > 0.5 > results["p"]["python"]["p"]
    assert results["p"]["Vim"]["texts"] == 1
    assert results["decoding"].keys() == {"float32", "bfloat16"}
    assert all(part["share_of_base"].keys() == {"prompt", "after it", "all"} for part in results["decoding"].values())


@pytest.mark.extended
def test_pack_languages_counts_in_which_language_each_model_writes(measured, world, gated):
    found = measured("pack_languages", str(world.corpus), str(gated / "model"))["results"]["found"]
    assert list(found) == ["the files", "base", str(gated / "model")]
    assert {one["texts"] for counts in found.values() for one in counts.values()} == {2}
    assert found["base"] == found[str(gated / "model")]  # not trained


@pytest.mark.extended
def test_gate_switches_measures_what_opens_and_shuts_it(measured, world, gated):
    rust, python = (source_text(name, 901)[:400] for name in ("rust", "python"))
    Text = importlib.import_module("gate_texts").Text
    joined = {
        "files": Text("rust", "a.rs", rust, 0, 400),
        "other": Text("Lua", "a.lua", python, 0, 400),
        "relatives": Text("Crystal", "a.cr", rust, 0, 400),
        "python, then": Text("rust", "b", python + rust, 400, 800),
        "then python": Text("python", "c", rust + python, 400, 800),
    }
    sets = {name: [text] for name, text in joined.items()}
    arguments = str(gated), "--corpus", str(world.corpus)
    results = measured("gate_switches", *arguments, texts=lambda: sets, LEARN=["rust"])["results"]
    assert results["opens"]["python, then"].keys() == {"median", "p90", "never", "texts"}
    assert 0 < results["opens"]["python, then"]["median"] < 200
    assert results["shuts"]["then python"]["never"] == 0
    assert results["applications"]["rust"] > 0.9 > 0.1 > results["others"]["Lua"]
    assert results["relatives"] == {"Crystal": results["applications"]["rust"]}
    assert results["gain"]["files"].keys() == {"as it is", "open", "share"}


@pytest.mark.extended
def test_front_measures_what_a_choice_a_request_keeps_and_loses_none(measured, world, tmp_path):
    arguments = [str(tmp_path / "rust"), "--corpus", str(world.corpus)]
    for name in ("rust", "go"):
        moe = {"preset": "single", "languages": [name], "type": "lora", "rank": 2, "segment_window": None}
        moe |= {"num_token_experts": None, "num_segment_experts": None}
        recipe = tiny_recipe(world.base, world.sources, moe=moe)
        upcycle(recipe, tmp_path / name / "model", corpus=world.corpus)
        (tmp_path / name / "recipe.yaml").write_text(recipe.to_yaml())
        write_pack(tmp_path / name / "model", tmp_path / f"{name}-pack")
        arguments += ["--pack", f"{name}={tmp_path / name}-pack"]
    Text = importlib.import_module("gate_texts").Text
    rust, go = (source_text(name, 901)[:400] for name in ("rust", "go"))
    sets = {
        "files": [Text("rust", "a.rs", rust, 0, 400), Text("go", "b.go", go, 0, 400)],
        "other": [Text("Lua", "a.lua", "local x = 1\n" * 20, 0, 240)],
        "chat fenced": [Text("rust", "c", f"In Rust:\n\n```rust\n{rust}", 18, 418)],
        "chat plain": [Text("rust", "c", f"In Rust:\n\n{rust}", 10, 410)],
    }
    results = measured("front", *arguments, texts=lambda: sets, LEARN=["rust"], _AT_ONCE=8, _ROUNDS=1)["results"]
    assert results["at_once"]["lost"] == 0
    assert results["share"].keys() == {"files", "chat fenced", "chat plain"}


@pytest.mark.extended
def test_corpus_compares_a_build_with_the_plain_pipeline(measured, world):
    results = measured("corpus", "--tokenizer", str(world.base), _QUICK_MEGABYTES=0.2)["results"]
    (stages,) = results["stages_s"]
    assert results["ratio"] == pytest.approx(sum(stages.values()) / results["plain_s"][0])
    assert any("reader" in step.lower() for step in results["steps_s"])


@pytest.mark.extended
@pytest.mark.parametrize("files", ["small_bench", pytest.param("bench", marks=pytest.mark.third_party)])
def test_scoring_passes_reference_solutions_in_both_ways(measured, tmp_path, monkeypatch, files, request):
    (tmp_path / "humaneval-x").mkdir()
    for language in ("python", "rust"):
        name = f"humaneval-x/{language}.jsonl.gz"
        shutil.copy(request.getfixturevalue(files) / name, tmp_path / name)
    monkeypatch.setenv("MULTIPL_MOE_BENCH", str(tmp_path))
    results = measured("scoring", "--workers", "1", _QUICK_PROBLEMS=2)["results"]
    for language in ("python", "rust"):
        counts = {key: results[language][key] for key in ("programs", "passed", "passed_plain")}
        assert counts == dict.fromkeys(counts, 2)


@pytest.mark.extended
def test_scoring_compares_with_another_checkout(measured, small_bench):
    folder = str(small_bench / "humaneval-x/python.jsonl.gz")
    results = measured("scoring", "--data", folder, "--against", str(_FOLDER.parent), _ROUNDS=1)["results"]
    assert results["python"]["passed"] == results["all"]["passed"] == {"this": 1, "other": 1}
    assert results["all"]["processor_s"]["this"]["repeats"] == 1


@pytest.mark.extended
@pytest.mark.usefixtures("bubblewrap")
def test_cases_compares_with_a_sandbox_a_case(measured, monkeypatch):
    monkeypatch.setattr(Sandbox, "shares", True)
    results = measured("cases")["results"]
    assert set(results) == {"lua", "python", "cpp", "ruby", "go", "rust"}
    assert all(
        found["shared"]["cpu_s"]["repeats"] == found["alone"]["cpu_s"]["repeats"] == 1 for found in results.values()
    )


def test_scoring_without_a_folder_says_where_to_get_it(measured, monkeypatch, capsys):
    monkeypatch.delenv("MULTIPL_MOE_BENCH", raising=False)
    with pytest.raises(SystemExit, match="2"):
        measured("scoring")
    assert "give --data FOLDER, or set MULTIPL_MOE_BENCH (CONTRIBUTING.md says how)" in capsys.readouterr().err


@pytest.mark.extended
def test_toolchains_builds_the_recipe_in_a_process_of_its_own(measured, world, tmp_path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(f"base: {world.base}\nlearn: [rust]\nkeep: [python]\n")
    local = measured("toolchains", "--executors", "local", RECIPE=recipe, _QUICK_BYTES=300_000)["results"]["local"]
    assert len(local["sha256"]) == 64
    assert local["num_processes"] >= 1
    assert local["peak_bytes"] > 10e6
    assert local["output_bytes"] > 0


def test_a_quick_run_stores_nothing_unless_it_is_told_where(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(_FOLDER)
    harness = importlib.import_module("harness")
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    parser = harness.options_parser("what it measures", quick="few repeats")
    assert harness.record("one", {}, [], repeats=1, options=parser.parse_args(["--quick"])) is None
    assert list(tmp_path.iterdir()) == []
    assert harness.record("one", {}, [], repeats=1, options=parser.parse_args([])) == tmp_path / "one.json"


def test_intervals_keep_their_word_at_few_tasks(measured):
    result = measured("intervals")
    for setting in result["results"]["settings"]:
        assert max(setting["said_of_one_model"], setting["said_of_two_equal_models"]) < 0.1  # 0.065, and chance
        assert min(setting["rate_covered"], setting["difference_covered"]) > 0.9
        assert setting["narrowest"] > 0.001
