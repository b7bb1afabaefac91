"""Every form in every language: right passes, wrong fails, leaving early and success words do not help."""

import re
from dataclasses import replace

import pytest

from multipl_judge.judge.outcome import Outcome
from multipl_judge.languages.literals import WRITTEN
from multipl_judge.languages.program import Nonce
from multipl_judge.problems.forms import FORMS, broken_reference, program_of
from tests.multipl_judge.problems.samples import sample
from tests.multipl_judge.problems.test_extract import WHOLE_FUNCTIONS
from tests.multipl_judge.problems.translated import TRANSLATED

FORM_LANGUAGES = [
    "human_eval-python",
    "mbpp-python",
    *(f"multipl_e-{language}" for language in ("cpp", "java", "go", "rust", "ruby", *TRANSLATED)),
    *(f"humaneval_x-{language}" for language in ("python", "cpp", "java", "go", "rust")),
    *(f"mbxp-{language}" for language in ("python", "cpp", "java", "go", "ruby")),
    *(f"starter-{language}" for language in ("python", "cpp", "java", "go", "rust", "ruby", *TRANSLATED)),
    *(f"calls-{language}" for language in WRITTEN),
]


def test_every_form_has_a_sample(samples):
    assert sorted(samples) == sorted(FORM_LANGUAGES)
    # Those of whole files have tests of their own.
    assert {name.split("-")[0] for name in samples} == set(FORMS) - {"stdin", "framework"}


OUTCOMES = {"right": Outcome.passed, "wrong": Outcome.wrong_answer, "forged": Outcome.tests_not_completed}
# What a program must come to the end of is the same in all forms of a language, but in these. In languages that start
# slowly preflight alone tries what leaves early.
_SLOW = ("haskell", "racket", "elixir")
LEFT_EARLY = [
    *("human_eval-python", "mbpp-python", "multipl_e-go", "humaneval_x-rust", "mbxp-go"),
    *(name for name in FORM_LANGUAGES if name.startswith(("starter-", "calls-")) and not name.endswith(_SLOW)),
]
# Right ones of calls and of others are judged by test_calling.py and test_extract.py; all answers are compared alike.
# In the starter's form judge/test_evil.py has right and wrong ones of the older languages; in the others its programs
# are those of MultiPL-E, whose problems are mended first.
# MBXP's Python is HumanEval's.
_HERE = [name for name in FORM_LANGUAGES if not name.startswith(("calls-", "starter-", "mbxp-python"))]
KINDS = {
    "right": [name for name in _HERE if name not in WHOLE_FUNCTIONS],
    "wrong": [*_HERE, "calls-python"],
    "forged": LEFT_EARLY,
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in KINDS[kind]])
def test_right_passes_wrong_fails_and_leaving_with_success_words_is_not_a_pass(name, kind, samples, judged):
    problem = samples[name]
    judgement = judged(problem, getattr(sample(problem), kind))
    # The tests of MBXP throw exceptions, which the program may have thrown.
    thrown = problem.form == "mbxp" and kind == "wrong" and judgement.outcome == Outcome.runtime_error
    unnamed = name == "mbxp-go" and kind == "forged" and judgement.outcome == Outcome.compile_error
    assert thrown or unnamed or judgement.outcome == OUTCOMES[kind], judgement.output


def test_the_text_of_the_nonce_does_not_stand_in_the_program(samples):
    for name, problem in samples.items():
        nonce = Nonce.draw()
        source = program_of(problem, sample(problem).right, nonce).source
        assert nonce.text not in source, name
        assert str(nonce.first ^ nonce.second) not in source, name


def test_no_completion_can_name_what_runs_the_tests(samples):
    named = {
        "go": r"\bfunc (?:main|tests|Test(?!Main|Harness|harness)\w*)\(",
        "rust": r"\bfn tests\(|\bfn test_",
        "cpp": r"\btests\(",
        "java": r"\bstatic void (?:tests|main)\([^)]*\)[^{]*\{(?! Harness\w+Main\.enter\(\);|\n        \S+\.)",
    }
    inside = {name: problem.language for name, problem in samples.items() if problem.form != "calls"}  # tests, that is
    checked = [(name, language) for name, language in inside.items() if language in named]
    assert {language for _, language in checked} == set(named)
    for name, language in checked:
        source = program_of(samples[name], samples[name].reference or "", Nonce.draw()).source
        assert not re.search(named[language], source), name


@pytest.mark.parametrize("name", ["mbpp-python", "mbxp-java"])
def test_a_reference_with_a_broken_body_compiles_and_fails(name, samples, judged):
    broken = broken_reference(samples[name])
    assert broken is not None
    assert judged(samples[name], broken).outcome == Outcome.runtime_error


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        ("mbpp-python", "def twice(n):\n    from unittest.mock import ANY\n    return {'a': [ANY]}['a'][0]"),
        (
            "starter-python",
            "    class Lie(int):\n        __eq__ = int.__ne__\n        __hash__ = int.__hash__\n    return Lie(-7)",
        ),
        (
            "starter-python",
            "    from unittest.mock import ANY\n    import fractions\n    half = fractions.Fraction(1)\n"
            "    half._numerator = ANY\n    return half",
        ),
        (
            "human_eval-python",
            "    import collections\n    collections.Counter.__eq__ = lambda *all: True\n"
            "    return collections.Counter()",
        ),
        (
            "human_eval-python",
            "    class Kind(type):\n        __eq__ = lambda *all: True\n        __hash__ = lambda self: hash(int)\n"
            "        __mro__ = (object,)\n    class Lie(metaclass=Kind):\n        __eq__ = lambda *all: True\n"
            "    return Lie()",
        ),
        (
            "human_eval-python",
            "    import weakref\n    class Lie:\n        __eq__ = lambda *all: True\n    global kept\n"
            "    kept = Lie()\n    return weakref.proxy(kept)",
        ),
        ("mbxp-go", "\treturn n\n}\n\nfunc recover() interface{} { return 1 }\n\nfunc panic(v interface{}) {"),
        *((f"multipl_e-{language}", lie) for language, one in TRANSLATED.items() for lie in one.lies),
    ],
)
def test_testing_that_no_longer_bites_is_not_a_pass(name, lie, samples, judged):
    judgement = judged(samples[name], lie)
    refused = {Outcome.wrong_answer, Outcome.runtime_error}
    if name.endswith(("-go", "-haskell", "-elixir")):  # a control of Go is that the program compiles
        refused = {*refused, Outcome.compile_error}
    assert judgement.outcome in {Outcome.tests_not_completed, *refused}, judgement.output


_POINT = """from dataclasses import dataclass
from fractions import Fraction

@dataclass(order=True)
class Point:
    x: int

class Vector:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return self.x == other.x

def twice(n):
"""


_VALUES = {
    "Point(2 * n)": "Point(4)",
    "[Vector(2 * n)]": "[Vector(4)]",
    "Fraction(2 * n)": "4",
    "collections.Counter(a=2 * n)": "{'a': 4}",
    "collections.UserList([2 * n])": "[4]",
    "collections.namedtuple('Pair', 'a b')(n, n)": "(2, 2)",
    "datetime.date(2000, 1, 2 * n)": "datetime.date(2000, 1, 4)",
    "pathlib.Path(str(2 * n))": "pathlib.Path('4')",
    "enum.IntEnum('Kind', {'a': 2 * n})(2 * n)": "4",
    "{2 * n}": "{4}",
}


def test_results_of_the_prompts_classes_and_of_the_standard_library_are_believed(samples, judged):
    imports = "import collections, datetime, enum, pathlib"
    tests = f"{imports}\nfor got, other, expected in zip(twice(2), twice(1), [{', '.join(_VALUES.values())}]):\n"
    tests += "    assert got == expected and not other == expected\n"
    problem = replace(samples["starter-python"], prompt=_POINT, tests=tests)
    judgement = judged(problem, f"    {imports}\n    return [{', '.join(_VALUES)}]")
    assert judgement.outcome == Outcome.passed, judgement.output


@pytest.mark.parametrize(
    "body",
    [
        "Vector.__eq__ = lambda *all: True; return Vector(1)",
        "Point.__eq__ = lambda *all: True; return Point(1)",
        "return type('Vector', (Vector,), {'__eq__': lambda *all: True})(1)",
        "from unittest.mock import ANY; return Vector(ANY)",
    ],
)
def test_the_prompts_classes_are_believed_as_the_prompt_made_them(body, samples, judged):
    problem = replace(samples["starter-python"], prompt=_POINT, tests="assert twice(2) == Vector(4)\n")
    assert judged(problem, f"    {body}").outcome in (Outcome.wrong_answer, Outcome.tests_not_completed)


def test_the_output_tells_of_a_result_that_is_equal_to_everything(samples, judged):
    lie = "    class Lie:\n        __eq__ = lambda *all: True\n    return Lie()"
    judgement = judged(samples["starter-python"], lie)
    assert judgement.outcome == Outcome.tests_not_completed
    assert "Lie, whose comparisons the completion brings itself" in judgement.output


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("human_eval-python", "    print('x', end='')\n    return 2 * n"),
        ("multipl_e-rust", '    print!("x");\n    2 * n'),
        ("multipl_e-ruby", "  print 'x'\n  2 * n\nend"),
    ],
)
def test_output_that_has_no_newline_does_not_spoil_the_nonce(name, body, samples, judged):
    assert judged(samples[name], body).outcome == Outcome.passed
