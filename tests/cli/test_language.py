"""`language`: writes a recipe once, tries it each time, and its exit code tells whether anything is missing."""

import json

import pytest

from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.toolchains import TOOLCHAINS
from tests.fixtures import tree

pytestmark = pytest.mark.usefixtures("tables")


def _forget() -> None:
    """As if another process began: the tables of this one, without the language."""
    for table in (TOOLCHAINS, HARNESSES):
        table.pop("mine", None)


def test_a_language_is_begun_and_then_tried(run, bubblewrap, tmp_path):
    begun = run("language", "mine", "--kind", "file", "--extensions", ".mine,.mn")
    assert begun.code == 1, begun.err
    assert {"mine.yaml", "mine.jsonl"} <= {path.name for path in tmp_path.iterdir()}
    assert "no such folder" in " ".join(begun.out.split())
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mn").write_text("echo\n")
    recipe = (tmp_path / "mine.yaml").read_text()
    recipe = recipe.replace("/path/to/repository", "ours").replace("kind: git", "kind: folder")
    (tmp_path / "mine.yaml").write_text(recipe)
    unedited = run("language", "mine")
    assert unedited.code == 1, unedited.out
    assert "still the template's, of shell" in " ".join(unedited.out.split())
    (tmp_path / "mine.yaml").write_text(recipe.replace("packages: [dash]", "packages: [mine]"))
    _forget()
    before = tree(tmp_path)
    tried = run("language", "mine")
    assert (tried.code, tree(tmp_path)) == (0, before), tried.out + tried.err
    assert "nothing is missing" in tried.out
    _forget()
    given = "--output", "other.yaml", "--source", "ours", "--held-out", "theirs", "--kind", "file"
    whole = run("language", "mine", *given)
    assert "held-out text, theirs" in whole.out
    assert json.loads((tmp_path / "other.jsonl").read_text())["language"] == "mine"
