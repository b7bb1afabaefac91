"""A language that a recipe adds: corpus, scores, tables, plots, model card and judge know it like any other."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from transformers import AutoModelForCausalLM, AutoTokenizer

from multipl_judge.errors import ConfigError
from multipl_judge.languages.own import add_languages
from multipl_judge.languages.program import Nonce
from multipl_judge.problems.forms.programs import starter_program
from multipl_judge.problems.problem import Problem
from multipl_moe.corpus import build_corpus, read_documents
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.language_scores import score_languages
from multipl_moe.eval.references import check_references, prepare_reference_set
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.recipe.recipe import Recipe, load_recipe, validate_recipe
from multipl_moe.report.corpus_tables import corpus_table
from multipl_moe.report.plots import gain_plot
from multipl_moe.report.tables import result_table
from tests.train.tiny import World

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "recipes" / "own-language.yaml"
RULES = {
    "title": "Company Rules",
    "extensions": [".rules"],
    "interpreters": ["rulesh"],
    "line_comment": ";;",
    "block_comment": ["(*", "*)"],
}


@pytest.fixture
def recipe(world: World, tmp_path: Path) -> Recipe:
    """12 files of a made-up language, one of them a script told by its first line, beside the world's Python."""
    folder = tmp_path / "rules"
    folder.mkdir()
    for number in range(12):
        body = "".join(f"rule r{line} when x{line * number} then y{number}\n" for line in range(40))
        header = "#!/opt/bin/rulesh\n" if number == 11 else ";; Copyright Company, licence: internal\n"
        (folder / (f"f{number}.rules" if number < 11 else "script")).write_text(header + body)
    return validate_recipe(
        {
            "learn": ["rules"],
            "keep": ["python"],
            "own_languages": {"rules": RULES},
            "corpus": {
                "sources": [{"kind": "folder", "path": str(folder)}, {"kind": "folder", "path": str(world.sources)}],
                "validation_share": 0.3,
                "near_duplicates": False,
            },
            "eval": {"files_per_language": 3, "window_tokens": 256, "bootstrap_samples": 100},
        }
    )


def test_an_added_language_is_read_trained_on_measured_and_shown(recipe: Recipe, world: World, tmp_path: Path):
    manifest = build_corpus(recipe, world.base, tmp_path / "corpus")
    counts = manifest.languages["rules"]
    assert (counts.train_files + counts.validation_files, counts.train_tokens > 1000) == (12, True)
    files = [file for split in ("train", "validation") for file in read_documents(tmp_path / "corpus", split, "rules")]
    assert not any("Copyright" in file.text for file in files)
    model = AutoModelForCausalLM.from_pretrained(world.base)
    scores = score_languages(model, AutoTokenizer.from_pretrained(world.base), tmp_path / "corpus", recipe)
    assert len(scores.files["rules"]) == 3
    metrics = compare_scores(recipe, scores, scores)
    assert set(metrics.means) == {"learn", "keep"}
    console = Console(file=io.StringIO(), width=140)
    console.print(result_table(metrics), corpus_table(manifest, recipe.language_table))
    assert console.file.getvalue().count("Company Rules") == 2  # pyright: ignore[reportAttributeAccessIssue]
    assert "Company Rules" in [label.get_text() for label in gain_plot(metrics).axes[0].get_yticklabels()]


def test_an_entry_survives_the_saved_recipe_and_a_budget_of_null_too(recipe: Recipe, tmp_path: Path):
    corpus = recipe.corpus.model_copy(update={"max_bytes_per_language": None})
    for entry in (recipe.model_copy(update={"corpus": corpus}), load_recipe(EXAMPLE)):
        (tmp_path / "recipe.yaml").write_text(entry.to_yaml())
        assert load_recipe(tmp_path / "recipe.yaml") == entry


def test_natural_languages_of_ones_own_do_not_count_in_means():
    own = {"german": {"extensions": [".de.md"], "is_code": False}}
    recipe = validate_recipe({"learn": ["german"], "keep": ["python"], "own_languages": own})
    assert not recipe.language_table["german"].is_code
    assert recipe.language_table["german"].title == "german"


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"a": {"extensions": [".x"]}, "b": {"extensions": [".X"]}}, r"own_languages\.b: \.x is of a"),
        (
            {"a": {"shared_extensions": [".h"]}},
            "shared_extensions: needs content_pattern, content_labels or interpreters",
        ),
        ({"a": {"extension": [".x"]}}, "did you mean 'extensions'"),
        ({"a": {"harness": {"guard": "", "ending": "", "stop": [], "closing": ""}}}, "own_languages"),
    ],
)
def test_what_is_wrong_with_an_entry_is_told(own, message):
    with pytest.raises(ConfigError, match=message):
        validate_recipe({"own_languages": own})


def example() -> dict:
    return yaml.safe_load(EXAMPLE.read_text())


def test_the_documented_example_judges_its_references(bubblewrap, tables, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    recipe = load_recipe(EXAMPLE)
    metrics = check_references(recipe, prepare_reference_set(recipe, EvalOptions()), tmp_path, EvalOptions())
    cell = metrics.languages["tcl"].benchmarks["own-language"]
    assert (cell.tasks, cell.outcomes["passed"], metrics.flags, metrics.not_scored) == (7, 7, {}, {})
    assert metrics.languages["tcl"].title == "Tcl"
    broken = [json.loads(line) for line in (tmp_path / "broken" / "results.jsonl").read_text().splitlines()]
    assert {line["outcome"] for line in broken} == {"runtime_error"}


def test_a_harness_without_its_ending_is_told():
    values = example()
    del values["own_languages"]["tcl"]["harness"]["ending"]
    with pytest.raises(ConfigError, match=r"own_languages\.tcl\.harness"):
        validate_recipe(values)


def test_another_entry_under_a_name_of_this_process_is_refused(tables):
    recipe = load_recipe(EXAMPLE)
    add_languages(recipe.own_languages)
    add_languages(recipe.own_languages)
    values = example()
    values["own_languages"]["tcl"]["harness"]["comment"] = "//"
    with pytest.raises(ConfigError, match=r"own_languages\.tcl: there is a language of that name already"):
        add_languages(validate_recipe(values).own_languages)


def test_a_doubled_dollar_sign_is_a_dollar_sign_in_the_program(tables):
    values = example()
    values["own_languages"]["tcl"]["harness"] |= {
        "tests": "a $$foo\n$tests",
        "call": "b $$foo ${class_name}\n",
        "ending": "$tests c $$foo $first $second $one $two",
    }
    add_languages(validate_recipe(values).own_languages)
    problem = Problem("own", "1", "tcl", "class Sample\n", "rest\n", form="starter", stop=())
    source = starter_program(problem, "", Nonce.draw()).source
    assert all(line in source for line in ("a $foo\nrest", "b $foo Sample\n c $foo"))


OUTSIDE = ["../victim", "/tmp/victim", "sub/y.pl", "..", ".", "", "a\0"]
_NO_EXPRESSION = "no regular expression"
_HARNESS: list[tuple[dict[str, Any], str]] = [
    (
        {"ending": "$tests\nmy $foo = 1;"},
        r"ending: \$foo is nothing to fill in .*\$two.*; write \$\$ for a dollar sign",
    ),
    (
        {"call": "run($tests)"},
        r"call: \$tests is nothing to fill in \(there are \$class_name\).*; write \$\$ for a dollar sign",
    ),
    *(({"multipl_e": [pair]}, f"multipl_e: .*: {_NO_EXPRESSION}") for pair in (["(", "x"], ["a", "\\1"])),
]
_TOOLCHAIN: list[tuple[dict[str, Any], str]] = [
    ({"runs": ["x"]}, "unknown key runs; known keys: executables"),
    *(({key: "("}, f"{key}: {_NO_EXPRESSION}") for key in ("failed_assertion", "crashed", "uncompiled", "unparsed")),
    ({"main": [r"class \w+"]}, r"main: .* needs a group"),
    ({"executables": {}}, r"executables: must not be empty"),
    ({"environment": {"A=B": "x"}}, r"environment: 'A=B' is no variable"),
    ({"run_limits": {"cpu_s": -5, "memory_bytes": 2**30}}, r"run_limits\.cpu_s: -5\.0: must be above 0"),
    ({"compile_limits": {"cpu_s": 1, "memory_bytes": 0}}, r"compile_limits\.memory_bytes: 0: must be above 0"),
    *(({"source": name}, r"source: .* must be the name of a file, without folders") for name in OUTSIDE),
]


@pytest.mark.parametrize(
    ("part", "changes", "told"),
    [*(("harness", *row) for row in _HARNESS), *(("toolchain", *row) for row in _TOOLCHAIN)],
)
def test_what_no_program_could_be_made_or_run_with_is_told(part, changes, told):
    values = example()
    values["own_languages"]["tcl"][part] |= changes
    with pytest.raises(ConfigError, match=rf"tcl\.{part}: {told}"):
        validate_recipe(values)


@pytest.mark.parametrize(
    ("key", "name"),
    [*(("name", name) for name in OUTSIDE), ("files", "../victim"), ("files", "/tmp/victim"), ("files", "src/../../y")],
)
def test_a_cache_that_leads_out_of_its_folder_is_refused(key, name):
    values = example()
    cache = {"name": "lib", "commands": [], "files": {"src/lib.rs": ""}}
    values["own_languages"]["tcl"]["toolchain"]["caches"] = {"lib": cache}
    assert validate_recipe(values).own_languages["tcl"].toolchain
    cache[key] = name if key == "name" else {name: ""}
    with pytest.raises(ConfigError, match=r"tcl\.toolchain: caches\.lib: name and files must lead to no other"):
        validate_recipe(values)
