"""The tasks of a practice: read, checked against the benchmarks that are evaluated on, and tried on the toolchains."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multipl_judge.languages.own import add_languages
from multipl_judge.problems.benchmarks import read_benchmark
from multipl_judge.problems.problem import Problem
from multipl_moe.corpus.decontamination.index import BenchmarkIndex
from multipl_moe.corpus.decontamination.sources import prepare_decontamination
from multipl_moe.errors import ConfigError
from multipl_moe.eval.eval_set import EvalOptions, prepare_eval_set
from multipl_moe.practice.functions import function_tasks, solution_of
from multipl_moe.recipe.recipe import Recipe

_FUNCTIONS = "functions:"


@dataclass(frozen=True)
class TaskSet:
    """What is practised on.

    Attributes:
        tasks: by key, in the order in which they were given.
        solutions: in Python, by the tasks' keys.
        left_out: number of tasks that were left out, by reason.
        invalid: those of them whose tests do not compile with any answer, by key, and what the toolchain says.
        index: problems that no answer may hold.
        note: what could not be checked, if anything.
    """

    tasks: dict[str, Problem]
    solutions: dict[str, str]
    left_out: dict[str, int]
    invalid: dict[str, str]
    index: BenchmarkIndex
    note: str | None

    @property
    def digest(self) -> str:
        """Of all that decides what is asked and what passes."""
        return _digest([_asked_of(task) for _, task in sorted(self.tasks.items())])

    def digest_of(self, task: str) -> str:
        """The same of one task, by its key."""
        return _digest(_asked_of(self.tasks[task]))[:16]

    def is_of_today(self, verdict: Mapping[str, Any]) -> bool:
        """Whether a verdict is of the task as it is; what is told of other sets' tasks, and of no digest, stays."""
        task = verdict["task"]
        return task not in self.tasks or verdict.get("digest") in (None, self.digest_of(task))

    @property
    def sentence(self) -> str:
        """How many tasks there are, how many were left out and why, and what could not be checked."""
        why = f"; left out: {_counted(self.left_out)}" if self.left_out else ""
        return f"tasks: {len(self.tasks):,}{why}" + (f". {self.note}" if self.note else "")


def read_tasks(recipe: Recipe, options: EvalOptions, before_trying: Callable[[], None] = lambda: None) -> TaskSet:
    """The recipe's tasks in the languages to learn, of which the toolchains have been tried, which may take minutes.

    A Python problem with a reference is the solution of the tasks of its cluster in other languages. A task that holds
    a part of a benchmark's problem is left out, as is one whose tests test nothing.

    Raises:
        ConfigError: tasks cannot be read, none is left, or no language of them can be judged here.
    """
    if not recipe.practice.tasks:
        raise ConfigError(
            "practice.tasks: name the tasks to practise on (--tasks), such as multipl-e:PATH or PATH.jsonl"
        )
    add_languages(recipe.own_languages)
    problems, solutions, left_out = _read(recipe)
    decontamination = prepare_decontamination(recipe)
    judged_on, clean = _judged_on(recipe), []
    for problem in problems:
        text = f"{problem.prompt}\n{problem.tests}"
        if (held := judged_on.get(text)) is not None:
            left_out[f"problem of {held}"] += 1
        elif matches := decontamination.index.find(text, problem.language, is_code=False):
            left_out[f"problem of {matches[0].benchmark}"] += 1
        else:
            clean.append(problem)
    if not clean:
        why = _counted(left_out) or "none is there"
        raise ConfigError(
            f"practice.tasks: no task in {', '.join(recipe.learn)} is left ({why}); name others, or other languages "
            "to --learn: what programs.benchmarks and corpus.decontaminate name is judged, and so not practised on"
        )
    if recipe.practice.max_tasks is not None and recipe.practice.max_tasks < len(clean):
        drawn = random.Random(recipe.seed).sample(range(len(clean)), recipe.practice.max_tasks)
        clean = [clean[place] for place in sorted(drawn)]
    before_trying()
    eval_set = prepare_eval_set(recipe, options, clean, named="practice.tasks")
    invalid = {problem.key: said for problem, said in eval_set.left_out}
    left_out["tests do not compile"] += len(invalid)
    left_out["cannot be judged here"] += len(clean) - len(invalid) - len(eval_set.scored)
    tasks = [problem for problem in eval_set.scored if problem.key not in eval_set.flags]
    left_out["without tests"] += len(eval_set.scored) - len(tasks)
    if not tasks:
        raise ConfigError("practice.tasks: no task has tests; give some that have")
    return TaskSet(
        {task.key: task for task in tasks},
        {task.key: found for task in tasks if (found := task.extra.get("solution") or solutions.get(task.cluster))},
        {reason: count for reason, count in left_out.items() if count},
        invalid,
        decontamination.index,
        decontamination.note,
    )


def _judged_on(recipe: Recipe) -> dict[str, str]:
    """Which benchmark has a problem, by its text, of files of problems, which may be too short for the index."""
    if recipe.corpus.decontaminate == "none":
        return {}
    files = [spec for spec in recipe.programs.benchmarks if Path(spec.partition(":")[2] or spec).is_file()]
    read = (problem for spec in files for problem in read_benchmark(spec))
    return {f"{problem.prompt}\n{problem.tests}": problem.benchmark for problem in read}


def _asked_of(task: Problem) -> list[str]:
    return [task.key, task.prompt, task.tests, task.form, *task.stop]


def _digest(values: list[Any]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in reasons.items())


def _read(recipe: Recipe) -> tuple[list[Problem], dict[str, str], Counter[str]]:
    """The problems in the languages to learn, Python's solutions by cluster, and how many were left out."""
    problems: dict[str, Problem] = {}
    solutions: dict[str, str] = {}
    left_out: Counter[str] = Counter()
    for spec in dict.fromkeys(recipe.practice.tasks):
        if spec.startswith(_FUNCTIONS):
            found, num_left_out = function_tasks(spec.removeprefix(_FUNCTIONS), recipe.learn)
            left_out["function without plain cases"] += num_left_out
        else:
            found = read_benchmark(spec, {*recipe.learn, "python"})
        for problem in found:
            if problem.language == "python" and problem.reference is not None:
                solutions.setdefault(problem.cluster, solution_of(problem))
            if problem.language not in recipe.learn:
                continue
            if problem.key in problems:
                raise ConfigError(
                    f"practice.tasks: {problem.key} comes from two of them: name each set once, or rename one of two "
                    "that are called alike"
                )
            problems[problem.key] = problem
    return list(problems.values()), solutions, left_out
