"""What a demo trains on and how long it takes here, decided before anything is spent on it.

What a model reads and writes is counted in tokens of training that take as long, so that the measured speed of training
tells the rest. What these are worth was taken from a run on two cores with bfloat16, alone and beside other work; it
holds for other machines as far as they do everything slower or faster alike.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from multipl_moe.data.mixture_dataset import require_an_order
from multipl_moe.demo.continuations import NEW_TOKENS, NUM_PROMPTS
from multipl_moe.errors import ConfigError
from multipl_moe.eval.eval_set import read_problems
from multipl_moe.eval.measures import MEASURES
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.result import Outcome
from multipl_moe.system.minute_lines import minutes_of, whole_minutes
from multipl_moe.train.rate_search import search_tokens
from multipl_moe.train.setup import TrainingSetup, tokens_per_step

FEWEST_TOKENS = 30_720  # below, a gain may well not show
_FEWEST_STEPS = 10  # below, the learning rate has no time to rise
_CALIBRATION_SHARE = 1 / 6  # of the tokens of training, at most
_PROGRAMS_SHARE, _PROGRAMS_SECONDS = 0.1, 30  # of the whole time, or so long where that is more
_OWN_PROGRAMS_SHARE = 0.5  # where a recipe brings problems, which are then what it is about
_SHORT_MINUTES, _SHORT_TOKENS = 15, 5_000

# In tokens of training:
_FORWARD = 0.32  # a token that is read
_FORWARD_FLOAT32 = 0.4  # the same, where a model is measured against its base
_ROUTER_TOKENS = 8_192  # read to place routers
_EXPERT_USE_TOKENS = 2_048  # read of each language
_WRITTEN_TOKEN = 1  # one that is written
_WRITTEN_TOGETHER = 14  # what all tokens that are written at a time share, as weights are read once for them
_ANSWER_TOKENS = 100  # of the mean answer, which ends by itself

# In seconds, whatever the model's size:
_LOADING_S = 3  # a model
_UPCYCLE_S = 10  # to write the hybrid, and to fit the domain gate, which reads tokens alone
_TOOLCHAIN_S = 0.5  # one tried, and its caches made
_PROGRAM_S = 0.2  # one compiled and run

TRAINING = "training"


@dataclass(frozen=True)
class DemoPlan:
    """What a demo does from the moment on that the speed of training is known.

    Attributes:
        tokens: to train on.
        calibration_tokens: to calibrate on, in proportion.
        problems_per_language: of which base and hybrid write programs: as many as the recipe says (None: all), fewer
            where these take too long; 0: even one does.
        tokens_per_s: measured speed of training.
        used_s: seconds before.
        minutes: for the whole demo, as asked for; None: as long as it takes.
        work: what each step is worth, in tokens of training, in order.
        programs_share: of the whole time, that programs may take.
    """

    tokens: int
    calibration_tokens: int
    problems_per_language: int | None
    tokens_per_s: float
    used_s: float
    minutes: float | None
    work: dict[str, float]
    programs_share: float

    @property
    def total_s(self) -> float:
        """Seconds of the whole demo."""
        return self.used_s + sum(self.work.values()) / self.tokens_per_s

    @property
    def programs_s(self) -> float:
        """Seconds that all programs may take."""
        return max(self.programs_share * self.total_s, _PROGRAMS_SECONDS)

    def applied_to(self, recipe: Recipe) -> Recipe:
        """The recipe with what was planned."""
        planned = recipe.with_settings("train", tokens=self.tokens, calibration_tokens=self.calibration_tokens)
        if self.problems_per_language == 0:
            return planned
        return planned.with_settings("programs", problems_per_language=self.problems_per_language)


def require_steps(recipe: Recipe, key: str = "train.tokens") -> None:
    """Raise ConfigError where `key` asks for too few steps for the learning rate to rise."""
    fewest = _FEWEST_STEPS * tokens_per_step(recipe.train)
    if recipe.train.tokens < fewest:
        raise ConfigError(
            f"{key}: {recipe.train.tokens:,} are fewer than {_FEWEST_STEPS} steps, in which the learning rate "
            f"has no time to rise; train on {fewest:,} or more"
        )


def require_planned_order(recipe: Recipe, minutes: float | None) -> None:
    """Raise ConfigError where more is to be trained on than can be put in order, and no `minutes` shorten it.

    They cannot bound practice, which comes before.
    """
    if minutes is not None and recipe.practice.tasks:
        raise ConfigError(
            "--minutes: they can only shorten training, and practice comes before it; leave them out, and bound "
            "practice with practice.max_tasks and practice.rounds"
        )
    if minutes is None:
        skipped = recipe.train.skip_tokens // recipe.train.sequence_tokens
        require_an_order(skipped + TrainingSetup.of(recipe).num_sequences)


def plan_demo(recipe: Recipe, *, tokens_per_s: float, used_s: float, minutes: float | None = None) -> DemoPlan:
    """Decide what a demo does on this machine.

    Args:
        recipe: what to do; its tokens are trained on, unless `minutes` do not suffice.
        tokens_per_s: measured speed of training, above 0.
        used_s: seconds that the demo took so far.
        minutes: for the whole demo; they can only shorten training, and not below `FEWEST_TOKENS`.

    Raises:
        ConfigError: the minutes do not suffice for that, or for `_FEWEST_STEPS` steps.
    """
    wanted, per_step = recipe.train.tokens, tokens_per_step(recipe.train)
    plan_for = partial(_plan, recipe, _num_problems(recipe), tokens_per_s, used_s, minutes)
    plan = plan_for(wanted)
    if minutes is None or plan.total_s <= 60 * minutes:
        return plan
    fewest = min(math.ceil(max(FEWEST_TOKENS / per_step, _FEWEST_STEPS)) * per_step, wanted)
    shortest = plan_for(fewest)
    if shortest.total_s > 60 * minutes:
        raise ConfigError(
            f"--minutes: at {tokens_per_s:,.0f} tokens/s the demo takes {minutes_of(shortest.total_s)} for the fewest "
            f"tokens that can show something, {fewest:,}; give it as many (--minutes, or MINUTES= of make), or say how "
            "many tokens, however long they take (--tokens, TOKENS=); what is done so far stays"
        )
    steps = _most_steps(plan_for, per_step, wanted // per_step, 60 * minutes)
    return plan_for(max(steps * per_step, fewest))


def describe_plan(recipe: Recipe, plan: DemoPlan, folder: Path) -> list[str]:
    """Lines for people: how long the demo in a folder takes, what would take less, and what is left out."""
    judge = f"multipl-moe eval {folder}-programs --recipe {folder}/recipe.yaml --model {folder}/model"
    lines = [
        f"{plan.tokens_per_s:,.0f} tokens/s here: training on {plan.tokens:,} tokens and all the rest need about "
        f"{minutes_of(plan.total_s)}, {whole_minutes(plan.total_s - plan.used_s):,} of them from now on"
    ]
    if (shorter := _shorter(recipe, plan)) is not None:
        lines.append(
            f"--tokens {shorter.tokens} (TOKENS={shorter.tokens} of make) needs about "
            f"{minutes_of(shorter.total_s)} and shows less"
        )
    if plan.tokens + recipe.practice.source_tokens < FEWEST_TOKENS:
        lines.append(f"{plan.tokens:,} tokens are few: below {FEWEST_TOKENS:,} a gain may not show")
    if plan.tokens < recipe.train.tokens:
        lines.append(f"{plan.minutes:g} minutes do not suffice for all {recipe.train.tokens:,}: it shows less")
    if plan.problems_per_language == 0:
        lines.append(
            f"programs are left out, as they would take more than {plan.programs_share:.0%} of the time; "
            f"`{judge}` judges them"
        )
    elif plan.problems_per_language != (asked := recipe.programs.problems_per_language):
        lines.append(
            f"programs are judged for the first {plan.problems_per_language} problems of each benchmark and language, "
            f"as more would take more than {plan.programs_share:.0%} of the time; `{judge} --set "
            f"programs.problems_per_language={'null' if asked is None else asked}` judges all that were asked for"
        )
    return lines


def why_no_gain(recipe: Recipe, outcome: Outcome | None) -> str:
    """What most likely kept the languages to learn from being learnt, and what to change in a run of its own."""
    train, elsewhere = recipe.train, "in another folder (--output, OUTPUT=)"
    tokens = f"{train.tokens:,} tokens"
    if train.tokens + recipe.practice.source_tokens < FEWEST_TOKENS:
        return f"{tokens} are too few; train on {FEWEST_TOKENS:,} or more (--tokens, TOKENS=) {elsewhere}"
    rate, set_rate = recipe.learning_rate, "(--set train.learning_rate=..., or auto, which finds one)"
    if rate == "auto":
        practised = "; or practise on more (practice.tasks, practice.rounds)" if recipe.practice.tasks else ""
        return f"{tokens} may be too few; train on more (--tokens, TOKENS=) {elsewhere}{practised}"
    if outcome == "worse":
        return f"the learning rate, {rate}, may be too high; lower it {set_rate} {elsewhere}"
    return (
        f"{tokens} may be too few, or a learning rate of {rate} too low; train on more "
        f"(--tokens, TOKENS=), or raise the rate {set_rate}, {elsewhere}"
    )


def _num_problems(recipe: Recipe) -> Counter[tuple[str, str]]:
    """How many problems the recipe asks for, by benchmark and language; none where a benchmark cannot be read."""
    try:
        return Counter((problem.benchmark, problem.language) for problem in read_problems(recipe))
    except ConfigError:  # told where programs are to be run
        return Counter()


def _plan(
    recipe: Recipe,
    num_problems: Counter[tuple[str, str]],
    tokens_per_s: float,
    used_s: float,
    minutes: float | None,
    tokens: int,
) -> DemoPlan:
    calibration = max(min(recipe.train.calibration_tokens, int(_CALIBRATION_SHARE * tokens)), 1)
    work = _work(recipe, tokens, calibration, tokens_per_s)
    others = used_s * tokens_per_s + sum(work.values())
    share = _PROGRAMS_SHARE if recipe.programs.benchmarks == ["starter"] else _OWN_PROGRAMS_SHARE
    allowed = max(others * share / (1 - share), _PROGRAMS_SECONDS * tokens_per_s)
    if recipe.practice.tasks:  # their verdict is programs, all that were asked for
        share, allowed = 1.0, math.inf
    programs_work = partial(_programs_work, recipe, num_problems, tokens_per_s)
    most = max(num_problems.values(), default=0)
    problems = bisect_right(range(1, most + 1), allowed, key=programs_work)
    if problems:
        work["programs of base and hybrid"] = programs_work(problems)
    judged = recipe.programs.problems_per_language if problems == most else problems
    return DemoPlan(tokens, calibration, judged, tokens_per_s, used_s, minutes, work, share)


def _work(recipe: Recipe, tokens: int, calibration: int, tokens_per_s: float) -> dict[str, float]:
    measured, languages, loading = recipe.eval, len(recipe.languages), _LOADING_S * tokens_per_s
    scoring = loading + _FORWARD * languages * measured.files_per_language * measured.tokens_per_file
    moe = recipe.moe.resolve([0], recipe.learn)
    calibrated = calibration if moe.stores_routing else 0
    upcycled = _UPCYCLE_S * tokens_per_s + _FORWARD * _ROUTER_TOKENS * moe.is_routed
    read = {name: measure.tokens_read(recipe) for name, measure in MEASURES.items()}
    return {
        "upcycle": 0.0 if recipe.practice.source_tokens else upcycled,  # before source text, which comes before a plan
        "bits per byte of the base": scoring,
        "search for the learning rate": search_tokens(TrainingSetup.of(recipe.with_settings("train", tokens=tokens))),
        TRAINING: tokens,
        "calibration": _FORWARD
        * (calibrated + moe.is_routed * _EXPERT_USE_TOKENS * (len(recipe.learn) if moe.gate.languages else languages)),
        "measures of the new model": scoring,
        "router health": 0.75 * _FORWARD * calibration if moe.has_choice else 0.0,
        **{name: 2 * (loading + _FORWARD_FLOAT32 * tokens) if tokens else 0.0 for name, tokens in read.items()},
        "what both write": (1 if moe.gate.languages else 2) * loading + 2 * _written(NUM_PROMPTS * NEW_TOKENS, 1),
    }


def _written(tokens: int, at_a_time: int) -> float:
    """To write tokens, of so many answers at a time."""
    return tokens * (_WRITTEN_TOKEN + _WRITTEN_TOGETHER / at_a_time)


def _programs_work(
    recipe: Recipe, num_problems: Counter[tuple[str, str]], tokens_per_s: float, problems_per_language: int
) -> float:
    samples = sum(min(problems_per_language, number) for number in num_problems.values()) * recipe.codegen.num_samples
    toolchains = len({language for _, language in num_problems})
    tokens = samples * min(recipe.codegen.max_new_tokens, _ANSWER_TOKENS)
    written = _written(tokens, min(recipe.codegen.batch_sequences, samples))
    return 2 * (written + tokens_per_s * (_LOADING_S + _TOOLCHAIN_S * toolchains + _PROGRAM_S * samples))


def _most_steps(plan_for: Callable[[int], DemoPlan], tokens_per_step: int, steps: int, seconds: float) -> int:
    fitting = bisect_right(range(steps + 1), seconds, key=lambda count: plan_for(count * tokens_per_step).total_s)
    return max(fitting - 1, 0)


def _shorter(recipe: Recipe, plan: DemoPlan) -> DemoPlan | None:
    """A demo that takes a quarter of an hour, or as near as can be, where this one takes longer."""
    if plan.total_s <= 60 * _SHORT_MINUTES or plan.tokens <= FEWEST_TOKENS:
        return None
    per_step = tokens_per_step(recipe.train)
    plan_for = partial(_plan, recipe, _num_problems(recipe), plan.tokens_per_s, plan.used_s, None)
    fitting = per_step * _most_steps(plan_for, per_step, plan.tokens // per_step, 60 * _SHORT_MINUTES)
    return plan_for(max(fitting // _SHORT_TOKENS * _SHORT_TOKENS, FEWEST_TOKENS))
