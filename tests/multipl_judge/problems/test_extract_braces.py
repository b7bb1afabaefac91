"""Whole functions in Rust, Go, Java and C++ whose files are not the prompt's."""

import pytest

from multipl_judge.judge.outcome import Outcome
from multipl_judge.problems.extract import completion_of_answer, continuation_of_answer

RENAMED = {
    "multipl_e-rust": "fn twice(mut x: isize) -> isize {\n    x += x;\n    x\n}\n",
    "starter-rust": "use std::ops::Add;\n\nfn twice(value: i64) -> i64 {\n    value.add(value)\n}\n",
    "multipl_e-go": "func twice(x int) int {\n\treturn x + x\n}\n",
    "starter-go": "func twice(x int) int {\n\treturn 4\n}\n",
    "humaneval_x-go": "package main\n\nfunc Twice(x int) int {\n\tx += x\n\treturn x\n}\n",
    "multipl_e-java": "class A {\n    public static long twice(final long x) {\n        return 2 * x;\n    }\n}\n",
    "multipl_e-cpp": "long twice(long x) {\n    x += x;\n    return x;\n}\n",
}
BESIDE = {
    "multipl_e-java": """
import java.util.*;

public abstract class Sum {
    abstract long of(long n);
}

class Double extends Sum {
    long of(long n) { return new Pair(n, n).sum(); }
}

class Problem {
    public static long twice(long n) {
        return new Double().of(n);
    }
}

record Pair(long a, long b) {
    long sum() { return a + b; }
}
""",
    "multipl_e-cpp": """
#include <numeric>
#define TWO 2
using namespace std;

template <typename T>
struct Sum {
    T a, b;
    T of() const { return a + b; }
};

const long ONE = 1;
static vector<long> seen;

long twice(const long n) {
    seen.push_back(n);
    if (n < 0) return -twice(-n);
    return Sum<long>{n, n}.of() * ONE * TWO / 2;
}

int main() {
    return twice(2) == 4 ? 0 : 1;
}
""",
    "starter-cpp": """
#include <map>

static inline long
twice(long n)
{
    std::map<long, long> two{{n, 2 * n}};
    return two[n];
}

struct After {
    int a;
};
""",
}


@pytest.mark.parametrize(("name", "code"), [*RENAMED.items(), *BESIDE.items()])
def test_a_whole_file_passes_whatever_it_calls_arguments_and_has_beside_its_function(name, code, samples, judged):
    completion = completion_of_answer(samples[name], f"So:\n```\n{code}```\n")
    judgement = judged(samples[name], completion)
    assert judgement.outcome == Outcome.passed, f"{completion}\n{judgement.output}"


@pytest.mark.parametrize("name", ["multipl_e-rust", "multipl_e-go", "multipl_e-java", "multipl_e-cpp"])
def test_what_fails_without_lines_that_the_answer_lacks_is_nothing_to_learn(name, samples, judged):
    completion = continuation_of_answer(samples[name], RENAMED[name])
    assert judged(samples[name], completion).outcome == Outcome.compile_error
