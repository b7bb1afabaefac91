"""The beginning of a C++ program that may be compiled ahead."""

import time

import pytest

from multipl_judge.languages.toolchains import leading_includes


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "#include<vector>\n// words\n/* more\nwords */ #  include <boost/any.hpp>\nint x;\n",
            ["vector", "boost/any.hpp"],
        ),
        ("#include <map>\nusing namespace std;\n#include <set>\n", ["map"]),
        ("#include <assert.h>\n#include <bits/stdc++.h>\n#include <map>\n", ["assert.h", "bits/stdc++.h"]),
        ("#include <map>\n#define assert(x)\n#include <cassert>\n", ["map"]),
        ("int x;\n#include <map>\n", []),
        ('#include "main.cpp"\n', []),
        ("#include </dev/zero>\n", []),
        ("#include <../../etc/passwd>\n", []),
        ("#include <map> junk\n", []),
        ("", []),
    ],
)
def test_only_system_headers_at_the_very_beginning(source, expected):
    assert leading_includes(source) == "".join(f"#include <{name}>\n" for name in expected)


@pytest.mark.parametrize("part", ["/**/", "/* ", "\n", " \n", "//", "// \n", "#include <map>\n", "#include"])
def test_hostile_beginnings_are_read_in_proportion_to_their_length(part):
    started = time.thread_time()
    leading_includes(part * (100_000 // len(part)))
    assert time.thread_time() - started < 2
