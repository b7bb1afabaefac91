"""Programs that read standard input and print, in every language with a toolchain."""

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from multipl_judge.errors import ConfigError
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.preflight import preflight
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.own import add_languages
from multipl_judge.languages.program import Nonce
from multipl_judge.problems import forms
from multipl_judge.problems.benchmarks import read_benchmark
from multipl_judge.problems.extract import completion_of_answer
from multipl_judge.problems.forms import broken_reference, program_of
from multipl_judge.problems.problem import Problem, commented
from multipl_moe.recipe.recipe import validate_recipe
from tests.multipl_judge.problems.samples import write_rows

SUM = {
    "id": "sum",
    "question": "Print the sum of the numbers on the line.",
    "tests": [{"input": "1 2\n", "output": "3\n"}, {"input": "4 -7 5\n", "output": "2"}],
}
PROGRAMS = {
    "python": "print(sum(map(int, input().split())))\n",
    "java": "/* Not this:\npackage a;\n*/\npackage com.example;\n\nimport java.util.*;\n\n"
    "public class Main {\n    public static void main(String[] args) {\n"
    "        Scanner in = new Scanner(System.in);\n        long sum = 0;\n"
    "        while (in.hasNextLong()) sum += in.nextLong();\n        System.out.println(sum);\n    }\n}\n"
    "/*\npublic class Old {\n}\n*/\n",
    "cpp": "#include <iostream>\n\nint main() {\n    long sum = 0;\n"
    "    for (long n; std::cin >> n;) sum += n;\n    std::cout << sum << std::endl;\n}\n",
    "rust": "use std::io;\n\nfn main() {\n    let mut line = String::new();\n"
    "    io::stdin().read_line(&mut line).unwrap();\n"
    "    let sum: i64 = line.split_whitespace().map(|word| word.parse::<i64>().unwrap()).sum();\n"
    '    println!("{}", sum);\n}\n',
    "go": '/*\npackage main adds.\n*/\npackage main\n\nimport "fmt"\n\nvar cap, new = 0, 0\n\n'
    "func main() {\n\tsum, n := cap, new\n"
    "\tfor {\n\t\tif _, err := fmt.Scan(&n); err != nil {\n\t\t\tbreak\n\t\t}\n\t\tsum += n\n\t}\n"
    "\tfmt.Println(sum)\n}\n",
    "ruby": "puts gets.split.sum(&:to_i)\n",
    "lua": "local sum = 0\nfor word in io.read():gmatch('%S+') do sum = sum + math.tointeger(word) end\nprint(sum)\n",
    "ocaml": "let () = read_line () |> String.split_on_char ' ' |> List.map int_of_string\n"
    "         |> List.fold_left (+) 0 |> print_int\n",
    "racket": "#lang racket\n(displayln (apply + (map string->number (string-split (read-line)))))\n",
    "r": "cat(sum(scan(file('stdin'), quiet = TRUE)), '\\n', sep = '')\n",
    "perl": "my $sum = 0;\n$sum += $_ for split ' ', <STDIN>;\nprint \"$sum\\n\";\n",
    "haskell": "main :: IO ()\nmain = interact (\\text -> show (sum (map read (words text) :: [Int])))\n",
    "elixir": 'IO.gets("") |> String.split() |> Enum.map(&String.to_integer/1) |> Enum.sum() |> IO.puts()\n',
}
AWK = "{ for (i = 1; i <= NF; i++) sum += $i; print sum }\n"


@pytest.fixture(scope="module")
def posed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Problem]:
    """The problem in each language."""
    row = {**SUM, "reference": PROGRAMS}
    file = write_rows(tmp_path_factory.mktemp("own") / "own.jsonl", [row])
    return {problem.language: problem for problem in read_benchmark(str(file))}


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_that_answers_passes(language, posed, judged):
    problem = posed[language]
    assert problem.reference is not None
    assert judged(problem, problem.reference).outcome == Outcome.passed
    answer = f"Here:\n\n```{language}\n{problem.reference}```\n\nIt adds.\n"
    assert completion_of_answer(problem, answer) == problem.reference


@pytest.mark.parametrize(
    ("program", "outcome", "told"),
    [
        ("print(3)\n", Outcome.wrong_answer, "case 2 of 2"),
        ("print(sum(map(int, input().split())))\nraise SystemExit(1)\n", Outcome.runtime_error, "case 1 of 2"),
        ("print(sum(map(int, input().split()\n", Outcome.compile_error, "SyntaxError"),
        ("print('x' * 5_000_000)\n", Outcome.output_limit, "case 1 of 2"),
        ("import os\nos._exit(0)\n", Outcome.wrong_answer, "case 1 of 2"),
    ],
)
def test_what_a_program_does_is_told(program, outcome, told, posed, judged):
    judgement = judged(posed["python"], program)
    assert (judgement.outcome, told in judgement.output) == (outcome, True), judgement.output


def test_nothing_to_find_out_stands_in_the_program(posed: dict[str, Problem]):
    for language, problem in posed.items():
        if language == "julia":
            continue
        program = program_of(problem, PROGRAMS[language], Nonce.draw())
        assert "-7" not in program.source
        assert program.cases == (("1 2\n", "3\n"), ("4 -7 5\n", "2"))
        assert str(program.nonce.first) not in program.source
        first_line = commented("Print the sum of the numbers on the line.", HARNESSES[language].comment)
        assert problem.prompt.startswith(first_line.rstrip(" *)\n"))


def test_cases_without_output_prove_nothing_and_a_whole_file_is_not_broken(posed: dict[str, Problem]):
    assert forms.tests_run(posed["python"]) == 2
    assert broken_reference(posed["python"]) is None
    hollow = Problem("own", "a", "python", "", json.dumps([["1", "\n"]]), "stdin", ())
    assert forms.tests_run(hollow) == 0


@pytest.mark.usefixtures("tables")
def test_a_language_of_ones_own_takes_three_lines(tmp_path: Path, judged_own: Callable[[Problem, str], Judgement]):
    add_languages(validate_recipe(yaml.safe_load(documented())).own_languages)
    (problem,) = read_benchmark(str(write_rows(tmp_path / "own.jsonl", [SUM])), languages=["awk"])
    assert problem.prompt.startswith("# Print the sum")
    assert judged_own(problem, AWK).outcome == Outcome.passed
    assert judged_own(problem, AWK.replace("sum += $i", "sum -= $i")).outcome == Outcome.wrong_answer
    assert judged_own(problem, "{ print (").outcome == Outcome.runtime_error
    assert preflight(["awk"])["awk"].problem is None
    tests = {"id": "a", "language": "awk", "prompt": "x", "tests": "assert true"}
    with pytest.raises(ConfigError, match="line 1: tests: awk has no harness"):
        read_benchmark(str(write_rows(tmp_path / "other.jsonl", [tests])))


def documented() -> str:
    """The recipe of docs/evaluation.md."""
    lines = (Path(__file__).parents[4] / "docs" / "evaluation.md").read_text().splitlines()
    begin = lines.index("    own_languages:")
    return textwrap.dedent("\n".join(lines[begin : begin + 3]))
