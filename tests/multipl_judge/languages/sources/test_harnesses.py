"""Programs of two processes: what right answers do is seen by their tests as if they shared a process."""

import subprocess
import sys

from multipl_judge.languages.program import Nonce
from multipl_judge.languages.python_guard import opening, python_program
from multipl_judge.languages.ruby_guard import ruby_program

# For each function its body and its tests; all stand in one program.
PYTHON = {
    "values": ("return [n, {'a': (n, 1.5)}, {n}, None]", "assert values(2) == [2, {'a': (2, 1.5)}, {2}, None]"),
    "changes": (
        "n.append(3); n[0].append(7); return n",
        "x = [[1], 2]; y = x[0]\nassert changes(x) is x and x == [[1, 7], 2, 3] and y == [1, 7]",
    ),
    "yielding": ("yield from range(n)", "assert list(yielding(3)) == [0, 1, 2]"),
    "closure": ("return lambda x: x * n", "assert closure(3)(4) == 12"),
    "calling": ("return [n(x) for x in (1, 2)]", "assert calling(lambda x: x + 1) == [2, 3]"),
    "raising": (
        "raise ValueError('x', n)",
        "try:\n    raising(2)\nexcept ValueError as e:\n    assert e.args == ('x', 2)\nelse:\n    assert False",
    ),
    "hiding": (
        "class Odd(ValueError):\n        args = property(lambda self: self.none)\n"
        "        __str__ = lambda self: 'odd'\n    raise Odd",
        "try:\n    hiding(2)\nexcept ValueError as e:\n    assert str(e) == 'odd'\nelse:\n    assert False",
    ),
    "printing": (
        "print(n)",
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as said:\n    printing(3)\n"
        "assert said.getvalue() == '3\\n'",
    ),
    "big": ("return 10 ** n", "assert big(5000) == 10 ** 5000"),
    "kind": ("return type(n)", "assert kind(2) == int and kind('') is str"),
    "waiting": (
        "async def g(): return n + 1\n    return g()",
        "import asyncio\nassert asyncio.run(waiting(2)) == 3",
    ),
    "importing": ("return n\nimport math", "assert importing(2) == math.sqrt(4)"),
}
RUBY = {
    "values": ("[n, { a: [n, 1.5] }, nil, 'é']", "assert_equal([2, { a: [2, 1.5] }, nil, 'é'], values(2))"),
    "changes": ("n[0] << 7; n << 3", "x = [[1], 2]\nassert_same(x, changes(x))\nassert_equal([[1, 7], 2, 3], x)"),
    "block": ("yield(n) + 1", "assert_equal(7, block(3) { |x| 2 * x })"),
    "closure": ("->(x) { x * n }", "assert_equal(12, closure(3).call(4))"),
    "raising": ("raise ArgumentError, 'x'", "assert_raise(ArgumentError) { raising(2) }"),
    "lazy": ("(1..n).lazy.map { |x| 2 * x }", "assert_equal([2, 4], lazy(2).to_a)"),
}


def run(command: list[str], source: str, nonce: Nonce) -> bool:
    """Whether a program passes."""
    finished = subprocess.run(command, input=source.encode(), capture_output=True, check=False, timeout=60)
    return finished.returncode == 0 and finished.stdout.decode().splitlines()[-1:] == [nonce.text]


def passes(code: str, tests: str, **named: str) -> bool:
    """Whether Python passes."""
    nonce = Nonce.draw()
    return run([sys.executable, "-s", "-B", "-"], python_program(code, tests, nonce, **named), nonce)


def test_python_answers_meet_their_tests():
    code = "".join(f"def {name}(n):\n    {body}\n" for name, (body, _) in PYTHON.items())
    tests = "\n".join(tests for _, tests in PYTHON.values())
    assert passes(code, tests, entry_point="values")
    assert not passes(code, f"{tests}\nassert values is None", entry_point="values")


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


def test_ruby_answers_meet_their_tests():
    opened = "".join(f"def {name}(n)\n  {body}\nend\n" for name, (body, _) in RUBY.items() if name != "lazy")
    tests = "".join(f"  def test_{name}\n{tests}\n  end\n" for name, (_, tests) in RUBY.items())
    for more, is_right in (("", True), ("  def test_no\n    assert(false)\n  end\n", False)):
        nonce, case = Nonce.draw(), f"class Cases < Test::Unit::TestCase\n{tests}{more}end\n"
        body = f"  {RUBY['lazy'][0]}\nend\n{opened}"
        source = ruby_program("def lazy(n)\n", body, case, nonce, entry_point="lazy", test_case="Cases")
        assert run(["ruby", "-"], source, nonce) is is_right
