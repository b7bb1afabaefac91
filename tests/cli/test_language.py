"""`language`: writes a recipe once, tries it each time, and its exit code tells whether anything is missing."""

import json

import pytest

from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.toolchains import TOOLCHAINS
from tests.fixtures import tree


def _forget() -> None:
    """As if another process began: the tables of this one, without the language."""
    for table in (TOOLCHAINS, HARNESSES):
        table.pop("mine", None)


@pytest.fixture(autouse=True)
def tables():
    yield
    _forget()


def test_a_language_is_begun_and_then_tried(run, bubblewrap, tmp_path):
    begun = run("language", "mine", "--kind", "file", "--extensions", ".mine,.mn")
    assert begun.code == 1, begun.err
    assert {"mine.yaml", "mine.jsonl"} <= {path.name for path in tmp_path.iterdir()}
    assert "no such folder" in " ".join(begun.out.split())
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mn").write_text("echo\n")
    recipe = (
        (tmp_path / "mine.yaml").read_text().replace("/path/to/repository", "ours").replace("kind: git", "kind: folder")
    )
    (tmp_path / "mine.yaml").write_text(recipe)
    unedited = run("language", "mine")
    assert (unedited.code, "still the template's, of shell" in " ".join(unedited.out.split())) == (1, True), (
        unedited.out
    )
    (tmp_path / "mine.yaml").write_text(recipe.replace("packages: [dash]", "packages: [mine]"))
    _forget()
    before = tree(tmp_path)
    tried = run("language", "mine")
    assert (tried.code, tree(tmp_path)) == (0, before), tried.out + tried.err
    assert "nothing is missing" in tried.out
    _forget()
    whole = run(
        "language", "mine", "--output", "other.yaml", "--source", "ours", "--held-out", "theirs", "--kind", "file"
    )
    assert "held-out text, theirs" in whole.out
    assert json.loads((tmp_path / "other.jsonl").read_text())["language"] == "mine"


def test_what_cannot_be_begun_is_refused(refused, tmp_path):
    assert "the package knows it" in refused("language", "rust")
    assert "a name has lower-case letters" in refused("language", "C#")
    assert "known: stdin, file, compiled, ml, vm" in refused("language", "mine", "--kind", "scripts")
    assert "'mine': " in refused("language", "mine", "--extensions", "mine")
    for name in ("x.jsonl", "x", ".yaml"):
        assert f"output: {name} must end in .yaml" in refused("language", "mine", "--output", name)
    assert "nowhere is not a folder" in refused("language", "mine", "--output", "nowhere/mine.yaml")
    (tmp_path / "mine.yaml").write_text("learn: [rust]\n")
    assert "edit it, or leave out --kind to try it" in refused("language", "mine", "--kind", "vm")
    assert "own_languages has no mine; there are: none" in refused("language", "mine")


def test_an_unknown_language_leads_here(refused):
    assert "begin with `multipl-moe language tcl`" in refused("corpus", "out", "--learn", "tcl")
    assert "begin with `multipl-moe language tcl`" in refused("doctor", "--languages", "tcl")
