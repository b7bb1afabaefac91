"""Heads of functions in other languages: they compile, take the arguments of every case, and answer as bodies do."""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multipl_judge.judge.judge import judge
from multipl_judge.judge.outcome import Outcome
from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.literals import WRITTEN
from multipl_judge.languages.program import Nonce
from multipl_judge.problems.forms import program_of
from multipl_judge.problems.forms.calling import calls_of
from multipl_judge.problems.own import problem_of
from multipl_moe.practice.functions import function_tasks
from multipl_moe.practice.heads import has_heads, posed_as_function

LANGUAGES = [language for language in HARNESSES if has_heads(language)]
SOURCE = '''
def pick(rows: list, By: float, next: str, every: bool) -> list[float]:
    """Write a python function that weighs rows "so".

    >>> pick([[1, 2], []], 0.5, "a 'b' \\\\n", True)
    [1.5, 0]
    >>> pick([[1, 2], []], 0.5, "a 'b' \\\\n", True)
    [1.5, 0]
    >>> pick([], 2, "", False)
    []
    """
    return [sum(row) * By for row in rows] if every else []
'''
BODIES = {
    "ruby": "  rows.map { |row| row.sum * by }\n",
    "rust": "    rows.iter().map(|row| row.iter().sum::<i64>() as f64 * By).collect()\n}\n",
    "go": """\
	made := []float64{}
	for _, row := range rows {
		sum := 0
		for _, one := range row {
			sum += one
		}
		made = append(made, float64(sum)*By)
	}
	return made
}
""",
    "java": """\
        List<Double> made = new ArrayList<>();
        for (List<Long> row : rows) made.add(row.stream().mapToLong(one -> one).sum() * By);
        return made;
    }
""",
    "cpp": """\
    vector<double> made;
    for (auto& row : rows) made.push_back(accumulate(row.begin(), row.end(), 0LL) * By);
    return made;
}
""",
    "lua": """\
  local made = {}
  for _, row in ipairs(rows) do
    local sum = 0
    for _, one in ipairs(row) do sum = sum + one end
    made[#made + 1] = sum * By
  end
  return made
end
""",
    "racket": "  (map (lambda (row) (* By (apply + row))) rows))\n",
    "elixir": "    Enum.map(rows, fn row -> Enum.sum(row) * by end)\n  end\nend\n",
    "ocaml": "  List.map (fun row -> float_of_int (List.fold_left (+) 0 row) *. by) rows\n",
    "haskell": "  [fromIntegral (sum row) * by | row <- rows]\n",
}
HEADS = {
    "ruby": "def pick(rows, by, next_, every)\n",
    "rust": "fn pick(rows: Vec<Vec<i64>>, By: f64, next_: String, every: bool) -> Vec<f64> {\n",
    "go": "func pick(rows [][]int, By float64, next_ string, every bool) []float64 {\n",
    "java": "    static List<Double> pick(List<List<Long>> rows, double By, String next_, boolean every) {\n",
    "cpp": "vector<double> pick(vector<vector<long long>> rows, double By, string next_, bool every) {\n",
    "lua": "local function pick(rows, By, next_, every)\n",
    "racket": "(define (pick rows By next_ every)\n",
    "elixir": "  def pick(rows, by, next_, every) do\n",
    "ocaml": "let rec pick (rows : int list list) (by : float) (next_ : string) (every : bool) : float list =\n",
    "haskell": "pick :: [[Int]] -> Double -> String -> Bool -> [Double]\npick rows by next_ every =\n",
}


def test_every_language_whose_calls_can_be_written_has_heads_but_python():
    assert {*WRITTEN} - {*LANGUAGES} == {"python"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_function_is_posed_with_the_types_of_its_values_and_judged_by_what_it_answers(
    tmp_path: Path, bubblewrap, language: str
):
    (tmp_path / "some.py").write_text(SOURCE)
    ((task,), num_left_out) = function_tasks(str(tmp_path / "some.py"), [language])
    assert (num_left_out, len(json.loads(task.tests))) == (0, 2)
    assert task.prompt.endswith(HEADS[language])
    assert "Write a function that weighs rows" in task.prompt
    assert "pick([[1, 2], []], 0.5, \"a 'b' \\n\", true) == [1.5, 0]" in task.prompt
    assert task.extra["solution"].startswith("def pick(")
    right, wrong = BODIES[language], re.sub(r"(\*\.?) ?by", r"\1 3.0", BODIES[language], flags=re.IGNORECASE)
    with Sandbox() as sandbox:
        outcomes = [judge(program_of(task, body, Nonce.draw()), sandbox, Toolbox()) for body in (right, wrong)]
    assert [judgement.outcome for judgement in outcomes] == [Outcome.passed, Outcome.wrong_answer], outcomes


_LEAVES = st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.none()
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
_CASES = st.integers(1, 3).flatmap(lambda size: st.lists(st.lists(_VALUES, min_size=size, max_size=size), min_size=1))


@given(cases=_CASES, name=st.from_regex(r"[a-zA-Z_]{1,6}", fullmatch=True))
def test_what_can_be_posed_can_be_called(cases, name):
    arguments, found = [f"{name}{place}" for place in range(len(cases[0]) - 1)], defaultdict(list)
    for language in LANGUAGES:
        own = posed_as_function("f", "Does so.", name, arguments, cases, language)
        found[own is None].append(language)
        if own is not None:
            assert len(calls_of(problem_of(own, language, "mine"))) <= len(cases)
    assert len(found) == 1, "whether it can be posed is up to the values"


def test_values_of_no_common_type_are_not_posed():
    for values in ([1, True], ["a", 1], [[1], 2], [[]], [None], [2**63], [float("inf"), 1.0], [[1], ["a"]]):
        assert posed_as_function("f", "So.", "f", ["a"], [[value, 1] for value in values], "rust") is None
    assert posed_as_function("f", "So.", "f", ["a", "A"], [[1, 2, 3]], "ruby") is None


TAKEN = {
    "ruby": ("then", "inspect", "alias"),
    "rust": ("move", "dyn", "crate"),
    "go": ("chan", "_", "len"),
    "java": ("native", "wait", "volatile"),
    "cpp": ("auto", "rank", "xor"),
    "lua": ("end", "local", "nil"),
    "racket": ("else", "if", "for"),
    "elixir": ("end", "max", "fn"),
    "ocaml": ("fun", "rec", "of"),
    "haskell": ("sum", "where", "max"),
}
_RETURNS = "    return {};\n}}\n"
ANSWERS = {"ruby": "  {}\n", "rust": "    {}\n}}\n", "go": _RETURNS, "cpp": _RETURNS, "java": f"    {_RETURNS}}}}}\n"}
ANSWERS |= {"lua": "  return {}\nend\n", "racket": "  {})\n", "elixir": "    {}\n  end\nend\n"}
ANSWERS |= dict.fromkeys(("ocaml", "haskell"), "  {}\n")


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_that_a_language_has_taken_name_no_function_or_argument(language, bubblewrap):
    with Sandbox() as sandbox:
        for word in TAKEN[language]:
            own = posed_as_function("f", "Takes \\u and gives it.", word, [word], [[1, 1], [2, 2]], language)
            assert own is not None
            task = problem_of(own, language, "mine")
            body = ANSWERS[language].format(f"{word}_")
            judgement = judge(program_of(task, body, Nonce.draw()), sandbox, Toolbox())
            assert judgement.outcome == Outcome.passed, f"{task.prompt}{body}\n{judgement.output}"


def test_small_numbers_are_told_apart_by_their_own_size():
    for answers, tolerance in (((0.5, 3.0), 5e-7), ((2.0, 3.5), 1e-6), ((0.0, 2e-9), 2e-15), (([], [1e-3, 4]), 1e-9)):
        own = posed_as_function("f", "So.", "f", ["a"], [[1, answer] for answer in answers], "ruby")
        assert own is not None
        assert own.tolerance == pytest.approx(tolerance)
