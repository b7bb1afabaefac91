"""The demo from end to end on the tiny world: whole, again, interrupted, refused, too short, and without a gain."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.demo import steps as module
from multipl_moe.demo.plan import DemoPlan
from multipl_moe.demo.steps import Demo
from multipl_moe.errors import ConfigError, OutputError
from multipl_moe.eval.outcome import has_gain
from multipl_moe.explore.explorer import Explorer
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.report.continuations import CONTINUATIONS_FILE, Continuation
from multipl_moe.runs.result import RunResult
from tests.fixtures import interrupt
from tests.train.tiny import World, tensors, tiny_recipe, with_train

# The function of each step, as the demo calls it, and the step's title.
_STEPS = {
    "build_corpus": "corpus",
    "measure_throughput": "speed of training",
    "upcycle": "upcycle",
    "score_folder": "bits per byte of the base",
    "train_in_held_folder": "training",
    "router_health": "measures of the new model",
    "write_report": None,
}
# What a run folder holds from its first moment, and what is made from the moment on that a function is called.
_FIRST = {"recipe.yaml", "environment.json"}
_MADE = {
    "build_corpus": {"corpus"},
    "measure_throughput": {"plan.json"},
    "upcycle": {"hybrid"},
    "score_folder": {"scores_before.json"},
    "train_in_held_folder": {"metrics.jsonl", "model", "training.json"},
    "router_health": {"scores_after.json", "reading.json", "programs_before", "programs_after", CONTINUATIONS_FILE},
    "write_report": {"report.html", "gain.png", "metrics.json"},
}
_OUTPUTS = _FIRST.union(*_MADE.values())


@pytest.fixture(scope="module", autouse=True)
def an_idle_machine():
    """Runs of any moment compute alike, to the bit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "leave_busy_processors", lambda: None)
        yield


def _run(recipe: Recipe, output: Path, minutes: float | None = None) -> tuple[RunResult, str]:
    told = io.StringIO()
    return Demo(recipe, output, minutes, Console(file=told, width=200)).run(), told.getvalue()


def _run_to(function: str, recipe: Recipe, output: Path, minutes: float | None = None) -> str:
    """What a run tells that is interrupted where the demo calls a function."""
    told = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, function, interrupt)
        with pytest.raises(KeyboardInterrupt):
            Demo(recipe, output, minutes, Console(file=told, width=200)).run()
    return told.getvalue()


def _contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.fixture(scope="module")
def finished(world: World, tmp_path_factory) -> tuple[Path, RunResult, str]:
    """A whole demo: its folder, what it returned and what it told."""
    folder = tmp_path_factory.mktemp("demo") / "deep" / "run"
    return folder, *_run(world.recipe, folder)


@pytest.fixture
def begun(finished, world: World, tmp_path: Path) -> Callable[[str], Path]:
    """Makes a copy of the finished run without what a function and those after it made."""

    def begun(function: str) -> Path:
        later = set().union(*list(_MADE.values())[list(_MADE).index(function) :])
        left_out = {str(finished[0]): later}
        shutil.copytree(finished[0], tmp_path / "run", ignore=lambda folder, _: left_out.get(str(folder), set()))
        if "plan.json" in later:  # the recipe is as it was asked for
            (tmp_path / "run" / "recipe.yaml").write_text(world.recipe.to_yaml())
        return tmp_path / "run"

    return begun


def test_whole_demo_leaves_every_output_and_tells_each_step_what_trains_and_the_result(finished, world: World):
    folder, _, told = finished
    assert {path.name for path in folder.iterdir()} == _OUTPUTS
    assert all((folder / f"programs_{when}" / "problems.html").is_file() for when in ("before", "after"))
    assert load_recipe(folder / "recipe.yaml") == _plan(folder).applied_to(world.recipe)
    assert list(CorpusManifest.load(folder / "corpus").languages) == ["rust", "go", "python", "english"]
    assert load_hybrid(folder / "model").config.moe_config.layers == [1, 2]
    titles = [title for title in _STEPS.values() if title]
    facts = ["What trains", "largest difference of a logit", "no frozen parameter changed", "routers: token loads"]
    facts += ["moved by ", "Bits per byte: how many bits the model needs", "\nLearnt: Rust and Go need "]
    shown = ["Bits per byte on held-out files", f"report: {folder / 'report.html'}", f"model: {folder / 'model'}"]
    assert [part for part in (*titles, *facts, *shown) if part not in told] == []


def test_metrics_are_valid_and_are_what_was_returned(finished):
    folder, metrics, _ = finished
    read = json.loads((folder / "metrics.json").read_text())
    assert read == metrics.to_json()
    assert (read["tokens"], read["seed"], _plan(folder).tokens) == (1536, 3, 1536)
    assert read["seconds"] > 0
    parameters = read["parameters"]
    assert 0 < parameters["trained"] < parameters["total"] > parameters["active"]
    assert set(read["languages"]) == {"rust", "go", "python", "english"}
    for row in read["languages"].values():
        low, high = row["interval"]
        assert low <= row["change"] <= high
        assert row["bpb_after"] / row["bpb_before"] - 1 == pytest.approx(row["change"])
    assert read["means"]["learn"]["change"] < 0
    assert set(read["moved"]) >= {"answers", "kept"}
    assert read["moved"]["answers"]["nats_per_token"] > 0


def test_both_models_go_on_from_prompts_in_two_languages_to_learn_and_one_to_keep(finished, world: World):
    folder, _, told = finished
    found = [Continuation.from_json(one) for one in json.loads((folder / CONTINUATIONS_FILE).read_text())]
    assert [one.language for one in found] == ["Rust", "Go", "Python"]
    explorer = Explorer.load(folder / "model", world.recipe.base)
    for one in found:
        written = [[*explorer.complete(one.prompt, base=base, max_new_tokens=40)][-1] for base in (True, False)]
        assert written == [one.base, one.hybrid]
        assert one.title in told
        assert f"<h3>{one.title}</h3>" in (folder / "report.html").read_text()


def test_second_start_does_nothing_and_shows_the_result(finished, world: World, monkeypatch: pytest.MonkeyPatch):
    folder, metrics, told = finished
    before = _contents(folder)
    for function in (*_STEPS, "resolve_base"):
        monkeypatch.setattr(module, function, _never)
    again, told_again = _run(world.recipe, folder)
    assert again == metrics
    assert _contents(folder) == before
    assert "holds a finished run" in told_again
    assert told_again.splitlines()[1:] == told.splitlines()[-len(told_again.splitlines()) + 1 :]


def _never(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError("a step ran that was done before")


@pytest.mark.extended
def test_a_demo_interrupted_in_every_step_goes_on_where_it_stopped(finished, world: World, tmp_path, monkeypatch):
    folder, made, done, num_done = tmp_path / "run", {*_FIRST}, {}, iter((0, 0, 1, 2, 3, 4, 5, 9))
    for number, (function, outputs) in enumerate(_MADE.items()):
        if function == "router_health":
            _interrupt_between_saving_the_model_and_noting_it(world.recipe, folder)
        with monkeypatch.context() as patch:
            for name in list(_STEPS)[: max(number - 1, 0)]:
                patch.setattr(module, name, _never)
            told = _run_to(function, world.recipe, folder)
        assert told.count("done before") == next(num_done), function
        assert {path.name for path in folder.iterdir()} == made, function
        _assert_kept(done, folder)
        done, made = _contents(folder), made | outputs
    for name in set(_STEPS) - {"write_report"}:
        monkeypatch.setattr(module, name, _never)
    metrics, told = _run(world.recipe, folder)
    assert told.count("done before") == next(num_done)
    _assert_kept(done, folder)
    assert {path.name for path in folder.iterdir()} == _OUTPUTS
    assert metrics.languages == finished[1].languages
    assert metrics.frozen_sha256 == finished[1].frozen_sha256
    ours, theirs = tensors(folder / "model"), tensors(finished[0] / "model")
    assert all(tensor.equal(theirs[name]) for name, tensor in ours.items())


def _interrupt_between_saving_the_model_and_noting_it(recipe: Recipe, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("multipl_moe.train.trainer.TrainResult.write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _run(recipe, folder)
    assert (folder / "model").is_dir()
    assert not (folder / "training.json").exists()


def _assert_kept(done: dict[str, tuple[int, bytes]], folder: Path) -> None:
    """The files of steps that were done are as they were; recipe and environment are written at each start."""
    now = _contents(folder)
    assert [name for name in done if name not in _FIRST and now[name] != done[name]] == []


def test_another_recipe_other_tokens_or_minutes_in_the_same_folder_are_refused(finished, world: World):
    folder, before = finished[0], _contents(finished[0])
    for change in ({"seed": 4}, {"learn": ["rust"]}, {"base": "another/model"}):
        with pytest.raises(OutputError, match=r"a run of another recipe \(.*\); choose another folder"):
            _run(world.recipe.model_copy(update=change), folder)
    with pytest.raises(OutputError, match=r"another recipe \(train\.tokens: \d+ there, 999 here\).*--output"):
        _run(with_train(world.recipe, tokens=999), folder)
    with pytest.raises(OutputError, match=r"a run without --minutes; .*--output"):
        _run(world.recipe, folder, minutes=5)
    assert _contents(folder) == before


def test_an_empty_folder_is_taken_a_busy_machine_told_and_another_recipe_in_an_unfinished_run_refused(
    world, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "leave_busy_processors", lambda: "one thread here")
    assert "one thread here" in _run_to("build_corpus", world.recipe, tmp_path)
    assert (tmp_path / "recipe.yaml").is_file()
    (tmp_path / ".corpus.partial").mkdir()
    with pytest.raises(OutputError, match="another recipe"):
        _run(with_train(world.recipe, learning_rate=0.5), tmp_path)


# Minutes


def _plan(folder: Path) -> DemoPlan:
    return DemoPlan(**json.loads((folder / "plan.json").read_text())["plan"])


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is said to train 20 tokens a second."""
    monkeypatch.setattr(module, "measure_throughput", lambda *args: 20.0)


def _long(recipe: Recipe) -> Recipe:
    return with_train(recipe, tokens=100_352)


@pytest.mark.usefixtures("slow")
def test_minutes_shorten_training_which_an_interrupted_demo_keeps(begun, world: World, monkeypatch: pytest.MonkeyPatch):
    folder, recipe = begun("measure_throughput"), _long(world.recipe)
    _run_to("train_in_held_folder", recipe, folder, minutes=60)
    plan = _plan(folder)
    assert 30_720 <= plan.tokens < 20 * 60 * 60
    assert load_recipe(folder / "recipe.yaml") == plan.applied_to(recipe)
    monkeypatch.setattr(module, "measure_throughput", _never)
    _run_to("train_in_held_folder", recipe, folder, minutes=60)
    assert _plan(folder) == plan


@pytest.mark.usefixtures("slow")
def test_too_few_minutes_are_refused_before_anything_is_scored_and_what_is_done_stays(begun, world: World):
    folder, recipe = begun("measure_throughput"), _long(world.recipe)
    names = {path.name for path in folder.iterdir()}
    with pytest.raises(ConfigError, match=r"--minutes: at 20 tokens/s .* minutes .* 30,720; .*--tokens"):
        _run(recipe, folder, minutes=1)
    assert {path.name for path in folder.iterdir()} == names


@pytest.mark.usefixtures("slow")
def test_other_tokens_and_minutes_are_planned_anew_until_something_is_scored(begun, world: World, monkeypatch):
    folder, others = begun("score_folder"), with_train(world.recipe, tokens=30_720)
    for function in ("build_corpus", "upcycle"):
        monkeypatch.setattr(module, function, _never)
    _run_to("measure_throughput", others, folder, minutes=60)
    assert not (folder / "plan.json").exists()
    assert load_recipe(folder / "recipe.yaml") == others
    _run_to("score_folder", others, folder, minutes=60)
    assert (_plan(folder).tokens, _plan(folder).minutes) == (30_720, 60)
    (folder / "scores_before.json").write_text("{}")
    with pytest.raises(OutputError, match="another recipe"):
        _run(world.recipe, folder, minutes=60)


def test_programs_that_take_long_are_left_out(begun, world: World, monkeypatch: pytest.MonkeyPatch):
    folder, recipe = begun("write_report"), world.recipe.with_settings("codegen", num_samples=1_000, temperature=1.0)
    (folder / "plan.json").unlink()
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    for when in ("before", "after"):
        shutil.rmtree(folder / f"programs_{when}")
    monkeypatch.setattr(module, "judge_local_model", _never)
    _run_to("write_report", recipe, folder)
    assert _plan(folder).problems_per_language == 0
    assert not (folder / "programs_before").exists()


def test_the_hybrid_writes_no_programs_where_the_base_took_too_long(begun, world: World, monkeypatch):
    folder = begun("write_report")
    shutil.rmtree(folder / "programs_after")
    (folder / "programs_before" / "seconds.json").write_text("9999")
    monkeypatch.setattr(module, "judge_local_model", _never)
    metrics, told = _run(world.recipe, folder)
    assert "those of the hybrid are left out, as the base's took 167 minutes" in told
    assert metrics.programs is None


# No gain


def test_a_demo_without_a_gain_says_so_and_why_in_its_first_line(begun, world: World):
    folder = begun("write_report")
    after = json.loads((folder / "scores_after.json").read_text())
    before = json.loads((folder / "scores_before.json").read_text())
    (folder / "scores_after.json").write_text(json.dumps(after | {"files": before["files"]}))
    metrics, told = _run(world.recipe, folder)
    why = "1,536 tokens are too few; train on 30,720 or more (--tokens, TOKENS=) in another folder (--output, OUTPUT=)."
    begin = f"No gain was shown. {why} Nothing learnt: "
    assert (metrics.sentence or "").startswith(begin)
    assert next(iter(json.loads((folder / "metrics.json").read_text()))) == "sentence"
    assert f"\n{begin}" in told
    page = (folder / "report.html").read_text()
    assert f"<h1>No gain was shown.</h1>\n<ul>\n<li>{why}</li>\n<li>Nothing learnt: " in page
    assert not has_gain(world.recipe, metrics)


@pytest.mark.parametrize(
    "preset", ["pack", *(pytest.param(preset, marks=pytest.mark.extended) for preset in ("single", "token-only"))]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_other_presets_reach_the_report(finished, world: World, tmp_path: Path, monkeypatch, preset: str):
    monkeypatch.setattr(module, "build_corpus", lambda *args: shutil.copytree(finished[0] / "corpus", args[2]))
    routes = preset == "token-only"
    moe = {"preset": preset, "languages": [] if routes else None, "num_segment_experts": None, "rank": 4}
    recipe = tiny_recipe(world.base, world.sources, moe=moe, train={"tokens": 1280})
    metrics, _ = _run(recipe, tmp_path / "run")
    assert (tmp_path / "run" / "report.html").is_file()
    assert (metrics.router_health is not None) == routes
    if not routes:  # without a router there is no routing to tell
        assert metrics.routing == {}
        return
    assert "segment_load" not in next(iter(metrics.routing["rust"].values()))
