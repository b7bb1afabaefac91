"""A whole comparison on the tiny world: what it leaves, that it goes on, and that its numbers are those of the runs."""

import gzip
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from multipl_moe.compare import run as run_module
from multipl_moe.compare import session as session_module
from multipl_moe.compare.run import read_base_scores, read_scores
from multipl_moe.compare.schema import (
    Run,
    common_recipe,
    comparison_of_recipes,
    load_comparison,
    planned_runs,
)
from multipl_moe.compare.session import ComparisonSession
from multipl_moe.errors import ConfigError, HeldError, OutputError, TrainingError, UserError
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.eval.verdict import VerdictSettings, build_verdict
from multipl_moe.report.comparison_page import write_comparison
from multipl_moe.system.staging import held_folder
from multipl_moe.train.trainer import train_in_held_folder, train_model
from tests.eval.judged import problems, results
from tests.fixtures import interrupt
from tests.report.judged import of_model
from tests.train.conftest import Interrupt
from tests.train.tiny import tensors, with_train

pytestmark = pytest.mark.usefixtures("markdown_alone")


def _session(comparison, output: Path, **options: Any) -> ComparisonSession:
    return ComparisonSession(comparison, output, Console(file=io.StringIO(), width=200), **options)


def _planned(comparison, name: str) -> Run:
    (run,) = [run for run in planned_runs(comparison) if run.name == name]
    return run


@pytest.fixture(scope="module")
def finished(comparison, markdown_alone, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("compare") / "out"
    _session(comparison, output, keep_models=True).run()
    return output


@pytest.fixture(scope="module")
def result(finished: Path) -> dict[str, Any]:
    return json.loads((finished / "comparison.json").read_text())


def test_rows_tell_tokens_parameters_and_changes(result):
    assert len(result["runs"]) == 5
    for run in result["runs"].values():
        assert ("load_ratios" in run) == (run["method"] == "causal")
        assert run["tokens"] == (512 if run["is_long"] else 256)
        assert set(run["means"]) == {"learn", "keep"}
        assert run["compute_dtype"] in ("float32", "bfloat16")
        assert run["moved"]["answers"]["nats_per_token"] > 0
        assert "parts" not in run["moved"]["answers"]
        counts = run["parameters"]
        assert 0 < counts["trained"] < counts["active"] <= counts["total"]
    dense, hybrid = (result["runs"][f"{name}-seed3"] for name in ("dense-ffn-0k-lr0.001", "causal-0k-lr0.01"))
    assert dense["parameters"]["total"] == dense["parameters"]["active"] < hybrid["parameters"]["active"]
    assert hybrid["load_ratios"].keys() == {"token", "segment"}
    assert all(0 <= low <= high for low, high in hybrid["load_ratios"].values())
    assert hybrid["load_ratios"]["token"][0] <= 1 <= hybrid["load_ratios"]["token"][1]


def test_runs_are_those_that_the_commands_would_make(finished: Path, comparison, world, tmp_path: Path):
    run = _planned(comparison, "dense-ffn-0k-lr0.001-seed3")
    again = train_model(run.recipe, world.base, finished / "corpus", tmp_path)
    ours, theirs = tensors(finished / "runs" / run.name / "model"), tensors(again.model_folder)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_questions_are_answered_on_long_runs_or_on_the_curve_at_the_rates_of_both(finished: Path, comparison, result):
    long, short = result["answers"]
    assert (long["tokens"], long["seed"]) == (512, 3)
    low, high = long["means"]["learn"]["interval"]
    assert low <= long["means"]["learn"]["change"] <= high
    assert (short["tokens"], short["seed"]) == (256, 3)
    folders = [finished / "runs" / f"{name}-0k-lr0.001-seed3-curve" for name in ("slow", "dense-ffn")]
    base = read_base_scores(finished / "base")
    ours, theirs = (read_scores(folder, base) for folder in folders)
    means = compare_scores(common_recipe(comparison), theirs, ours).means
    assert short["means"] == {role: mean.to_json() for role, mean in means.items()}


def test_finished_comparison_is_read_from_its_results_alone(finished: Path, comparison, monkeypatch, tmp_path: Path):
    assert {path.name for path in (finished / "runs").iterdir()} == {run.name for run in planned_runs(comparison)}
    monkeypatch.setattr(run_module, "train_in_held_folder", None)
    monkeypatch.setattr(session_module, "write_comparison", write_comparison)
    shutil.copytree(finished, tmp_path / "read", ignore=shutil.ignore_patterns("corpus", "model", "*.md"))
    (tmp_path / "read" / "comparison.json").unlink()
    _session(comparison, tmp_path / "read").run()
    for name in ("comparison.json", "comparison.md"):
        assert (tmp_path / "read" / name).read_bytes() == (finished / name).read_bytes()
    results = {f"comparison{ending}" for ending in (".json", ".md", ".html", ".png", "-rest.png", "-cost.png")}
    assert {path.name for path in (tmp_path / "read").iterdir()} == {"comparison.yaml", "base", "runs"} | results


def test_a_run_that_fails_does_not_stop_the_others_and_how_it_is_saved_may_change_before_it_goes_on(
    finished: Path, comparison, tmp_path: Path, monkeypatch
):
    failing, other = (f"dense-ffn-0k-lr{rate}-seed3-curve" for rate in ("0.001", "0.01"))
    out = shutil.copytree(finished, tmp_path / "out", ignore=shutil.ignore_patterns("model", failing, other))
    runs = {run.name for run in planned_runs(comparison)}

    def fail(recipe, *args, **kwargs):
        if recipe.train.learning_rate == 1e-3 and recipe.train.keep_checkpoints == 2:
            raise TrainingError("step 3: the loss is nan")
        return train_in_held_folder(recipe, *args, **kwargs)

    monkeypatch.setattr(run_module, "train_in_held_folder", fail)
    with pytest.raises(UserError, match=r"dense-ffn-0k-lr0\.001-seed3-curve: step 3"):
        _session(comparison, out, only=["dense-ffn"]).run()
    assert json.loads((out / "comparison.json").read_text())["runs"].keys() == runs - {failing}
    recipe = comparison.recipe | {"train": comparison.recipe["train"] | {"keep_checkpoints": 1}}
    result = _session(comparison.model_copy(update={"recipe": recipe}), out, only=["dense-ffn"]).run()
    assert result.runs.keys() == runs
    assert not [*out.glob("runs/*/model")], "weights stay only with keep_models"


def test_runs_that_another_process_is_at_or_has_finished_meanwhile_are_left_to_it(
    finished: Path, comparison, tmp_path: Path, monkeypatch
):
    out = shutil.copytree(finished, tmp_path / "out", ignore=shutil.ignore_patterns("model"))
    ours, done, held = [f"dense-ffn-0k-lr{end}" for end in ("0.001-seed3-curve", "0.01-seed3-curve", "0.001-seed3")]
    runs = [run.name for run in planned_runs(comparison) if run.method == "dense-ffn"]
    assert set(runs) == {ours, done, held}
    for name in runs:
        (out / "runs" / name / "metrics.json").unlink()
    scored = []

    def compare_beside(*args):
        scored.append(args)
        for name in runs:
            if name != held and not (out / "runs" / name / ".lock").exists():
                shutil.copy(finished / "runs" / name / "metrics.json", out / "runs" / name)
        return compare_scores(*args)

    monkeypatch.setattr(run_module, "compare_scores", compare_beside)
    told = io.StringIO()
    with held_folder(out / "runs" / held):
        result = ComparisonSession(comparison, out, Console(file=told, width=200), only=["dense-ffn"]).run()
    assert len(scored) == 1
    assert held not in result.runs
    assert {ours, done} <= result.runs.keys()
    assert f"{held} is being made by another process" in told.getvalue().replace("\n", " ")


def test_the_base_is_looked_at_again_once_it_is_held_and_held_until_its_programs_are_judged(
    finished: Path, comparison, tmp_path: Path, monkeypatch
):
    judging = comparison.model_copy(update={"programs": True})
    out = shutil.copytree(finished, tmp_path / "out", ignore=shutil.ignore_patterns("model"))
    (out / "comparison.yaml").write_text(judging.to_yaml())
    (out / "base" / "scores.json").unlink()
    (out / "runs" / "slow-0k-lr0.001-seed3-curve" / "metrics.json").unlink()
    judged = []

    def score_first(folder):
        if folder == out / "base":
            shutil.copy(finished / "base" / "scores.json", folder)
        return held_folder(folder)

    def judge(*args, **kwargs):
        with pytest.raises(HeldError), held_folder(out / "base"):
            pytest.fail("entered")
        judged.append(args)

    monkeypatch.setattr(session_module, "held_folder", score_first)
    monkeypatch.setattr(session_module, "score_folder", None)
    monkeypatch.setattr(session_module, "judge_local_model", judge)
    _session(judging, out, only=["slow"]).run()
    assert len(judged) == 1


def test_scores_of_other_held_out_files_are_refused_before_anything_is_trained(
    finished: Path, comparison, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(run_module, "train_in_held_folder", None)
    out = shutil.copytree(finished, tmp_path / "out", ignore=shutil.ignore_patterns("slow-*"))
    file = out / "corpus" / "documents" / "validation" / "go.jsonl.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b" := ", b"  = ")))
    with pytest.raises(OutputError, match=r"base/scores\.json was measured on other held-out files.*new folder"):
        _session(comparison, out).run()


def test_edited_recipe_files_are_another_comparison(world, tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text(with_train(world.recipe, method="dense-ffn").to_yaml())
    output = tmp_path / "out"
    _session(comparison_of_recipes([file], tokens=256), output, only=[]).run()
    _session(comparison_of_recipes([file], tokens=256), output, only=[]).run()
    text = file.read_text()
    file.write_text(re.sub("files_per_language: [0-9]+", "files_per_language: 3", text))
    assert file.read_text() != text
    with pytest.raises(OutputError, match="holds another comparison"):
        _session(comparison_of_recipes([file], tokens=256), output, only=[]).run()


@pytest.mark.extended
def test_wherever_a_run_is_stopped_it_goes_on_to_the_same_numbers(finished, comparison, result, tmp_path, monkeypatch):
    def train_a_step(recipe, *args, callbacks, **kwargs):
        return train_in_held_folder(recipe, *args, callbacks=[*callbacks, Interrupt(0)], **kwargs)

    shutil.copytree(finished, tmp_path / "out", ignore=shutil.ignore_patterns("causal-*"))
    places = (
        ("runs.folder.environment", interrupt),  # while the run's folder is made
        ("compare.run.upcycle", interrupt),
        ("compare.run.train_in_held_folder", train_a_step),
        ("compare.run.load_model", interrupt),
    )
    for place, stopping in places:
        with monkeypatch.context() as patch:
            patch.setattr(f"multipl_moe.{place}", stopping)
            with pytest.raises(KeyboardInterrupt):
                _session(comparison, tmp_path / "out").run()
    again = _session(comparison, tmp_path / "out").run().to_json()["runs"]
    for key in ("tokens", "languages"):
        assert again["causal-0k-lr0.01-seed3"][key] == result["runs"]["causal-0k-lr0.01-seed3"][key]


def test_other_folders_other_settings_and_unknown_methods_are_refused(finished: Path, comparison, tmp_path: Path):
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(OutputError, match="is not a comparison"):
        _session(comparison, tmp_path).run()
    other = comparison.model_copy(update={"tokens": 1024})
    with pytest.raises(OutputError, match="holds another comparison"):
        _session(other, finished).run()
    with pytest.raises(ConfigError, match=r"--only: gpt: no such method; there are causal, dense-ffn"):
        _session(comparison, finished, only=["gpt"])
    out = shutil.copytree(finished, tmp_path / "out", ignore=shutil.ignore_patterns("model", "corpus"))
    file = out / "runs" / "dense-ffn-0k-lr0.001-seed3" / "recipe.yaml"
    file.write_text(file.read_text().replace("warmup_share: 0.05", "warmup_share: 0.1"))
    with pytest.raises(OutputError, match=r"dense-ffn-0k-lr0\.001-seed3 holds a run of other settings"):
        _session(comparison, out, only=[]).run()


def test_methods_and_rates_can_be_added_later(finished: Path, comparison, tmp_path: Path):
    shutil.copytree(finished, tmp_path / "out")
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("runs/*/metrics.json")}
    dense = comparison.methods["dense-ffn"].model_copy(update={"learning_rates": [2e-3]})
    grown = comparison.model_copy(update={"methods": comparison.methods | {"dense-ffn": dense}})
    result = _session(grown, tmp_path / "out").run()
    assert {run.name for run in planned_runs(grown)} <= result.runs.keys()
    assert "dense-ffn-0k-lr0.002-seed3-curve" in result.runs
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert load_comparison(tmp_path / "out" / "comparison.yaml") == grown


def test_programs_of_a_new_run_are_judged_though_the_base_is_there_in_its_stored_form_alone(
    finished: Path, comparison, world, tmp_path: Path, monkeypatch
):
    asked, asked_of_go = [], problems("go", 4)

    def judge(recipe, model, name, output, *, against, options):
        asked.append((name, against))
        output.mkdir()
        verdict = build_verdict(asked_of_go, results(asked_of_go, "pwpc"), VerdictSettings(roles={"go": "learn"}))
        of_model(verdict).write(output / "metrics.json")

    monkeypatch.setattr(run_module, "judge_local_model", judge)
    shutil.copytree(finished, tmp_path / "out")
    run = _planned(comparison, "dense-ffn-0k-lr0.001-seed3")
    base, folder = tmp_path / "out" / "base", tmp_path / "out" / "runs" / run.name
    (base / "programs").mkdir()
    (base / "programs" / "metrics.json").write_text("{}")
    carried = run_module.RunFolder(run, tmp_path / "out", world.base, Console(file=io.StringIO()))
    carried.finish(programs=True, keep_model=True)
    assert asked == [(run.name, None)]
    passed = json.loads((folder / "metrics.json").read_text())["programs"]
    solved = {"title": "Go", "role": "learn", "tasks": 4, "pass_at_1": 0.5, "parses_or_compiles": 0.75}
    assert passed == {"languages": {"go": solved}}
