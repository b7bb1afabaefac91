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
    begun = run("language", "mine", "--kind", "file", "--extensions", ".mine,.mn", code=1)
    assert {"mine.yaml", "mine.jsonl"} <= {path.name for path in tmp_path.iterdir()}
    assert "no such folder" in begun.words
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mn").write_text("echo\n")
    recipe = (tmp_path / "mine.yaml").read_text()
    recipe = recipe.replace("/path/to/repository", "ours").replace("kind: git", "kind: folder")
    (tmp_path / "mine.yaml").write_text(recipe)
    assert "still the template's, of shell" in run("language", "mine", code=1).words
    (tmp_path / "mine.yaml").write_text(recipe.replace("packages: [dash]", "packages: [mine]"))
    _forget()
    before = tree(tmp_path)
    assert "nothing is missing" in run("language", "mine").out
    assert tree(tmp_path) == before
    _forget()
    given = "--output", "other.yaml", "--source", "ours", "--held-out", "theirs", "--kind", "file"
    assert "held-out text, theirs" in run("language", "mine", *given, code=1).out
    assert json.loads((tmp_path / "other.jsonl").read_text())["language"] == "mine"
