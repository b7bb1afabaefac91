"""Completions made elsewhere are taken over as they are named; what does not fit is refused and named."""

import json
from dataclasses import replace

import pytest

from multipl_moe.codegen.completer import Completion, Finish
from multipl_moe.codegen.from_file import import_samples
from multipl_moe.codegen.samples import read_samples
from multipl_moe.errors import ConfigError, OutputError
from tests.codegen.problems import problem
from tests.multipl_judge.problems.samples import write_rows

RUST = [problem(number, f"fn f{number}() {{\n", stop=("\n}",)) for number in range(3)]
GO = [problem(number, f"func f{number}() {{\n", "go", ("\n}",)) for number in range(3)]


def imported(tmp_path, posed, records, **options):
    return import_samples(posed, write_rows(tmp_path / "made.jsonl", records), tmp_path / "run", **options)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [("key", "completion", "x"), ("task_id", "completions", ["x"]), ("name", "generation", "x"),
     ("id", "generations", ["x"]), ("problem_id", "solution", "x")],
)  # fmt: skip
def test_the_usual_names_are_known(tmp_path, name, field, value):
    ids = [p.key if name == "key" else p.id for p in RUST]
    samples = imported(tmp_path, RUST, [{name: id, field: value, "more": 1} for id in ids])
    assert samples == {(p.key, 0): Completion("x", Finish.end) for p in RUST}
    assert read_samples(tmp_path / "run") == samples


def test_several_lines_and_lists_count_up(tmp_path):
    records = [{"id": p.id, "completions": ["a", "b"]} for p in RUST] + [{"id": p.id, "completion": "c"} for p in RUST]
    samples = imported(tmp_path, RUST, records)
    assert [samples[p.key, sample].text for p in RUST for sample in range(3)] == ["a", "b", "c"] * 3
    assert list(samples) == [(p.key, sample) for p in RUST for sample in range(3)]
    assert read_samples(tmp_path / "run") == samples


def test_an_id_of_several_languages_needs_its_language_or_the_code_of_its_source_or_its_key(tmp_path):
    codes = ["go_test.go"] * 3 + ["rs", "Rust", ".rs"]
    records = [{"id": p.id, "language": c, "completion": c} for c, p in zip(codes, [*GO, *RUST], strict=True)]
    samples = imported(tmp_path, [*RUST, *GO], records)
    assert [samples[p.key, 0].text for p in [*GO, *RUST]] == codes
    with pytest.raises(ConfigError, match=r"line 1: p/0 is in several .* name it as tiny/rust/p/0"):
        imported(tmp_path, [*RUST, *GO], [{"id": "p/0", "completion": ""}])


def test_the_name_that_a_problem_has_in_all_languages_names_it_too(tmp_path):
    posed = [replace(p, cluster=f"MBPP/{number}") for number, p in enumerate(RUST)]
    samples = imported(tmp_path, posed, [{"task_id": f"Mbpp/{number}", "completion": "x"} for number in range(3)])
    assert len(samples) == 3


def test_lists_of_lists_are_of_the_problems_in_their_order(tmp_path):
    file = tmp_path / "generations.json"
    file.write_text(json.dumps([[p.prompt + f"  {number}\n}}\nfn more() {{"] for number, p in enumerate(RUST)]))
    samples = import_samples(RUST, file, tmp_path / "run")
    assert [sample.text for sample in samples.values()] == ["  0", "  1", "  2"]
    for posed in ([*RUST, *GO], RUST[:2]):
        with pytest.raises(ConfigError, match=r"holds 3 lists of answers.* choose the benchmark and the one language"):
            import_samples(posed, file, tmp_path / "other")


def test_unknown_problems_are_counted_and_their_nearest_named(tmp_path):
    records = [{"id": p.id, "completion": ""} for p in RUST] + [{"id": f"q/{n}", "completion": ""} for n in range(5)]
    with pytest.raises(ConfigError, match=r"names 5 unknown problems: q/0 \(nearest: p/0\), q/1 .* and 2 more"):
        imported(tmp_path, RUST, records)
    assert not (tmp_path / "run").exists()


def test_lines_of_ignored_problems_are_passed_over_and_others_still_unknown(tmp_path):
    records = [{"id": p.id, "language": p.language, "completion": p.language} for p in [*GO, *RUST]]
    records += [{"key": GO[0].key, "solution": "x"}]
    samples = imported(tmp_path, RUST, records, ignored=GO)
    assert samples == {(p.key, 0): Completion("rust", Finish.end) for p in RUST}
    with pytest.raises(ConfigError, match=r"names 1 unknown problems: q/0"):
        imported(tmp_path, RUST, [*records, {"id": "q/0", "completion": ""}], ignored=GO)


def test_missing_completions_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"of 2 problems: tiny/rust/p/1 \(0 of 1\), tiny/rust/p/2 \(0 of 1\); add"):
        imported(tmp_path, RUST, [{"id": "p/0", "completion": ""}])
    records = [{"id": p.id, "completions": ["a", "b"][: 2 - (p is RUST[1])]} for p in RUST]
    with pytest.raises(ConfigError, match=r"of 1 problems: tiny/rust/p/1 \(1 of 2\)"):
        imported(tmp_path, RUST, records)


def test_the_same_file_may_come_again_and_another_not_and_half_surrogates_become_writable(tmp_path):
    records = [{"id": p.id, "completion": "a\ud800b"} for p in RUST]
    samples = imported(tmp_path, RUST, records)
    assert samples[RUST[0].key, 0].text == "a?b"
    assert imported(tmp_path, RUST, records) == samples
    with pytest.raises(OutputError, match="has changed since"):
        imported(tmp_path, RUST, [*records[:-1], {"id": "p/2", "completion": "b"}])
