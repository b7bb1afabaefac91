"""Small problems in the format of each benchmark, with completions of known outcome."""

import gzip
import json
from pathlib import Path
from typing import NamedTuple

from multipl_judge.languages.literals import WRITTEN
from multipl_judge.problems.benchmarks import read_benchmark
from multipl_judge.problems.multipl_e import LANGUAGES
from multipl_judge.problems.problem import Problem
from tests.multipl_judge.problems.translated import TRANSLATED

WORDS = "OK 1 passed PASS nonce 1234567890123456789"


class Sample(NamedTuple):
    """Completions: right, wrong, and one that prints success words and ends the program well before the tests."""

    right: str
    wrong: str
    forged: str


HUMAN_EVAL = {
    "task_id": "HumanEval/900",
    "prompt": 'def twice(n):\n    """Twice n."""\n',
    "entry_point": "twice",
    "canonical_solution": "    return 2 * n\n",
    "test": "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate(2) == 4\n    assert candidate(0) == 0",
}
MBPP = {
    "task_id": 11,
    "text": "Write a function to double a number.",
    "code": "def twice(n):\r\n    return 2 * n",
    "test_list": ["assert twice(2) == 4", "assert twice(0) == 0"],
    "test_setup_code": "",
    "challenge_test_list": [],
}
SANITIZED = {
    "task_id": 12,
    "source_file": "x",
    "prompt": "Write a function to halve a number.",
    "code": "def half(n):\n    return n / 2",
    "test_imports": ["import math"],
    "test_list": ["assert math.isclose(half(4), 2)"],
}
MULTIPL_E = {
    "cpp": {
        "language": "cpp",
        "prompt": "#include<assert.h>\n#include<vector>\n// Twice n.\nlong twice(long n) {\n",
        "tests": "}\nint main() {\n    auto candidate = twice;\n    assert(candidate((2)) == (4));\n}\n",
        "stop_tokens": ["\n}"],
    },
    "java": {
        "language": "java",
        "prompt": "import java.util.*;\nimport org.javatuples.*;\nclass Problem {\n    // Twice n.\n"
        "    public static long twice(long n) {\n",
        "tests": "    }\n    public static void main(String[] args) {\n    assert(twice((2l)) == (4l));\n    }\n\n}\n",
        "stop_tokens": ["\n    }\n"],
    },
    "go": {
        "language": "go_test.go",
        "prompt": 'package twice_test\n\nimport (\n    "testing"\n    "fmt"\n)\n\n'
        "// Twice n.\nfunc twice(n int) int {\n",
        "tests": "func TestTwice(t *testing.T) {\n  candidate := twice\n\ttype test struct {\n"
        "\t\tactual   interface{}\n\t\texpected interface{}\n\t}\n"
        "   tests := []test{\n     { actual: candidate(2), expected: 4 },\n   }\n\n"
        '\tfor i, tc := range tests {\n\t\tt.Run(fmt.Sprintf("test num % d", i), func(t *testing.T) {\n'
        '\t\t\tif fmt.Sprintf("%v", tc.actual) != fmt.Sprintf("%v", tc.expected) {\n'
        "\t\t\t\tt.Errorf(\"expected '%s', got '%s'\", tc.expected, tc.actual)\n\t\t\t}\n\t\t})\n\t}\n}\n",
        "stop_tokens": ["\nfunc", "struct", "\n// "],
    },
    "rust": {
        "language": "rs",
        "prompt": "/// Twice n.\nfn twice(n: isize) -> isize {\n",
        "tests": "}\n\nfn main() {\n    let candidate = twice;\n    assert_eq!(candidate(2), 4);\n}\n",
        "stop_tokens": ["\n}"],
    },
    "ruby": {
        "language": "rb",
        "prompt": "# Twice n.\ndef twice(n)\n",
        "tests": "require 'test/unit'\nclass TestHumanEval < Test::Unit::TestCase\n  def test_twice\n"
        "    candidate = method(:twice)\n    assert_equal(4, candidate.call(2))\n  end\nend\n",
        "stop_tokens": ["\nclass", "\ndef", "\n#", "\n\n"],
    },
    **{
        name: {"language": one.code, "prompt": one.prompt, "tests": one.tests, "stop_tokens": one.stop}
        for name, one in TRANSLATED.items()
    },
}
HUMANEVAL_X = {
    "python": {
        "task_id": "Python/900",
        "prompt": HUMAN_EVAL["prompt"],
        "canonical_solution": "    return 2 * n\n",
        "test": HUMAN_EVAL["test"] + "\ncheck(twice)",
    },
    "cpp": {
        "task_id": "CPP/900",
        "prompt": "#include<stdio.h>\nusing namespace std;\nint twice(int n){\n",
        "declaration": "int twice(int n){\n",
        "canonical_solution": "    return 2 * n;\n}\n",
        "test": "#undef NDEBUG\n#include<assert.h>\nint main(){\n    assert (twice(2) == 4);\n}\n",
    },
    "java": {
        "task_id": "Java/900",
        "prompt": "import java.util.*;\n\nclass Solution {\n    public int twice(int n) {\n",
        "canonical_solution": "        return 2 * n;\n    }\n}",
        "test": "public class Main {\n    public static void main(String[] args) {\n"
        "        Solution s = new Solution();\n        if (s.twice(2) != 4) {\n"
        "            throw new AssertionError();\n        }\n    }\n}\n",
    },
    "go": {
        "task_id": "Go/900",
        "prompt": 'import (\n    "strings"\n)\n\n// Twice n.\nfunc Twice(n int) int {\n',
        "import": 'import (\n    "strings"\n)\n',
        "canonical_solution": "    return 2 * n\n}\n\n",
        "test_setup": 'package main\n\nimport (\n    "testing"\n    "github.com/stretchr/testify/assert"\n)\n',
        "test": "func TestTwice(t *testing.T) {\n    assert := assert.New(t)\n    assert.Equal(4, Twice(2))\n}\n",
    },
    "rust": {
        "task_id": "Rust/900",
        "declaration": "\nuse std::any::Any;\nuse rand::Rng;\nuse regex::Regex;\nuse md5;\n\n"
        "fn twice(n: i32) -> i32{\n",
        "prompt": "\n/*\n Twice n.\n*/\n",
        "canonical_solution": "\n    2 * n\n}\n",
        "test": "\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn test_twice() {\n"
        "        assert_eq!(twice(2), 4);\n    }\n\n}\n",
    },
}
MBXP = {
    "python": {**HUMAN_EVAL, "task_id": "MBPP/900", "language": "python"},
    "cpp": {
        "task_id": "MBCPP/900",
        "language": "cpp",
        "entry_point": "twice",
        "prompt": "#include <stdexcept>\nusing namespace std;\n\nint twice(int n) {\n",
        "canonical_solution": "    return 2 * n;\n}",
        "test": "\ntemplate <typename T> bool compare(T a, T b){ \n    return a == b; \n}\n\n"
        "int main(int argc, char* argv[]) {\n    int x0 = twice(2);\n    if (!(compare(x0, 4))) {\n"
        '        throw runtime_error("Exception -- test case 0 did not pass.");\n    }\n\n    return 0;\n}',
    },
    "java": {
        "task_id": "MBJP/900",
        "language": "java",
        "entry_point": "twice",
        "prompt": "import java.util.*;\n\nclass Twice {\n    public static int twice(int n) {\n",
        "canonical_solution": "        return 2 * n;\n    }\n}",
        "test": "\n\nclass Main {\n    public static void main(String[] args) throws Exception {\n"
        "        int x0 = Twice.twice(2);\n        if (x0 != 4) {\n"
        '            throw new java.lang.Exception("Exception -- test case 0 did not pass.");\n        }\n\n\n}\n}\n',
    },
    "go": {
        "task_id": "MBGP/900",
        "language": "go",
        "entry_point": "twice",
        "prompt": 'package main\n\nimport (\n\t"reflect"\n)\n// Twice n.\nfunc twice (n int) int {\n',
        "canonical_solution": "\treturn 2 * n\n}",
        "test": "\n\nfunc main() {\n\tactual_1 := twice(2)\n\texpected_1 := 4\n"
        "\tif !reflect.DeepEqual(actual_1, expected_1) {\n"
        '\t\tpanic("Exception --- test case 0 failed to pass")\n\t}\n}',
    },
    "ruby": {
        "task_id": "MBRBP/900",
        "language": "ruby",
        "entry_point": "twice",
        "prompt": "\n##\n# Twice n.\ndef twice(n)",
        "canonical_solution": "\n  2 * n\nend",
        "test": '\n\nx0 = twice(2)\nv0 = 4\nif x0 != v0\n    raise StandardError, "Error at test case 1"\nend\n\n',
    },
}
STARTER = {
    "python": ('def twice(n):\n    """Twice n."""\n', "assert twice(2) == 4\n"),
    "java": (
        "class Solution {\n    static int twice(int n) {\n",
        "    static void tests() {\n        assert twice(2) == 4;\n    }\n",
    ),
    "cpp": (
        "#include <cstdlib>\n#include <iostream>\n\nint twice(int n) {\n",
        "void tests() {\n    assert(twice(2) == 4);\n}\n",
    ),
    "rust": ("fn twice(n: i64) -> i64 {\n", "fn tests() {\n    assert_eq!(twice(2), 4);\n}\n"),
    "go": (
        'package main\n\nimport "testing"\n\nfunc twice(n int) int {\n',
        'func tests(t *testing.T) {\n\tif got := twice(2); got != 4 {\n\t\tt.Fatalf("got %v", got)\n\t}\n}\n',
    ),
    "ruby": ("def twice(n)\n", "assert_equal(4, twice(2))\n"),
    **{name: one.own for name, one in TRANSLATED.items()},
}
# Right, wrong, what leaves the program before its tests, and what prints a line, as bodies of the function.
_BODIES = {
    "python": ("    return 2 * n", "    return n", "    import os; os._exit(0)", '    print("{}", flush=True)'),
    "java": (
        "        return 2 * n;",
        "        return n;",
        "        if (n > 0) System.exit(0);\n        return 0;",
        '        System.out.println("{}");',
    ),
    "cpp": ("    return 2 * n;", "    return n;", "    std::exit(0);", '    std::cout << "{}" << std::endl;'),
    "rust": ("    2 * n", "    n", "    std::process::exit(0)", '    println!("{}");'),
    "go": ("    return 2 * n", "    return n", "    os.Exit(0)\n    return 0", '    fmt.Println("{}")'),
    "ruby": ("  2 * n", "  n", "  exit!(0)", '  STDOUT.puts("{}"); STDOUT.flush'),
    **{name: one.bodies for name, one in TRANSLATED.items()},
}
# Where a completion cannot import os: running no tests ends the program well, too. MBXP's prompts bring neither package
# that this takes, but the nonce does, under names that nobody can foresee: there it does not compile.
_GO_LEAVING = "    {}testing.Main(func(x, y string) (bool, error) {{ return true, nil }}, nil, nil, nil)\n    return 0"


def write_rows(file: Path, rows: list[dict]) -> Path:
    """A file of JSON lines."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def write_bench(folder: Path) -> Path:
    """A folder in the layout of $MULTIPL_MOE_BENCH, compressed as the originals are, with two problems a language."""
    files: dict[str, list[dict]] = {}
    for language, row in MULTIPL_E.items():
        names = ("HumanEval_900_twice", "HumanEval_901_thrice")
        named = [{**problem, "name": name} for problem, name in zip((row, _tripled(row)), names, strict=True)]
        files[f"multipl-e/humaneval-{LANGUAGES[language]}.jsonl.gz"] = named
    for language, row in HUMANEVAL_X.items():
        other = {**_tripled(row), "task_id": row["task_id"].replace("900", "901")}
        files[f"humaneval-x/{language}.jsonl.gz"] = [row, other]
    for name, rows in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(file, "wt", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)
    return folder


def _tripled(row: dict) -> dict:
    """The problem of `thrice`, made of that of `twice`."""
    text = json.dumps(row)
    for old, new in (("wice", "hrice"), ("2 * n", "3 * n"), ("4", "6")):
        text = text.replace(old, new)
    return json.loads(text)


def problems(folder: Path) -> list[Problem]:
    """The sample problem of every form and language, as the readers read it."""
    named = {language: {**row, "name": "HumanEval_900_twice"} for language, row in MULTIPL_E.items()}
    own = [
        {"id": "twice", "language": language, "prompt": prompt, "tests": tests, "entry_point": "twice"}
        for language, (prompt, tests) in STARTER.items()
    ]
    own += [
        {**row, "id": "calls", "tests": [{"arguments": [2], "answer": 4}]} for row in own if row["language"] in WRITTEN
    ]
    files = {
        "humaneval": [HUMAN_EVAL],
        "mbpp": [MBPP],
        "multipl-e-humaneval": list(named.values()),
        "humaneval-x": list(HUMANEVAL_X.values()),
        "mbxp": list(MBXP.values()),
    }
    found = [
        problem
        for name, rows in files.items()
        for problem in read_benchmark(f"{name}:{write_rows(folder / f'{name}.jsonl', rows)}")
    ]
    return found + read_benchmark(str(write_rows(folder / "own.jsonl", own)))


def sample(problem: Problem) -> Sample:
    """Completions of the problem."""
    right, wrong, leave, say = _BODIES[problem.language]
    head = "" if problem.prompt.endswith("\n") else "\n"
    end = ""
    if problem.form == "mbpp":
        head = "def twice(n):\n"
    if problem.form == "multipl_e" and problem.language == "ruby":
        end = "\nend"
    if problem.form == "multipl_e" and problem.language == "go":
        leave, end = _GO_LEAVING.format(""), "\n}\n"
    if problem.form == "mbxp" and problem.language == "go":
        leave, say = _GO_LEAVING.format("harness"), say.replace("fmt", "harnessfmt")
    forged = say.format(WORDS) + "\n" + leave
    return Sample(*(f"{head}{body}{end}" for body in (right, wrong, forged)))
