"""Answers are read from each form in which they are published."""

import gzip
import json

import pytest

from multipl_moe.codegen.published import read_answers
from multipl_moe.errors import ConfigError

TEXTS = {"a": ["x", "y"], "b": ["é", "z"]}


def read(path):
    return {answer.name: answer.texts for answer in read_answers(path)[0]}


def test_a_folder_holds_a_file_a_problem_and_results_repeat_completions(tmp_path):
    for name, texts in TEXTS.items():
        row = {"name": name, "language": "rb", "prompt": "P\n", "tests": "T\n"}
        results = [{"program": f"P\n{text}\nT\n", "status": "OK"} for text in texts]
        (tmp_path / f"{name}.results.json.gz").write_bytes(
            gzip.compress(json.dumps(row | {"results": results}).encode())
        )
    of_results = read_answers(tmp_path)[0]
    assert {answer.name: answer.texts for answer in of_results} == TEXTS
    assert {answer.language for answer in of_results} == {"rb"}
    (tmp_path / "notes.txt").write_text("none of it")
    with_both = tmp_path / "both"
    with_both.mkdir()
    for name, texts in TEXTS.items():
        content = json.dumps({"name": name, "completions": texts}).encode()
        (with_both / f"{name}.json.gz").write_bytes(gzip.compress(content))
        (with_both / f"{name}.results.json.gz").write_bytes((tmp_path / f"{name}.results.json.gz").read_bytes())
    assert read(with_both) == TEXTS


def test_the_digest_tells_whether_anything_changed(tmp_path):
    file = tmp_path / "a.jsonl"
    digests = []
    for text in ("x", "y", "x"):
        file.write_text(json.dumps({"id": "a", "completion": text}) + "\n")
        digests += [(read_answers(file)[1], read_answers(tmp_path)[1])]
    assert digests[0] == digests[2]
    assert not set(digests[0]) & set(digests[1])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"\nnonsense\n", "line 2 is not a JSON object"),
        ("a.jsonl", b'\n{"id": ' + b"[" * 100_000, "line 2 is not a JSON object"),
        ("a.jsonl", b'\n{"completion": ""}', "line 2 names no problem"),
        ("a.jsonl", b'\n{"id": "p/0"}', "line 2 holds no text"),
        ("a.jsonl", b'\n{"id": "p/0", "completions": ["a", null]}', "line 2 holds no text"),
        ("a.jsonl.gz", b"\x1f\x8b nonsense", "cannot be read"),
        ("a.json", b"[" * 100_000, "is not a JSON list of answers"),
        ("a.json", b'[{"id": "a", "completion": ""}, 3]', "entry 2 is not a JSON object"),
        ("a.json", b'{"name": "a", "prompt": "P", "tests": "T", "results": [{"program": "Q"}]}', "holds no text"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, name, content, message):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as error:
        read_answers(file)
    assert str(file) in str(error.value)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.jsonl cannot be read"):
        read_answers(tmp_path / "none.jsonl")
    with pytest.raises(ConfigError, match="holds no file of answers"):
        read_answers(tmp_path)


def test_lists_of_lists_stand_alone(tmp_path):
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text('[["x"]]')
    with pytest.raises(ConfigError, match="name the one file"):
        read_answers(tmp_path)
