"""Programs of two processes: what right answers do is seen by their tests as if they shared a process."""

import subprocess
import sys

import pytest

from multipl_judge.languages.program import Nonce
from multipl_judge.languages.python_guard import opening, python_program
from multipl_judge.languages.ruby_guard import ruby_program

_CAPTURED = """import contextlib, io
with contextlib.redirect_stdout(io.StringIO()) as said:
    f(3)
assert said.getvalue() == '3\\n'
"""
PYTHON = {
    "values": ("return [n, {'a': (n, 1.5)}, {n}, None]", "assert f(2) == [2, {'a': (2, 1.5)}, {2}, None]"),
    "changes": (
        "n.append(3); n[0].append(7); return n",
        "x = [[1], 2]; y = x[0]\nassert f(x) is x and x == [[1, 7], 2, 3] and y == [1, 7]",
    ),
    "generator": ("yield from range(n)", "assert list(f(3)) == [0, 1, 2]"),
    "closure": ("return lambda x: x * n", "assert f(3)(4) == 12"),
    "callback": ("return [n(x) for x in (1, 2)]", "assert f(lambda x: x + 1) == [2, 3]"),
    "exception": ("raise ValueError('x', n)", "try:\n    f(2)\nexcept ValueError as e:\n    assert e.args == ('x', 2)"),
    "exception that hides its arguments": (
        "class Odd(ValueError):\n        args = property(lambda self: self.none)\n"
        "        __str__ = lambda self: 'odd'\n    raise Odd",
        "try:\n    f(2)\nexcept ValueError as e:\n    assert str(e) == 'odd'\nelse:\n    assert False",
    ),
    "output": ("print(n)", _CAPTURED),
    "big": ("return 10 ** n", "assert f(5000) == 10 ** 5000"),
    "class": ("return type(n)", "assert f(2) == int and f('') is str"),
    "coroutine": ("async def g(): return n + 1\n    return g()", "import asyncio\nassert asyncio.run(f(2)) == 3"),
    "import": ("return n\nimport math", "assert f(2) == math.sqrt(4)"),
}
RUBY = {
    "values": ("[n, { a: [n, 1.5] }, nil, 'é']", "assert_equal([2, { a: [2, 1.5] }, nil, 'é'], f(2))"),
    "changes": ("n[0] << 7; n << 3", "x = [[1], 2]\nassert_same(x, f(x))\nassert_equal([[1, 7], 2, 3], x)"),
    "block": ("yield(n) + 1", "assert_equal(7, f(3) { |x| 2 * x })"),
    "closure": ("->(x) { x * n }", "assert_equal(12, f(3).call(4))"),
    "exception": ("raise ArgumentError, 'x'", "assert_raise(ArgumentError) { f(2) }"),
    "lazy": ("(1..n).lazy.map { |x| 2 * x }", "assert_equal([2, 4], f(2).to_a)"),
}


def run(command: list[str], source: str, nonce: Nonce) -> bool:
    """Whether a program passes."""
    finished = subprocess.run(command, input=source.encode(), capture_output=True, check=False, timeout=60)
    return finished.returncode == 0 and finished.stdout.decode().splitlines()[-1:] == [nonce.text]


def passes(code: str, tests: str, **named: str) -> bool:
    """Whether Python passes."""
    nonce = Nonce.draw()
    return run([sys.executable, "-s", "-B", "-"], python_program(code, tests, nonce, **named), nonce)


@pytest.mark.parametrize("name", PYTHON)
def test_a_python_answer_meets_its_tests(name):
    body, tests = PYTHON[name]
    for more, is_right in (("", True), ("\nassert f is None", False))[: 1 + (name == "values")]:
        assert passes(f"def f(n):\n    {body}\n", tests + more, entry_point="f") is is_right


def test_tests_use_the_classes_functions_and_exceptions_of_a_module():
    code = (
        "class Pair:\n    def __init__(self, a): self.a = a\n    def __eq__(self, other): return self.a == other.a\n"
        "class NoPairs(ValueError): pass\ndef total(pairs):\n    if not pairs: raise NoPairs('none')\n"
        "    return sum(pair.a for pair in pairs)\n"
    )
    tests = (
        "assert total([Pair(1), Pair(3)]) == 4\nassert Pair(1) == Pair(1) and not Pair(1) == Pair(2)\n"
        "try:\n    total([])\nexcept NoPairs as error:\n    assert str(error) == 'none'\nelse:\n    assert False\n"
    )
    assert passes(code, tests)


def test_objects_of_the_prompts_classes_go_both_ways():
    prompt = "class Node:\n    def __init__(self, v, n=None): self.v, self.n = v, n\n\ndef f(node):\n"
    tests = "node = Node(1, Node(2))\nfor v in range(1000): node.n.n = Node(v, node.n.n)\n"
    tests += "last = f(node)\nassert (last.v, last.n, node.n.v) == (3, None, 5)"
    code = f"{prompt}    node.n.v = 5\n    return Node(3)\n"
    assert passes(code, tests, opening=opening(prompt), entry_point="f")


def test_a_module_among_the_arguments_stays_as_the_tests_have_it():
    tests = "import statistics\nmean = statistics.mean\nassert f([statistics, 2]) == 4 and statistics.mean([3]) == 3\n"
    for trick in ("n.append(1); n.pop()", "n[0].mean = print", "n[0] = __import__('math')", "n.append(7)"):
        assert passes(f"def f(n):\n    {trick}\n    return 4\n", tests, entry_point="f")


@pytest.mark.parametrize("name", RUBY)
def test_a_ruby_answer_meets_its_tests(name):
    body, tests = RUBY[name]
    nonce = Nonce.draw()
    for more, passes in (("", True), ("\nassert(false)", False))[: 1 + (name == "values")]:
        case = f"class Cases < Test::Unit::TestCase\n  def test_all\n{tests}{more}\n  end\nend\n"
        source = ruby_program("def f(n)\n", f"  {body}\nend\n", case, nonce, entry_point="f", test_case="Cases")
        assert run(["ruby", "-"], source, nonce) is passes
