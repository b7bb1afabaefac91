"""Tasks made by hand, a model that answers them from a table, and a judge that reads the answer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.problems.forms import tests_run
from multipl_judge.problems.problem import Problem
from multipl_moe.codegen.completer import Completion, Finish
from multipl_moe.corpus.decontamination.index import BenchmarkIndex
from multipl_moe.eval.eval_set import EvalSet
from multipl_moe.practice.judging import _digest
from multipl_moe.practice.tasks import TaskSet
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.system.minute_lines import MinuteLines

RIGHT, WRONG = "    return {n} * n + {m}\n", "    return n - {m}\n"


def task(name: str, **fields: Any) -> Problem:
    values: dict[str, Any] = {"language": "python", "prompt": f"def {name}(n):\n", "tests": f"assert {name}(2) == 4\n"}
    values |= {"form": "starter", "stop": ("\ndef",), "entry_point": name} | fields
    return Problem("mine", name, **values)


def task_set(*tasks: Problem, **fields: Any) -> TaskSet:
    values: dict[str, Any] = {"solutions": {}, "left_out": {}, "invalid": {}, "index": BenchmarkIndex([]), "note": None}
    return TaskSet(tasks={task.key: task for task in tasks}, **(values | fields))


def recipe(**practice: Any) -> Recipe:
    return load_recipe(None, {f"practice.{key.replace('__', '.')}": value for key, value in practice.items()})


class Answers:
    """Writes what a function says of task and sample; remembers prompts, and may die after some batches."""

    def __init__(self, text_of: Any, name: str = "made") -> None:
        self.name, self._text_of = name, text_of
        self.prompts: list[str] = []
        self.batches_left = 10**9
        self.error: BaseException = KeyboardInterrupt()

    @property
    def identity(self) -> dict[str, Any]:
        return {"made": self.name}

    def complete(self, batch: Any, settings: Any) -> list[Completion]:
        if self.batches_left == 0:
            raise self.error
        self.batches_left -= 1
        asked = [replace(one.problem, prompt=one.help + one.problem.prompt) for one in batch]
        self.prompts += [problem.prompt for problem in asked]
        texts = [self._text_of(problem, request.sample) for problem, request in zip(asked, batch, strict=True)]
        return [Completion(text, Finish.stop) for text in texts]


def untried(recipe: Recipe, options: Any, problems: list[Problem], named: str = "") -> EvalSet:
    """Stands for `prepare_eval_set`: all languages can be judged but Perl, and no test with `~` compiles."""
    invalid = [(problem, "unknown operator") for problem in problems if "~" in problem.tests]
    problems = [problem for problem in problems if "~" not in problem.tests]
    flags = {problem.key: "no tests" for problem in problems if tests_run(problem) == 0}
    return EvalSet(problems, {"perl": "not found"}, flags, invalid)


def read_by_eye(self: Any, programs: Any) -> dict[str, Judgement]:
    """Stands for `Judge._judged`: an answer with `*` passes."""
    outcomes = {_digest(*program): "*" in program[1] for program in programs}
    return {
        digest: Judgement(Outcome.passed if passes else Outcome.wrong_answer, "run", "4 was wanted", 0.0, 0.0, 0)
        for digest, passes in outcomes.items()
    }


def files(folder: Path) -> dict[str, bytes]:
    """What a practice says, without what tells of the machine."""
    names = ("rounds.jsonl", "samples.jsonl", "verdicts.jsonl", "kept.jsonl", "practice.json")
    return {name: (folder / name).read_bytes() for name in names}


class LastLine(MinuteLines):
    """Prints when the work ends what a minute would have shown."""

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # or its thread would print into other tests a minute later
        self._console.print(self.line())
