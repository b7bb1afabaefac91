"""Building a corpus, against datatrove's plain pipeline from a reader to the tokenizer on the same text.

    python benchmarks/corpus.py [--quick] [--megabytes N] [--tokenizer FOLDER] [--output FILE.json]

The text is drawn from the installed toolchains, so many megabytes of each language, and lies in files for our pipeline
and in one JSON Lines file for datatrove's. Both run in one process with one thread. Target: all that ours adds to
reading and tokenising (refusals, licences, duplicates, split, documents, reports) costs at most as much again.
"""

import json
import os
import statistics
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import DocumentTokenizer
from harness import Target, options_parser, print_table, record

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.corpus import build_corpus
from multipl_moe.corpus.read.sources import SourceReader
from multipl_moe.corpus.run.stages import quiet
from multipl_moe.recipe.recipe import Recipe, validate_recipe

_MAX_RATIO = 2.0
_QUICK_MEGABYTES = 0.5


def recipe_of(source: dict[str, Any], **corpus: Any) -> Recipe:
    """A recipe of the languages whose toolchains bring much source."""
    return validate_recipe(
        {
            "learn": ["python", "java", "cpp", "rust", "go", "ruby"],
            "keep": ["english"],
            "corpus": {"sources": [source], "executor": {"workers": 1}, **corpus},
        }
    )


def draw(folder: Path, megabytes: float) -> int:
    """Write the text into files and into rows.jsonl; returns its bytes."""
    recipe = recipe_of({"kind": "toolchains"}, max_bytes_per_language=round(megabytes * 1e6))
    num_bytes = 0
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as rows:
        for document in SourceReader(recipe.corpus, recipe.languages, recipe.seed).run():
            # The language is told by the extension, which compressed documentation has inside.
            file = folder / "files" / document.id.removesuffix(".gz")
            file.parent.mkdir(parents=True, exist_ok=True)
            content = document.text.encode("utf-8")
            file.write_bytes(content)
            num_bytes += len(content)
            rows.write(json.dumps({"text": document.text, "id": document.id}) + "\n")
    return num_bytes


def run_plain(folder: Path, output: Path, tokenizer: Path) -> float:
    """Processor seconds of datatrove's own reader and tokenizer."""
    steps = [
        JsonlReader(str(folder), glob_pattern="rows.jsonl"),
        DocumentTokenizer(
            str(output), str(tokenizer / "tokenizer.json"), shuffle_documents=False, save_final_metadata=False
        ),
    ]
    start = time.process_time()
    with quiet(output / "logs"):
        LocalPipelineExecutor(steps, tasks=1, workers=1, logging_dir=str(output / "logs")).run()
    return time.process_time() - start


def run_ours(folder: Path, output: Path, tokenizer: Path) -> dict[str, float]:
    """Processor seconds by stage."""
    marks: list[tuple[str, float]] = []
    recipe = recipe_of({"kind": "folder", "path": str(folder / "files")}, max_bytes_per_language=None)
    build_corpus(recipe, tokenizer, output, lambda title: marks.append((title, time.process_time())))
    marks.append(("end", time.process_time()))
    return {title: end - begin for (title, begin), (_, end) in pairwise(marks)}


def seconds_by_step(corpus: Path) -> Counter[str]:
    """What datatrove's steps measured of themselves; those that time their whole task count what they read, too."""
    seconds: Counter[str] = Counter()
    for file in (corpus / "logs").glob("*/stats/*.json"):
        for step in json.loads(file.read_text()):
            spent = step["time_stats"]
            seconds[f"{file.parts[-3]}: {step['name']}"] += spent["total"] if isinstance(spent, dict) else spent
    return seconds


def report(num_bytes: int, plain_s: float, stages: dict[str, float], steps: dict[str, float]) -> None:
    """MB/s of the stages and of the steps in them."""

    def row(name: str, seconds: float) -> list[str]:
        return [name, f"{seconds:.2f}", f"{num_bytes / 1e6 / seconds:,.1f}" if seconds > 0.005 else "-"]

    columns = ["what", "processor seconds", "MB/s"]
    whole = [row("datatrove: reader and tokenizer", plain_s), row("whole build", sum(stages.values()))]
    print_table(f"{num_bytes / 1e6:.1f} MB of source", columns, [*whole, *(row(*stage) for stage in stages.items())])
    print_table("Steps, as they measure themselves", columns, [row(*step) for step in sorted(steps.items())])


def main() -> None:
    parser = options_parser(__doc__, quick=f"{_QUICK_MEGABYTES} MB a language, once")
    parser.add_argument("--megabytes", type=float, default=4.0, help="of each language")
    parser.add_argument("--tokenizer", type=Path, help="folder; default: that of smollm2-135m")
    options = parser.parse_args()
    torch.set_num_threads(1)
    repeats = 1 if options.quick else 3
    tokenizer = options.tokenizer or resolve_base("smollm2-135m")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        num_bytes = draw(folder, _QUICK_MEGABYTES if options.quick else options.megabytes)
        plain, ours, steps = [], [], Counter()
        for number in range(repeats):
            plain.append(run_plain(folder, folder / f"plain_{number}", tokenizer))
            ours.append(run_ours(folder, folder / f"corpus_{number}", tokenizer))
            steps.update(seconds_by_step(folder / f"corpus_{number}"))
    stages = {title: statistics.median(seconds[title] for seconds in ours) for title in ours[0]}
    ratio = statistics.median(sum(mine.values()) / theirs for mine, theirs in zip(ours, plain, strict=True))
    report(num_bytes, statistics.median(plain), stages, {name: total / repeats for name, total in steps.items()})
    target = Target("whole build / plain reader and tokenizer", ratio, _MAX_RATIO, at_least=False)
    results = {"bytes": num_bytes, "plain_s": plain, "stages_s": ours, "steps_s": steps, "ratio": ratio}
    record("corpus", results, [target], repeats=repeats, options=options)


if __name__ == "__main__":
    main()
