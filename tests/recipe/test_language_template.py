"""Recipes for languages of one's own: each template is whole, and what is shown is what the command writes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from multipl_judge.languages.own import add_languages
from multipl_judge.languages.table import LANGUAGES
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.references import check_references, prepare_reference_set
from multipl_moe.recipe.language_template import Kind, example_left, first_problem, language_recipe, problems_beside
from multipl_moe.recipe.recipe import Recipe, load_recipe, parse_value, validate_recipe

pytestmark = pytest.mark.usefixtures("tables")

ROOT = Path(__file__).parents[2]
_SHOWN = Path("recipes/own-language.yaml")
_SOURCES = [
    {"kind": "folder", "path": "/usr/share/tcltk/tcllib2.0", "licence": "TCL"},
    {"kind": "folder", "path": "/usr/share/tcltk/bwidget1.9.13", "licence": "TCL", "held_out": True},
]
# In each template's example language: leaves before its tests, and defines anew what the tests use.
_CHEATS = {
    "stdin": ("  exit 0\n", "  return 1\n}\nproc check {holds} {}\nproc other {} {\n"),
    "file": ("  echo\n}\nexit 0\nother() {\n  true\n", "  echo 3\n}\ncheck() { true; }\nother() {\n  true\n"),
    "compiled": ("  __builtin_exit(0);\n", "  return 1;\n}\n#define assert(x)\nint other(void) {\n  return 1;\n"),
    "ml": ("  exit 0\n", "  3\nlet ( = ) _ _ = true\nlet compare _ _ = 0\nlet other (n : int) : int =\n  n\n"),
    "vm": (
        "    System.halt(0)\n",
        "    n\n  end\nend\ndefmodule ExUnit.Assertions do\n  defmacro assert(_), do: true\n  def other do\n    1\n",
    ),
}


def _written(folder: Path, kind: Kind) -> Recipe:
    file = folder / "mine.yaml"
    file.write_text(language_recipe("mine", kind, file))
    problems_beside(file).write_text(first_problem("mine", kind))
    return load_recipe(file)


def test_languages_to_keep_have_text_and_a_budget_and_folders_that_are_installed_are_a_source(tmp_path: Path):
    given: dict[str, Any] = {"keep": ["go", "ruby", "english"], "library": ["/usr/share/mine"]}
    recipe = validate_recipe(parse_value(language_recipe("mine", "file", tmp_path / "mine.yaml", **given)))
    assert recipe.keep == ["go", "ruby", "english"]
    assert [one.language for one in recipe.corpus.sources if one.kind == "toolchains"] == ["mine", *recipe.keep]
    assert recipe.own_languages["mine"].library == ("/usr/share/mine",)
    budgets = recipe.corpus.max_bytes_per_language
    assert isinstance(budgets, dict)
    assert list(budgets) == ["mine", *recipe.keep]


@pytest.mark.parametrize("kind", ["stdin", "file", "compiled", "ml", pytest.param("vm", marks=pytest.mark.extended)])
def test_a_template_judges_its_first_problem_and_lets_no_cheat_pass(bubblewrap, tmp_path: Path, kind: Kind):
    recipe = _written(tmp_path, kind)
    add_languages(recipe.own_languages)
    rows = [json.loads(line) for line in problems_beside(tmp_path / "mine.yaml").read_text().splitlines()]
    cheats = enumerate(_CHEATS[kind])
    rows += [{**rows[0], "id": f"cheat{number}", "reference": text, "stop": []} for number, text in cheats]
    rows.append({**rows[0], "id": "unparsed", "reference": '  "(((\n'})
    problems_beside(tmp_path / "mine.yaml").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "out").mkdir()
    metrics = check_references(recipe, prepare_reference_set(recipe, EvalOptions()), tmp_path / "out", EvalOptions())
    assert (metrics.not_scored, metrics.flags) == ({}, {})
    results = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    outcomes = {row["key"].rsplit("/", 1)[-1]: row["outcome"] for row in results}
    assert outcomes.pop("cheat0") == "tests_not_completed"
    assert outcomes.pop("cheat1") not in ("passed", "harness_error")
    assert outcomes.pop("unparsed") == "compile_error"
    assert set(outcomes.values()) == {"passed"}


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_template_is_a_whole_recipe_whose_toolchain_is_its_own_until_it_is_edited(tmp_path: Path, kind: Kind):
    recipe = _written(tmp_path, kind)
    assert recipe.learn == ["mine"]
    own = recipe.own_languages["mine"]
    assert (own.title, own.extensions) == ("Mine", (".mine",))
    assert recipe.moe.resolve([0], recipe.learn).gate.languages == ["mine"]
    assert recipe.corpus.max_bytes_of("mine") is None
    text = (tmp_path / "mine.yaml").read_text()
    assert "<<" not in text
    assert max(map(len, text.splitlines())) <= 120 + len(str(tmp_path))
    assert own.toolchain is not None
    example = example_left("mine", own.toolchain)
    assert example is not None
    assert example_left(example, own.toolchain) is None, "of its very language"
    assert example_left("mine", replace(own.toolchain, version=("mine", "--version"))) is None


@given(
    name=st.sampled_from(["no", "on", "true", "null", "off"]) | st.from_regex(r"[a-z][a-z0-9_-]*", fullmatch=True),
    extensions=st.lists(st.from_regex(r"\.[^\s/]+", fullmatch=True), min_size=1, max_size=3),
    stem=st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="/"), min_size=1),
    revision=st.sampled_from(["12e4567", "1_0", "0x1f", "~", "2026-11-27"]) | st.text(st.characters(codec="utf-8")),
)
@settings(max_examples=20)
@example(name="no", extensions=[".5", ".a]", ".5e3"], stem="a,b", revision="12e4567")
def test_what_is_filled_in_comes_back_whatever_yaml_makes_of_it(name, extensions, stem, revision):
    assume(name not in LANGUAGES and revision and not stem.startswith("~"))
    sources = [{"kind": "git", "path": stem, "revision": revision}]
    text = language_recipe(name, "vm", Path(f"x{stem}.yaml"), extensions=extensions, sources=sources)
    recipe = validate_recipe(parse_value(text))
    assert recipe.learn == recipe.programs.languages == [name]
    own = recipe.own_languages[name]
    assert own.extensions == tuple(extension.lower() for extension in extensions)
    assert own.harness is not None
    assert own.harness.of(own.entry(name)).extension == own.extensions[0]
    assert (own.title or "").lower() == name.replace("_", " ").replace("-", " ")
    assert (str(recipe.corpus.sources[0].path), recipe.corpus.sources[0].revision) == (str(Path(stem)), revision)
    assert recipe.programs.benchmarks == [f"x{stem}.jsonl"]
    assert recipe.corpus.max_bytes_of(name) is None
    assert validate_recipe(parse_value(recipe.to_yaml())) == recipe


def test_what_is_shown_is_what_the_command_writes_with_the_settings_that_the_demo_was_measured_with():
    shown = (ROOT / _SHOWN).read_text()
    assert shown == language_recipe("tcl", "stdin", _SHOWN, extensions=[".tcl", ".tm"], sources=_SOURCES)
    own, demo = yaml.safe_load(shown), yaml.safe_load((ROOT / "recipes" / "demo.yaml").read_text())
    assert own["moe"] == demo["moe"]
    assert own["train"].items() <= demo["train"].items()
