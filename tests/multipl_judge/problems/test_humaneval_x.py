from collections import Counter
from collections.abc import Iterable

import pytest

from multipl_judge.languages.program import Nonce
from multipl_judge.problems.forms import program_of
from multipl_judge.problems.humaneval_x import read_humaneval_x
from multipl_judge.problems.problem import Problem, cut_at_stop
from tests.multipl_judge.problems.samples import HUMANEVAL_X, write_rows


@pytest.mark.parametrize(
    ("name", "count", "number"), [("small_bench", 2, 900), pytest.param("bench", 164, 7, marks=pytest.mark.third_party)]
)
def test_five_languages_have_as_many_problems_and_no_stop_string_cuts_into_a_reference(name, count, number, request):
    problems = {problem.id: problem for problem in read_humaneval_x(request.getfixturevalue(name) / "humaneval-x")}
    languages = ("python", "cpp", "java", "go", "rust")
    assert Counter(problem.language for problem in problems.values()) == dict.fromkeys(languages, count)
    assert problems[f"Rust/{number}"].cluster == problems[f"CPP/{number}"].cluster == f"HumanEval/{number}"
    for problem in problems.values():
        assert problem.reference
        left = problem.reference[len(cut_at_stop(problem.reference, problem.stop)) :]
        assert set(left) <= set(" \n}") or problem.id == "CPP/94", problem.id


def wanted(problems: Iterable[Problem]) -> dict[str, tuple[str, ...]]:
    """What the programs with the reference solutions want, of those that want something."""
    programs = {problem.id: program_of(problem, problem.reference or "", Nonce(1, 2)) for problem in problems}
    return {name: program.wants for name, program in programs.items() if program.wants}


def test_only_what_a_program_uses_is_wanted(tmp_path):
    def row(language: str, number: int, before: str, solution: str) -> dict:
        row = HUMANEVAL_X[language]
        values = {"task_id": row["task_id"].replace("900", str(number)), "canonical_solution": solution}
        return {**row, **values, "prompt": before + row["prompt"]}

    rust = {
        "rand": "\n    rand::thread_rng().gen_range(0, n)\n}\n",
        "regex": '\n    Regex::new("a").unwrap().as_str().len() as i32 + n\n}\n',
        "md5": '\n    md5::compute("a").len() as i32 + n\n}\n',
    }
    cpp = {"boost": "#include<boost/any.hpp>\n", "openssl": "#include<openssl/md5.h>\n"}
    rows = [
        *HUMANEVAL_X.values(),
        *(row("rust", number, "", solution) for number, solution in enumerate(rust.values())),
        *(row("cpp", number, header, "    return 2 * n;\n}\n") for number, header in enumerate(cpp.values())),
    ]
    assert wanted(read_humaneval_x(write_rows(tmp_path / "a.jsonl", rows))) == {
        "Go/900": ("testify",),
        **{f"Rust/{number}": (name,) for number, name in enumerate(rust)},
        **{f"CPP/{number}": (name,) for number, name in enumerate(cpp)},
    }


def test_a_python_completion_ends_at_its_first_line_that_is_not_indented(samples):
    source = program_of(samples["humaneval_x-python"], "    return 1\nprint('more')\n    x", Nonce(1, 2)).source
    assert "    return 1\\n" in source
    (code,) = (line for line in source.splitlines() if "_code = " in line)
    assert "more" not in code
