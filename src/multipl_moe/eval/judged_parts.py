"""Rows of programs judged in parts, each a task of the executor that builds corpora: this machine, Ray or Slurm."""

import shutil
from itertools import chain
from pathlib import Path
from typing import Any

from datatrove.pipeline.base import PipelineStep

from multipl_judge.languages.own import add_languages
from multipl_judge.problems.rows import read_rows
from multipl_moe.corpus.run.executors import run_stages
from multipl_moe.corpus.run.stages import Listeners, Stage
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.judged_rows import PARTS_FOLDER, VERDICTS_FILE, RowJudge
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.journal import journal_lines, write_journal


def judge_in_parts(file: Path, output: Path, recipe: Recipe, options: EvalOptions) -> None:
    """Judge the rows of a file in the parts of `corpus.executor`, and gather them in verdicts.jsonl, part by part.

    A program's content says which part it is of, so equal ones run once. What was done stays, and is gone on with.

    Args:
        file: of rows, where all machines see it, as the output.
        output: folder of the verdicts; it exists.
        recipe: languages, programs and the executor are used; `workers` is that of a task, or else its processors.
        options: progress is told in parts.

    Raises:
        ConfigError: the executor cannot be used here, or a row cannot be judged.
        TasksUnfinishedError: parts ended without being done.
    """
    executor, parts = recipe.corpus.executor, output.absolute() / PARTS_FOLDER
    told = Listeners(options.on_step, options.on_progress)
    stage = Stage(
        "judge",
        "running programs",
        executor.parts,
        lambda: [_JudgePart(file.absolute(), parts, recipe, options.unsafe)],
    )
    for _ in run_stages([stage], executor, parts, told):
        pass
    files = [_part(parts, number) / VERDICTS_FILE for number in range(executor.parts)]
    write_journal(output / VERDICTS_FILE, (line for _, line in chain.from_iterable(map(journal_lines, files))))
    shutil.rmtree(parts)


def _part(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}"


class _JudgePart(PipelineStep):
    type, name = "JUDGE", "programs"

    def __init__(self, file: Path, folder: Path, recipe: Recipe, unsafe: bool) -> None:
        super().__init__()
        self._file, self._folder, self._recipe, self._unsafe = file, folder, recipe, unsafe

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        recipe, folder = self._recipe, _part(self._folder, rank)
        add_languages(recipe.own_languages)
        folder.mkdir(parents=True, exist_ok=True)
        workers = recipe.programs.workers or recipe.corpus.executor.cpus
        programs = recipe.programs.model_copy(update={"workers": workers})
        judge = RowJudge(folder, EvalOptions(unsafe=self._unsafe), programs, part=(rank, world_size))
        judge.judge(read_rows([self._file]))
