"""What a language of one's own has and lacks."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from multipl_moe.eval.own_language import parts_of_language
from multipl_moe.recipe.language_template import first_problem, language_recipe
from multipl_moe.recipe.recipe import Recipe, load_recipe


@pytest.fixture
def recipe(tables, tmp_path: Path):
    """Of shell scripts, two files of which lie in a folder and one in a repository that is held out."""
    for name, number in {"ours": 2, "theirs": 1}.items():
        (tmp_path / name).mkdir()
        for index in range(number):
            (tmp_path / name / f"{index}.mine").write_text("echo\n")
    subprocess.run(["git", "init", "-q", str(tmp_path / "theirs")], check=True)
    subprocess.run(["git", "-C", str(tmp_path / "theirs"), "add", "."], check=True)
    sources = [
        {"kind": "folder", "path": str(tmp_path / "ours")},
        {"kind": "git", "path": str(tmp_path / "theirs"), "held_out": True},
        {"kind": "jsonl", "path": str(tmp_path / "rows.jsonl"), "language": "mine"},
        {"kind": "answers", "path": str(tmp_path / "answers.jsonl"), "language": "mine"},
    ]
    file = tmp_path / "mine.yaml"
    text = language_recipe("mine", "file", file, sources=sources)
    file.write_text(text.replace("packages: [dash]", "packages: [mine]"))
    (tmp_path / "mine.jsonl").write_text(first_problem("mine", "file"))
    return load_recipe(file)


def test_nothing_is_missing_of_a_whole_language(bubblewrap, recipe: Recipe):
    parts = parts_of_language(recipe, "mine")
    assert all(part.is_there for part in parts), parts
    states = {part.what.split(",")[0]: part.state for part in parts[:4]}
    assert states["problems"] == "1, 1 with a reference, 1 of 1 tried are in order"
    assert [part.state for part in parts[2:]] == ["2 files", "1 files", *["not looked into: rows"] * 2]


def _untouched(recipe: Recipe) -> Recipe:
    own = recipe.own_languages["mine"]
    assert own.toolchain is not None
    same = own.model_copy(update={"toolchain": replace(own.toolchain, packages=("dash",))})
    return recipe.model_copy(update={"own_languages": {"mine": same}})


@pytest.mark.parametrize(("body", "is_there"), [("  expr 2 \\* $1\n", True), ("  return 2 * $1;\n", False)])
def test_references_tell_whether_the_template_s_toolchain_runs_the_language(
    bubblewrap, recipe: Recipe, tmp_path: Path, body: str, is_there: bool
):
    own = json.loads(first_problem("mine", "file")) | {"reference": body}
    (tmp_path / "mine.jsonl").write_text(json.dumps(own) + "\n")
    toolchain, problems, *_ = parts_of_language(_untouched(recipe), "mine")
    assert (toolchain.is_there, problems.is_there) == (True, is_there), problems.state


def test_references_are_judged_and_told_by_problem(bubblewrap, recipe: Recipe, tmp_path: Path):
    right = json.loads(first_problem("mine", "file"))
    rows = [
        right,
        right | {"id": "wrong", "reference": "  echo 3\n"},
        right | {"id": "hollow", "tests": "check 1 1\n"},
        right | {"id": "none", "reference": None},
        {
            "id": "words",
            "language": "mine",
            "question": "Print twice the number.",
            "reference": "read n; echo $((2 * n))",
            "tests": [{"input": "4\n", "output": "8\n"}],
        },
    ]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, problems, *_ = parts_of_language(recipe, "mine")
    assert not problems.is_there
    assert problems.state.startswith("5, 4 with a reference, 2 of 4 tried are in order; ")
    assert "wrong: its reference ends in wrong_answer" in problems.state
    assert "hollow: its tests pass although the body of its function only fails" in problems.state


def test_what_is_missing_is_told_with_the_key_to_mend(bubblewrap, recipe: Recipe, tmp_path: Path):
    own = recipe.own_languages["mine"]
    assert own.toolchain is not None
    bare = own.model_copy(update={"toolchain": None, "harness": None})
    sources = [source for source in recipe.corpus.sources if source.kind == "toolchains"]
    lacking = recipe.model_copy(update={"own_languages": {"mine": bare}}).with_settings("corpus", sources=sources)
    toolchain, problems, text = parts_of_language(lacking, "mine")
    assert "own_languages.mine: give toolchain and harness" in toolchain.state
    assert "no language 'mine' can be judged" in problems.state
    assert text.state.startswith("corpus.sources: none")
    broken = own.model_copy(update={"toolchain": replace(own.toolchain, failed_assertion="no such words")})
    recipe = recipe.model_copy(update={"own_languages": {"mine": broken}})
    (tmp_path / "ours" / "0.mine").rename(tmp_path / "ours" / "0.other")
    (tmp_path / "ours" / "1.mine").unlink()
    problem = json.loads(first_problem("mine", "file")) | {"language": "python"}
    (tmp_path / "mine.jsonl").write_text(json.dumps(problem) + "\n")
    toolchain, problems, text, *_ = parts_of_language(recipe, "mine")
    assert not any(part.is_there for part in (toolchain, problems, text))
    assert "failed_assertion (no such words)" in toolchain.state
    assert problems.state.endswith("has no problem in mine")
    assert "no file of the language (.mine); mend corpus.sources[0]" in text.state
