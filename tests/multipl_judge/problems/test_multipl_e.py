from collections import Counter

import pytest

from multipl_judge.errors import ConfigError
from multipl_judge.problems.benchmarks import read_benchmark
from multipl_judge.problems.multipl_e import read_multipl_e
from tests.multipl_judge.problems.samples import MULTIPL_E, write_rows

_REAL = {"cpp": 161, "java": 158, "go": 154, "rust": 156, "ruby": 161, "lua": 161, "ocaml": 156, "racket": 161}


@pytest.mark.parametrize(
    ("name", "counts"),
    [("small_bench", dict.fromkeys(MULTIPL_E, 2)), pytest.param("bench", _REAL, marks=pytest.mark.third_party)],
)
def test_as_many_problems_are_read_as_there_are_and_ruby_is_cut_nowhere_at_empty_lines(name, counts, request):
    problems = read_multipl_e("humaneval", request.getfixturevalue(name) / "multipl-e")
    assert Counter(problem.language for problem in problems) == counts
    assert {problem.stop for problem in problems if problem.language == "ruby"} == {("\nclass", "\ndef", "\n#")}
    assert all(problem.stop for problem in problems)


def test_languages_without_a_form_and_those_not_asked_for_are_passed_over(tmp_path):
    names = {"name": "HumanEval_0_f"}
    rows = [{**MULTIPL_E[language], **names} for language in ("rust", "go")] + [{**names, "language": "d"}]
    file = write_rows(tmp_path / "a.jsonl", rows)
    assert [problem.language for problem in read_multipl_e("humaneval", file)] == ["rust", "go"]
    assert [problem.language for problem in read_multipl_e("humaneval", file, languages={"rust"})] == ["rust"]
    with pytest.raises(ConfigError, match="has no problem in d"):
        read_benchmark(f"multipl-e-humaneval:{file}", {"d"})


def test_the_hub_is_asked_for_one_file_a_language(monkeypatch, tmp_path):
    row = {**MULTIPL_E["rust"], "name": "mbpp_3_is_not_prime"}
    asked = []

    def hub_file(repository, name, benchmark):
        asked.append((repository, name))
        return write_rows(tmp_path / "a.jsonl", [row])

    monkeypatch.setattr("multipl_judge.problems.multipl_e.hub_file", hub_file)
    (problem,) = read_multipl_e("mbpp", languages={"rust"})
    assert asked == [("nuprl/MultiPL-E", "mbpp-rs/test-00000-of-00001.parquet")]
    assert problem.cluster == "MBPP/3"
    assert problem.id == "mbpp_3_is_not_prime"
