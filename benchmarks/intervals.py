"""How often "more than noise" is said of two equal models, and how often 95% intervals hold what is true.

    python benchmarks/intervals.py [--quick] [--repeats N] [--output FILE.json]

Evaluations are drawn and given to the functions that a verdict takes its intervals from. The logit of a problem's pass
rate is its difficulty, normal with standard deviation 2 and the same in all languages, and one of 1 for each language.
Truth is the mean over all such problems. Two equal models are two draws of one and the same model, or two models that
find other problems hard (a standard deviation of 1 for each model and problem, alike in all languages) and pass as
many. Another is better by ten points, from 10% to 20% or from 30% to 40%.

Targets: of equal models that pass 30%, 3.5 to 6.5 in 100 differ by "more than noise" at 10 to 164 tasks in 3 to 6
languages, and nowhere more than 6.5; at least 93 in 100 intervals hold the truth, everywhere; none has no width.
"""

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from harness import Target, console, options_parser, record

from multipl_moe.eval.clusters import ClusteredMean, clustered_mean
from multipl_moe.eval.intervals import difference_ends, rate_ends

_SETS = ((5,), (10,), (31,), (164,), (7, 164))
_LANGUAGES = (1, 3, 6)
_SAMPLES = (1, 10)
_RATES = (0.1, 0.3)
_GAIN = 0.1
_REPEATS = 10_000
_QUICK_REPEATS = 400
_AT_ONCE = 1000
_PROBLEM_SD, _LANGUAGE_SD, _MODEL_SD = 2.0, 1.0, 1.0
_COLUMNS = {
    "said_of_one_model": "one model drawn twice: told apart",
    "said_of_two_equal_models": "two equal models: told apart",
    "rate_covered": "intervals of a rate that hold it",
    "difference_covered": "of a difference of ten points",
}
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(80)


@dataclass(frozen=True)
class Setting:
    """The size of an evaluation: tasks of each set of problems, languages, samples a task; and the pass rate."""

    sets: tuple[int, ...]
    languages: int
    samples: int
    rate: float


def intercept(rate: float, sd: float) -> float:
    """The mean of normal logits with this standard deviation whose pass rates have the mean `rate`."""
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        mean = _WEIGHTS @ (1 / (1 + np.exp(-middle - sd * _POINTS))) / _WEIGHTS.sum()
        low, high = (middle, high) if mean < rate else (low, middle)
    return low


def draw_models(
    setting: Setting, rates: tuple[float, ...], model_sd: float, repeats: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """For each model (repeats, tasks, languages) shares of samples that pass, on the same problems."""
    alike, each = ((repeats, sum(setting.sets), languages) for languages in (1, setting.languages))
    problems = _PROBLEM_SD * generator.standard_normal(alike) + _LANGUAGE_SD * generator.standard_normal(each)
    total_sd = float(np.linalg.norm([_PROBLEM_SD, _LANGUAGE_SD, model_sd]))
    models = []
    for rate in rates:
        logits = intercept(rate, total_sd) + problems + model_sd * generator.standard_normal(alike)
        models.append(generator.binomial(setting.samples, 1 / (1 + np.exp(-logits))) / setting.samples)
    return models


def means(setting: Setting, scores: np.ndarray) -> list[ClusteredMean]:
    """A mean for each set, whose problems are the same in all languages."""
    cell_weights = np.full(setting.languages, 1 / (setting.languages * len(setting.sets)))
    parts = np.split(scores, np.cumsum(setting.sets)[:-1], axis=1)
    return [clustered_mean(cell_weights, np.ones(part.shape[1:]), part) for part in parts]


def simulate(setting: Setting, repeats: int, generator: np.random.Generator) -> dict[str, float]:
    """Shares of `repeats` evaluations, and the width of the narrowest interval."""
    rate, better = setting.rate, setting.rate + _GAIN
    pairs = {"same": ((rate, rate), 0.0), "equal": ((rate, rate), _MODEL_SD), "gain": ((rate, better), _MODEL_SD)}
    held, widths = {name: [] for name in ("rate", *pairs)}, []

    def see(name: str, ends: tuple[np.ndarray, np.ndarray], truth: float) -> None:
        low, high = ends
        held[name] += ((low <= truth) & (truth <= high)).tolist()
        widths.append(float(np.min(high - low)))

    for name, (rates, model_sd) in pairs.items():
        for done in range(0, repeats, _AT_ONCE):
            size = min(_AT_ONCE, repeats - done)
            before, after = draw_models(setting, rates, model_sd, size, generator)
            see(name, difference_ends(means(setting, after - before)), rates[1] - rates[0])
            if name == "same":
                see("rate", rate_ends(means(setting, before)), rate)
    shares = {name: float(np.mean(values)) for name, values in held.items()}
    return {
        "said_of_one_model": 1 - shares["same"],
        "said_of_two_equal_models": 1 - shares["equal"],
        "rate_covered": shares["rate"],
        "difference_covered": shares["gain"],
        "narrowest": min(widths),
    }


def settings(quick: bool) -> Iterator[Setting]:
    """All sizes; a few of them where it must be quick."""
    everything = itertools.starmap(Setting, itertools.product(_SETS, _LANGUAGES, _SAMPLES, _RATES))
    return itertools.islice((one for one in everything if one.sets != (164,)), 4, None, 13) if quick else everything


def targets(results: list[tuple[Setting, dict[str, Any]]]) -> list[Target]:
    """What is promised, over all settings."""
    said = ("said_of_one_model", "said_of_two_equal_models")
    most = max(result[name] for _, result in results for name in said)
    enough = [
        result[name]
        for setting, result in results
        for name in said
        if setting.rate == max(_RATES) and min(setting.sets) >= 10 and setting.languages >= 3
    ]
    return [
        Target("equal models, most often told apart", most, 0.065, False),
        Target("the same, least often, from 10 tasks in 3 languages that pass 30%", min(enough, default=0.05), 0.035),
        Target("least coverage of a rate", min(result["rate_covered"] for _, result in results), 0.93),
        Target("least coverage of a difference", min(result["difference_covered"] for _, result in results), 0.93),
        Target("narrowest interval", min(result["narrowest"] for _, result in results), 0.001),
    ]


def markdown(stored: list[dict[str, Any]]) -> str:
    """The table in docs/evaluation.md: from least to most over 3 and 6 languages, and 1 and 10 samples."""
    lines = ["| tasks | pass | " + " | ".join(_COLUMNS.values()) + " |", "|---|---|" + "---|" * len(_COLUMNS)]
    for sets, rate in itertools.product(_SETS, _RATES):
        chosen = [one for one in stored if one["languages"] > 1 and (tuple(one["sets"]), one["rate"]) == (sets, rate)]
        if chosen:
            spans = [[100 * one[name] for one in chosen] for name in _COLUMNS]
            cells = [f"{min(span):.1f} to {max(span):.1f}" for span in spans]
            lines.append(f"| {' + '.join(map(str, sets))} | {rate:.0%} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = options_parser(__doc__, quick="a few sizes, fewer repeats")
    parser.add_argument("--repeats", type=int, help="evaluations drawn of each size")
    options = parser.parse_args()
    repeats = options.repeats or (_QUICK_REPEATS if options.quick else _REPEATS)
    generator = np.random.default_rng(0)
    results = [(setting, simulate(setting, repeats, generator)) for setting in settings(options.quick)]
    stored = [asdict(setting) | result for setting, result in results]
    console.print(markdown(stored), soft_wrap=True)
    record("intervals", {"settings": stored}, targets(results), repeats=repeats, options=options)


if __name__ == "__main__":
    main()
