"""The frontier of a domain gate: what is learnt, kept and moved for several values of its two settings.

    python benchmarks/domain_gate.py RUN [--corpus FOLDER] [--plot FILE.png] [--quick] [--output FILE.json]

RUN is the folder of a finished run behind a gate, as that of `make demo`, with recipe.yaml, model/ and corpus/.
Nothing is trained. For several values of `gate.start` and `gate.bound`, and for a model that is told the
language, it measures bits per byte and movement. What stays shut, and how fast that is: gate_shut.py.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from harness import options_parser, print_table, record
from matplotlib.figure import Figure
from transformers import AutoTokenizer

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_dense, load_hybrid, ready_for_evaluation
from multipl_moe.corpus.documents import read_documents
from multipl_moe.eval.bits_per_byte import encode
from multipl_moe.eval.language_scores import LanguageScores, score_languages
from multipl_moe.eval.movement.panel import KINDS, movement_of
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.start_tokens import start_tokens
from multipl_moe.system.allocator import keep_freed_memory

_STARTS, _BOUNDS = (0.0, 0.25, 0.5, 0.75, 1.0), (0.2, 0.5, 0.9)
_FRONTIER_FILES, _MOVED_SHARE = 8, 0.1  # a point of the frontier takes minutes
_SAME_PLACE = 0.3  # points so near have one label


class Setting:
    """A trained model, its base, and what to measure them on."""

    def __init__(self, run: Path, corpus: Path, quick: bool) -> None:
        recipe = load_recipe(run / "recipe.yaml")
        self.quick, self.num_files = quick, 2 if quick else recipe.eval.files_per_language
        files = min(self.num_files, _FRONTIER_FILES)
        self.recipe = recipe.with_settings(
            "eval", files_per_language=files, moved_share=0.02 if quick else _MOVED_SHARE
        )
        self.corpus, self.folder = corpus, resolve_base(recipe.base)
        # In float32, as movement is measured: a base in bfloat16 beside it would look 0.1% worse than it is.
        self.model: Any = ready_for_evaluation(load_hybrid(run / "model")).float()
        self.base: Any = ready_for_evaluation(load_dense(self.folder)).float()
        self.tokenizer = AutoTokenizer.from_pretrained(self.folder)
        self.gate = self.model.model.domain_gates["pack"]

    @contextmanager
    def gate_at(self, start: float, bound: float) -> Iterator[None]:
        """The gate with other settings than the model's own."""
        before = self.gate.start, self.gate.bound
        self.gate.start, self.gate.bound = start, bound
        try:
            yield
        finally:
            self.gate.start, self.gate.bound = before

    def texts(self, language: str, max_tokens: int, num_files: int | None = None) -> list[list[int]]:
        """Tokens of the held-out files of a language."""
        files = read_documents(self.corpus, "validation", language, num_files or self.num_files)
        start = start_tokens(self.tokenizer)
        return [encode(self.tokenizer, start, file.text, max_tokens)[0] for file in files]


@torch.no_grad()
def frontier(setting: Setting) -> list[dict[str, Any]]:
    """What is learnt, kept and moved for each setting of the gate, and for a model that is told the language."""
    scores = score_languages(setting.base, setting.tokenizer, setting.corpus, setting.recipe)
    own_start, own_bound = setting.gate.start, setting.gate.bound
    points = [(start, own_bound) for start in _STARTS] + [(own_start, bound) for bound in _BOUNDS]
    rows = []
    for start, bound in points:
        with setting.gate_at(start, bound):
            after = score_languages(setting.model, setting.tokenizer, setting.corpus, setting.recipe)
            moved = movement_of(setting.recipe, setting.recipe.base, setting.model, setting.tokenizer, setting.corpus)
        kinds = {kind: row.nats_per_token for kind in KINDS if (row := getattr(moved, kind)) is not None}
        rows.append({"start": start, "bound": bound, "moved": kinds, **_means(setting.recipe, scores, after)})
    told = score_languages(
        setting.model, setting.tokenizer, setting.corpus, setting.recipe.with_settings("eval", tell_language=True)
    )
    return [*rows, {"start": None, "bound": None, "moved": {}, **_means(setting.recipe, scores, told)}]


def _means(recipe: Recipe, before: LanguageScores, after: LanguageScores) -> dict[str, Any]:
    return {role: mean.to_json() for role, mean in compare_scores(recipe, before, after).means.items()}


def plot(points: list[dict[str, Any]], file: Path) -> None:
    """The frontier: learn against keep, and against movement on files to keep."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2)
    told = [point for point in points if point["start"] is None]
    for axis, name in zip(axes, ("keep", "moved"), strict=True):
        for key, below in (("start", 5), ("bound", -12)):
            chosen = [p for p in points if p["start"] is not None and _varies(p, points, key)]
            chosen.sort(key=lambda point: point[key])
            x = [100 * point["learn"]["change"] for point in chosen]
            y = [_height(point, name) for point in chosen]
            axis.plot(x, y, "o-", label=f"domain_gate_{key}")
            for number, (point, *place) in enumerate(zip(chosen, x, y, strict=True)):
                if number and abs(x[number] - x[number - 1]) < _SAME_PLACE:
                    continue
                axis.annotate(f"{point[key]:g}", place, xytext=(4, below), textcoords="offset points", fontsize=8)
        for point in told if name == "keep" else []:
            axis.plot(100 * point["learn"]["change"], _height(point, name), "s", color="black")
            place = (100 * point["learn"]["change"], _height(point, name))
            axis.annotate("told", place, xytext=(4, 5), textcoords="offset points", fontsize=8)
        axis.margins(0.12)
        axis.set_xlabel("languages to learn, change of bits per byte (%)")
    axes[0].set_ylabel("languages to keep (%)")
    axes[1].set_ylabel("moved on files to keep (nats a token)")
    axes[0].legend(fontsize=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=150)


def _varies(point: dict[str, Any], points: list[dict[str, Any]], key: str) -> bool:
    """Whether a point lies on the line along which `key` varies: the other setting is the model's own there."""
    other = "bound" if key == "start" else "start"
    values = [p[other] for p in points if p[other] is not None]
    return point[other] == max(set(values), key=values.count)


def _height(point: dict[str, Any], name: str) -> float:
    return point["moved"].get("kept", 0.0) if name == "moved" else 100 * point["keep"]["change"]


def main() -> None:
    parser = options_parser(__doc__, quick="two files a language and few settings")
    parser.add_argument("run", type=Path, help="folder of a finished run, with recipe.yaml and model/")
    parser.add_argument("--corpus", type=Path, help="folder of the corpus [RUN/corpus]")
    parser.add_argument("--plot", type=Path, help="where to draw the frontier")
    options: argparse.Namespace = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    setting = Setting(options.run, options.corpus or options.run / "corpus", options.quick)
    points = frontier(setting)

    print_table("Frontier", ["start", "bound", "learn", "keep", "moved"], [_row(point) for point in points])
    if options.plot:
        plot(points, options.plot)
    results = {
        "run": {"tokens": setting.recipe.train.tokens, "moe": setting.model.config.moe},
        "frontier": points,
    }
    record("domain_gate", results, [], repeats=1, options=options)


def _row(point: dict[str, Any]) -> list[str]:
    settings = ["told", ""] if point["start"] is None else [f"{point['start']:g}", f"{point['bound']:g}"]
    changes = [
        f"{100 * point[role]['change']:+.1f} [{', '.join(f'{100 * end:+.1f}' for end in point[role]['interval'])}]"
        for role in ("learn", "keep")
    ]
    return [*settings, *changes, " / ".join(f"{nats:.4f}" for nats in point["moved"].values())]


if __name__ == "__main__":
    main()
