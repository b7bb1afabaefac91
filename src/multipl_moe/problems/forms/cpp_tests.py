"""C++: the `main` of a benchmark's tests becomes a function, so that the nonce comes after it whatever it returns."""

import re

_MAIN = re.compile(r"\bint\s+main\s*\([^)]*\)\s*\{")


def without_main(tests: str) -> str:
    """The tests with `int main(...)` renamed to `harness_tests()`, an int function still where it returns a value."""
    kind = "int" if re.search(r"\breturn\s+[^;]+;\s*\}\s*\Z", tests) else "void"
    return _MAIN.sub(f"{kind} harness_tests() {{", tests, count=1)
