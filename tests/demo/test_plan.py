"""What a demo plans on machines of every speed: never too little to show something, and never in silence."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multipl_moe.demo.plan import FEWEST_TOKENS, describe_plan, plan_demo, require_steps, why_no_gain
from multipl_moe.demo.recipe import DEMO_RECIPE
from multipl_moe.errors import ConfigError
from multipl_moe.eval.outcome import Outcome
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.system.minute_lines import minutes_of
from multipl_moe.train.setup import TrainingSetup

_STEP = 1024
_RECIPE = load_recipe(None, DEMO_RECIPE)
_STEPS = {
    *("upcycle", "bits per byte of the base", "search for the learning rate", "training", "calibration"),
    *("measures of the new model", "router health", "moved", "what both write", "programs of base and hybrid"),
}
# From float32 alone on a busy machine to a small GPU; what came before takes the longer the slower a machine is.
_speeds = st.floats(20, 5000)
_used = st.floats(0, 3000)
_tokens = st.integers(10 * _STEP, 2_000_000)


def _of(tokens: int = _RECIPE.train.tokens, changes: Mapping[str, Any] | None = None) -> Recipe:
    recipe = load_recipe(None, DEMO_RECIPE | dict(changes)) if changes else _RECIPE
    return recipe.with_settings("train", tokens=tokens)


@settings(max_examples=25)
@given(tokens=_tokens, speed=_speeds, used_s=_used, minutes=st.none() | st.floats(1, 600))
def test_minutes_only_shorten_never_below_the_floor_and_never_in_silence(tokens, speed, used_s, minutes):
    recipe = _of(tokens)
    floor = plan_demo(_of(min(tokens, FEWEST_TOKENS)), tokens_per_s=speed, used_s=used_s)
    if minutes is not None and floor.total_s > 60 * minutes:
        needed = re.escape(minutes_of(floor.total_s))
        with pytest.raises(ConfigError, match=f"--minutes: .* the demo takes {needed} .*--tokens"):
            plan_demo(recipe, tokens_per_s=speed, used_s=used_s, minutes=minutes)
        return
    plan = plan_demo(recipe, tokens_per_s=speed, used_s=used_s, minutes=minutes)
    assert min(FEWEST_TOKENS, tokens) <= plan.tokens <= tokens
    assert minutes is None or plan.total_s <= 60 * minutes
    assert minutes is not None or plan.tokens == tokens
    if plan.tokens < tokens:
        more = plan_demo(_of(plan.tokens + _STEP), tokens_per_s=speed, used_s=used_s)
        assert more.total_s > 60 * (minutes or 0), "as many tokens as the minutes allow"
    told = "\n".join(describe_plan(recipe, plan, Path("runs/mine")))
    assert ("do not suffice" in told) == (plan.tokens < tokens)
    assert ("may not show" in told) == (plan.tokens < FEWEST_TOKENS)
    assert ("programs are left out" in told) == (plan.problems_per_language == 0)
    setup = TrainingSetup.of(plan.applied_to(recipe))
    assert setup.steps >= 10
    assert 1 <= setup.warmup_steps < setup.steps


@settings(max_examples=25)
@given(few=_tokens, more=_tokens, speed=_speeds, used_s=_used)
def test_the_estimate_grows_with_the_tokens_and_covers_every_step(few: int, more: int, speed: float, used_s: float):
    few, more = sorted((few, more))
    short, long = (plan_demo(_of(tokens), tokens_per_s=speed, used_s=used_s) for tokens in (few, more))
    assert short.total_s <= long.total_s
    for plan in (short, long):
        steps = _STEPS if plan.problems_per_language else _STEPS - {"programs of base and hybrid"}
        assert set(plan.work) == steps
        assert plan.work["training"] == plan.tokens
        assert plan.total_s == pytest.approx(used_s + sum(plan.work.values()) / speed)
        assert plan.total_s > used_s + plan.tokens / speed


@settings(max_examples=25)
@given(tokens=_tokens, speed=_speeds, used_s=_used, problems=st.integers(1, 200), new_tokens=st.integers(1, 512))
def test_programs_are_a_taste_and_calibration_is_in_proportion(tokens, speed, used_s, problems, new_tokens):
    recipe = _of(tokens).with_settings("programs", problems_per_language=problems)
    recipe = recipe.with_settings("codegen", max_new_tokens=new_tokens)
    plan = plan_demo(recipe, tokens_per_s=speed, used_s=used_s)
    assert plan.work.get("programs of base and hybrid", 0) / speed <= max(plan.total_s / 10, 30) * (1 + 1e-9)
    assert plan.problems_per_language in range(problems + 1)
    assert plan.calibration_tokens <= min(plan.tokens / 6, recipe.train.calibration_tokens)


def _of_own_problems(file: Path, asked: int | None = None) -> Recipe:
    """A recipe of 40 problems in Rust and one in Go."""
    rows = [{"id": str(number), "language": "rust", "prompt": "fn f() {", "tests": "f()"} for number in range(40)]
    rows.append(rows[0] | {"language": "go"})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = {"programs.benchmarks": [str(file)], "programs.languages": None}
    return _of(changes=own | {"programs.problems_per_language": asked})


def test_all_problems_of_one_s_own_are_judged_where_there_is_time_or_after_a_practice(tmp_path: Path):
    recipe = _of_own_problems(tmp_path / "mine.jsonl")
    plan = plan_demo(recipe, tokens_per_s=390, used_s=30)
    assert plan.applied_to(recipe).programs.problems_per_language is None
    assert not any("programs" in line for line in describe_plan(recipe, plan, Path("runs/mine")))
    practised = recipe.with_settings("codegen", num_samples=50).with_settings("practice", tasks=["tasks.jsonl"])
    plan = plan_demo(practised, tokens_per_s=390, used_s=30)
    assert (plan.problems_per_language, plan.programs_s) == (None, plan.total_s), "however long they take"


@pytest.mark.parametrize("asked", [None, 38])
def test_fewer_problems_than_asked_for_are_told_with_what_judges_all(tmp_path: Path, asked: int | None):
    recipe = _of_own_problems(tmp_path / "mine.jsonl", asked).with_settings("codegen", num_samples=50)
    plan = plan_demo(recipe, tokens_per_s=390, used_s=30)
    fewer = plan.problems_per_language
    assert fewer is not None
    assert 0 < fewer < 38
    assert plan.applied_to(recipe).programs.problems_per_language == fewer
    *_, told = describe_plan(recipe, plan, Path("runs/mine"))
    assert f"the first {fewer} problems" in told
    assert "eval runs/mine-programs --recipe runs/mine/recipe.yaml --model runs/mine/model --set " in told
    assert f"--set programs.problems_per_language={'null' if asked is None else 38}`" in told


def test_each_problem_counts_once_in_the_languages_that_have_it(tmp_path: Path):
    def seconds(asked: int, languages: list[str] | None) -> float:
        recipe = _of_own_problems(tmp_path / "mine.jsonl", asked).with_settings("programs", languages=languages)
        return plan_demo(recipe, tokens_per_s=390, used_s=30).total_s

    of_go = [seconds(asked, None) - seconds(asked, ["rust"]) for asked in (1, 5)]
    assert of_go[0] == pytest.approx(of_go[1]), "Go has one problem, however many are asked for"


def test_an_upcycle_that_came_before_source_text_is_not_counted_again():
    recipe = _RECIPE.with_settings("practice", tasks=["tasks.jsonl"])
    recipes = recipe, recipe.with_settings("practice", source_tokens=30_720)
    with_upcycle, without = (plan_demo(each, tokens_per_s=390, used_s=30) for each in recipes)
    assert with_upcycle.total_s - without.total_s == pytest.approx(10)


def test_a_benchmark_that_is_not_here_does_not_keep_a_demo_from_being_planned():
    plan = plan_demo(_of(changes={"programs.benchmarks": ["none.jsonl"]}), tokens_per_s=390, used_s=30)
    assert plan.problems_per_language == 3, "where they are to be judged, why not is told"


@pytest.mark.usefixtures("tables")
def test_a_demo_of_an_own_language_judges_most_of_its_problems(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    recipe = load_recipe(Path("recipes/own-language.yaml"))
    judged = plan_demo(recipe, tokens_per_s=390, used_s=30).problems_per_language
    assert judged is None or judged >= 7


@pytest.mark.parametrize("speed_and_before", [(390, 30), (136, 40), (72, 150)], ids=["bfloat16", "float32", "busy"])
def test_most_of_the_time_is_spent_on_training_and_a_slow_machine_is_told_what_takes_less(speed_and_before):
    speed, used_s = speed_and_before
    plan = plan_demo(_RECIPE, tokens_per_s=speed, used_s=used_s)
    assert plan.work["training"] / sum(plan.work.values()) > 0.6
    assert plan.work["training"] / speed > plan.total_s / 2
    first, *more = describe_plan(_RECIPE, plan, Path("runs/mine"))
    assert f"about {math.ceil(plan.total_s / 60)} minutes" in first
    shorter = [line.partition(" (TOKENS")[0] for line in more if "needs about" in line]
    assert shorter == {390: [], 136: ["--tokens 85000"], 72: ["--tokens 30720"]}[speed]


def test_large_batches_have_a_floor_in_steps():
    recipe = _of(5_000_000, {"train.batch_sequences": 256})
    with pytest.raises(ConfigError, match="655,360"):
        plan_demo(recipe, tokens_per_s=300, used_s=0, minutes=5)
    with pytest.raises(ConfigError, match=r"train\.tokens: 100,352 are fewer than 10 steps"):
        require_steps(_of(changes={"train.batch_sequences": 256}))


def test_why_nothing_was_learnt_names_what_to_change():
    found = _RECIPE.with_settings("train", learning_rate="auto")
    cases: list[tuple[Recipe, Outcome, str]] = [
        (_of(1024), "worse", "1,024 tokens are too few"),
        (_RECIPE, "worse", "lower it"),
        (_RECIPE, "unclear", "train on more"),
        (found, "unclear", "train on more"),
        (found.with_settings("practice", tasks=["tasks.jsonl"]), "better", "practise on more"),
    ]
    for recipe, outcome, advice in cases:
        told = why_no_gain(recipe, outcome)
        assert advice in told
        assert "--output" in told, "the folder of this run is refused"
        assert ("rate" in told) == (recipe is _RECIPE)
