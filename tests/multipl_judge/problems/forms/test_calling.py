"""A function that gives back its arguments answers with what it was given, in each language."""

from dataclasses import replace
from random import Random

import pytest

from multipl_judge.errors import ConfigError
from multipl_judge.judge.outcome import Outcome
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.problems.forms.calling import called_cases
from multipl_judge.problems.own import read_own
from multipl_judge.problems.problem import Problem
from tests.multipl_judge.problems.samples import write_rows

# Texts, a list of pairs or lists, numbers by name, a number, whether, a character, and what may be missing.
BACK = {
    "python": ("def back(a, b, c, d, e, f, g):\n", "    return [a, b, c, d, e, f, g]"),
    "ruby": ("def back(a, b, c, d, e, f, g)\n", "  [a, b, c, d, e, f, g]"),
    "rust": (
        "use std::collections::HashMap;\n\nfn back<'a>(a: &'a [&str], b: &[Vec<(i64, i32)>], c: HashMap<String, "
        "Vec<u8>>, mut d: f64, e: bool, f: char, g: Option<String>) -> (Vec<(Vec<&'a str>, Vec<Vec<(i64, i32)>>, "
        "HashMap<String, Vec<u8>>, f64)>, bool, char, Option<String>) {\n",
        "    d += 0.0;\n    (vec![(a.to_vec(), b.to_vec(), c, d)], e, f, g)",
    ),
    "go": (
        "package main\n\nfunc back(a []string, b [][][2]int, c map[string][]int, d float64, e bool, f string, g any) "
        "[]any {\n",
        "\treturn []any{a, b, c, d, e, f, g}",
    ),
    "java": (
        "import java.util.*;\n\nclass Solution {\n    static List<Object> back(List<String> a, int[][][] b, "
        "final Map<String, List<Integer>> c, double d, boolean e, char f, String g) {\n",
        "        return Arrays.asList(a, b, c, d, e, f, g);",
    ),
    "cpp": (
        "#include <map>\n#include <optional>\n#include <string>\n#include <tuple>\n#include <vector>\n\n"
        "using namespace std;\n\nauto back(const vector<string>& a, vector<vector<pair<long, int>>>& b, "
        "map<string, vector<int>> c, double d, bool e, char f, optional<string> g = nullopt) {\n",
        "    return make_tuple(a, b, c, d, e, f, g);",
    ),
    "lua": ("function back(a, b, c, d, e, f, g)\n", "  return {a, b, c, d, e, f, g}"),
    "racket": ("#lang racket\n(define (back a b c d e f g)\n", "  (list a b c d e f g)"),
    "elixir": ("defmodule Some do\n  def back(a, b, c, d, e, f, g) do\n", "    {a, b, c, d, e, f, g}"),
    "ocaml": (
        "let rec back (a : string list) (b : int array list list) (d : float) (e : bool) (g : string option) : "
        "string list option list =\n",
        "  ignore (b, d, e); [Some a; Option.map (fun one -> [one]) g]",
    ),
    "haskell": (
        "back :: [String] -> [[[Int]]] -> Double -> Bool -> String -> ([String], [([[[Int]]], Double)])\n"
        "back a b d e g =",
        " (a, [(b, d)])",
    ),
}
_LETTERS = "aZ 0'\"\\$#{}%?/\n\t\0\x1f\x7f\x85éß€😀arness\u2028"


def odd_values(draw: Random) -> list[list]:
    """Arguments drawn for the functions above, which are their own answers."""

    def text(length: int) -> str:
        return "".join(draw.choices(_LETTERS, k=length))

    def case(length: int) -> list:
        pairs = [[[draw.randint(-(2**31), 2**31 - 1) for _ in "ab"] for _ in range(part)] for part in range(length)]
        named = {text(place) + str(place): [draw.randint(0, 127)] * place for place in range(length)}
        number, sign = draw.choice([0.1, -2.0, 1e300, 5e-324, 7]), draw.choice("a'\\\"$~")
        return [[text(place) for place in range(length)], pairs, named, number, draw.random() < 0.5, sign, text(length)]

    return [case(length) for length in (0, 1, 2, 3, 9)]


def nested(language: str, values: list) -> list:
    """What the function above answers in its language."""
    a, b, _, d, *_, g = values
    if language == "ocaml":
        return [a, None if g is None else [g]]
    if language == "haskell":
        return [a, [[b, d]]]
    return [[values[:4]], *values[4:]] if language == "rust" else values


def given_to(language: str, values: list) -> list:
    """The arguments of the function above; Lua has one empty table, for lists and maps."""
    a, b, c, d, e, f, g = values
    if language == "lua":
        return [a, b, c or {"none": []}, d, e, f, g]
    return [a, b, d, e, g] if language in ("ocaml", "haskell") else values


@pytest.mark.parametrize("language", BACK)
def test_values_come_back_as_they_were_given(language, judged):
    prompt, body = BACK[language]
    drawn = odd_values(Random(0))
    if language not in ("go", "java"):
        maybe = ("rust", "cpp", "python", "ruby", "elixir", "ocaml")
        drawn.append([*drawn[0][:6], None if language in maybe else ""])
    cases = []
    for values in drawn:
        given = given_to(language, values)
        cases.append((given, nested(language, values if len(given) < len(values) else given)))
    problem = Problem("own", "1", language, prompt, called_cases(cases), "calls", (), entry_point="back")
    judgement = judged(problem, body)
    assert judgement.outcome == Outcome.passed, judgement.output


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("  return 2 * $n;", Outcome.passed),
        ("  return $n;", Outcome.wrong_answer),
        ("  exit(0);", Outcome.tests_not_completed),
        ("  die('x');", Outcome.runtime_error),
    ],
)
def test_a_language_of_ones_own_says_how_it_prints_an_answer(body, outcome, judged, tmp_path, monkeypatch):
    answers = 'print("\\n$mark" . ($call) . "\\n");\n'
    monkeypatch.setitem(HARNESSES, "perl", replace(HARNESSES["perl"], answers=answers))
    calls = [{"call": f"double({n})", "answer": 2 * n} for n in (4, 0, -3)]
    row = {"id": "a", "language": "perl", "prompt": "sub double {\n  my ($n) = @_;\n", "tests": calls}
    (problem,) = read_own(write_rows(tmp_path / "own.jsonl", [row]))
    judgement = judged(problem, body)
    assert judgement.outcome == outcome, judgement.output
    with pytest.raises(ConfigError, match="tests: give call instead of arguments, as text of perl"):
        read_own(write_rows(tmp_path / "other.jsonl", [{**row, "tests": [{"arguments": [1], "answer": 2}]}]))


def test_a_call_may_be_written_in_its_language(judged, tmp_path):
    tests = [{"call": "sorted(f({3, 1}))", "answer": [1, 3]}]
    row = {"id": "a", "language": "python", "prompt": "def f(some):\n", "tests": tests}
    (problem,) = read_own(write_rows(tmp_path / "own.jsonl", [row]))
    assert judged(problem, "    return some").outcome == Outcome.passed
