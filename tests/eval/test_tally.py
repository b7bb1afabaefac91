"""Raw results, checked and counted; pass@k against brute force, and at its edges."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multipl_judge.judge.outcome import Outcome
from multipl_moe.errors import UserError
from multipl_moe.eval.tally import pass_at_k, tally_results
from tests.eval.judged import problem, problems, results


def test_samples_are_counted_by_problem_and_failures_of_the_judge_are_not():
    asked = problems("rust", 2)
    first, second = tally_results(asked, results(asked, "pc", "wh", "ph"))
    assert (first.num_samples, first.num_passed, first.num_built, first.left_out) == (3, 2, 3, ())
    assert (second.num_samples, second.num_passed, second.num_built, second.left_out) == (1, 0, 0, (1, 2))
    assert second.outcomes == {Outcome.compile_error: 1, Outcome.harness_error: 2}


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.harness_error}))
def test_a_program_is_built_unless_judging_it_ended_in_the_compiler(outcome: Outcome):
    asked = problems("rust", 1)
    line = {"key": asked[0].key, "sample": 0, "outcome": str(outcome)}
    (ran,) = tally_results(asked, [line | {"stage": "run"}])
    (compiled,) = tally_results(asked, [line | {"stage": "compile"}])
    assert ran.num_built == (outcome not in ("compile_error", "compile_timeout"))
    assert compiled.num_built == 0  # a compiler that eats all memory has built nothing


def test_cluster_is_the_problems_own_key_where_it_has_none():
    asked = [problem("rust", 1), problem("go", 1)]
    same = tally_results(asked, results(asked, "pp"))
    assert {tally.cluster for tally in same} == {"starter/1"}
    asked = [type(one)(one.benchmark, one.id, one.language, "", "", "own", ()) for one in asked]
    assert [tally.cluster for tally in tally_results(asked, results(asked, "pp"))] == ["starter/rust/1", "starter/go/1"]


def test_results_that_do_not_fit_are_refused():
    asked = problems("rust", 3)
    judged = results(asked, "pwp")
    with pytest.raises(UserError, match=r"2 of 3 problems have none \(the first is starter/rust/1\); run the same"):
        tally_results(asked, judged[:1])
    with pytest.raises(UserError, match="sample 0 of starter/rust/2 occurs twice"):
        tally_results(asked, [*judged, judged[-1]])
    with pytest.raises(UserError, match="starter/rust/2 is none of the 2 problems"):
        tally_results(asked[:2], judged)
    with pytest.raises(
        UserError, match=r"starter/rust/2 has an unknown outcome .*'fine'.*; known are passed, wrong_answer"
    ):
        tally_results(asked, [*judged[:2], judged[2] | {"outcome": "fine"}])


@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_share_of_all_subsets_that_hold_a_passing_sample(n: int, data: st.DataObject):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    subsets = list(combinations([index < c for index in range(n)], k))
    assert pass_at_k(n, c, k) == sum(map(any, subsets)) / len(subsets)


def test_huge_numbers_of_samples_lose_no_digits_and_impossible_ones_are_refused():
    n = 100_000
    assert pass_at_k(n, 1, 7) == 7 / n
    assert 0 < 1 - pass_at_k(n, n // 2, 40) < 1e-12
    assert pass_at_k(n, n // 2, n // 2) == 1.0
    for counts in ((5, 5, 10), (5, 2, 0), (5, 6, 1), (5, -1, 1)):
        with pytest.raises(ValueError, match="no such thing"):
            pass_at_k(*counts)
