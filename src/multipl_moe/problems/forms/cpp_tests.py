"""C++: the `main` of a benchmark's tests becomes a function, so that the seal comes after it whatever it returns."""

import re

_MAIN = re.compile(r"\bint\s+main\s*\([^)]*\)\s*\{")


def without_main(tests: str) -> str:
    """The tests with `int main(...)` renamed to `sealed_tests()`; it stays an int function where it returns a value."""
    kind = "int" if re.search(r"\breturn\s+[^;]+;\s*\}\s*\Z", tests) else "void"
    return _MAIN.sub(f"{kind} sealed_tests() {{", tests, count=1)
