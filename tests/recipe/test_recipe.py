"""The schema of a run: strict, complete, and all problems told at once; saved and read back it is the same."""

from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from multipl_judge.languages.table import LANGUAGES
from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import NULL, Recipe, load_recipe, parse_value, validate_recipe
from tests.fixtures import moe_section
from tests.recipe.refusals import problems_of

RECIPES = Path(__file__).parents[2] / "recipes"


def nested(key: str, value: Any) -> dict[str, Any]:
    """{"a": {"b": value}} for the key a.b."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def test_the_defaults_are_valid_and_those_documented():
    recipe = load_recipe()
    assert recipe.base == "smollm2-135m"
    assert recipe.languages == dict.fromkeys(("rust", "go", "ruby"), "learn") | dict.fromkeys(
        ("python", "java", "cpp", "english"), "keep"
    )
    assert recipe.mixture_weights == {"rust": 1, "go": 1, "ruby": 1}
    moe = recipe.moe.resolve([0, 1], recipe.learn)
    assert (moe.preset, moe.gate.languages) == ("pack", ["rust", "go", "ruby"])


def test_a_recipe_survives_yaml(tmp_path):
    values = {
        "base": "owner/name",
        "seed": 7,
        "learn": ["go"],
        "keep": [],
        "moe": moe_section("paper", layers=[3, 7], num_token_experts=4, segment_capacity=0.5),
        "upcycle": {"noise": 1e-5, "dtype": "bfloat16", "verify": False},
        "corpus": {"sources": [{"kind": "folder", "path": "some/where", "licence": "MIT"}, {"kind": "toolchains"}]},
        "train": {"learning_rate": 1e-6, "weights": {"go": 2.5}, "gradient_checkpointing": True},
        "eval": {"files_per_language": 3},
    }
    recipe = validate_recipe(values)
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    again = load_recipe(tmp_path / "recipe.yaml")
    assert again == recipe
    assert again.train.learning_rate == 1e-6
    assert again.corpus.sources[0].path == Path("some/where")
    assert again.moe.resolve([3, 7], []).num_trained_experts == 9
    assert load_recipe(tmp_path / "recipe.yaml").to_yaml() == recipe.to_yaml()


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("lern", "did you mean 'learn'?"),
        ("moe.token_topk", "did you mean 'routing.token_top_k'?"),
        ("upcycle.xyz", "known keys: noise, other_text, dtype, verify"),
        ("train.learningrate", "did you mean 'learning_rate'?"),
        ("codegen.top_k", "did you mean 'top_p'?"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one_or_all(key, hint):
    assert problems_of(nested(key, 1)) == [f"recipe: {key}: unknown key; {hint}"]


def test_all_problems_are_told_at_once_each_with_key_and_value(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(
        "seed: -1\nlern: [go]\ntrain: {tokens: 0, schedule: wild}\nupcycle: {noise: 2}\neval: {window_tokens: many}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_recipe(file)
    assert sorted(caught.value.problems) == [
        f"{file}: eval.window_tokens: 'many': must be a whole number",
        f"{file}: lern: unknown key; did you mean 'learn'?",
        f"{file}: seed: -1: must be at least 0",
        f"{file}: train.schedule: 'wild': must be 'linear', 'cosine' or 'constant_with_warmup'",
        f"{file}: train.tokens: 0: must be above 0",
        f"{file}: upcycle.noise: 2: must be at most 1.0",
    ]


_WRONG = {
    "seed": ["3", 3.0, True, 2**32],
    "base": [5],
    "learn": ["rust"],
    "keep": [None],
    "train": [3],
    "train.tokens": ["300"],
    "train.learning_rate": ["0.1", float("inf"), float("nan")],
    "train.gradient_checkpointing": [1, "true"],
    "train.weights": [["rust"], *({"rust": weight} for weight in (-1.0, 0.0, float("nan")))],
    "upcycle.verify": ["no"],
    "upcycle.dtype": ["float64"],
    "moe.experts.layers": [3, [1.5]],
    "moe.routing.token_top_k": [2.5],
    "moe.routing.segment_selection": ["best"],
    "corpus.sources": [[], [{"kind": "web"}], [{"kind": "folder", "path": 3}]],
    "corpus.drop": [["other"]],
    "corpus.fim.tokens": [["<p>", "<m>"]],
    "corpus.licences": [{"allow": "MIT"}, {"allow": []}, {"unknown": "refuse"}],
    "codegen.num_samples": [0, "2"],
    "codegen.top_p": [0.0, 1.1],
}


@pytest.mark.parametrize("key", _WRONG)
def test_a_value_of_another_type_is_refused_never_converted_but_a_whole_number_stands_for_a_real_one(key):
    for value in _WRONG[key]:
        assert all(problem.startswith(f"recipe: {key}") for problem in problems_of(nested(key, value))), value
    assert validate_recipe({"train": {"learning_rate": 1}}).train.learning_rate == 1.0


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("learn", [], "learn: []: is empty or too short; name at least one"),
        ("learn", "go", "learn: 'go': must be a list, as [a, b]"),
        ("moe", 5, "moe: 5: must be keys with values"),
        ("train", None, "train: empty: must be keys with values"),
        ("train", False, "train: false: must be keys with values"),
        ("train.learning_rate", "Auto", "train.learning_rate: 'Auto': must be 'auto', or a number"),
        ("train.learning_rate", float("nan"), "train.learning_rate: nan: must be a finite number"),
        ("corpus.validation_share", 2, "corpus.validation_share: 2: must be below 1.0"),
        ("corpus.decontaminate", "some", "corpus.decontaminate: 'some': must be 'all' or 'none', or a list, as [a, b]"),
        ("moe.gate.languages", ["rust", "rust"], "moe.gate.languages: rust given twice"),
        (
            "corpus",
            {"min_file_bytes": 5, "max_file_bytes": 4},
            "corpus: min_file_bytes: 5: must be at most max_file_bytes",
        ),
        *(
            ("corpus.sources", [{"kind": kind}], f"corpus.sources.0: path: needed for kind {kind}")
            for kind in ("folder", "git", "jsonl", "parquet")
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_in_plain_words(key, value, told):
    assert problems_of(nested(key, value)) == [f"recipe: {told}"]


def test_files_may_be_asked_for_of_one_size():
    assert validate_recipe({"corpus": {"min_file_bytes": 500, "max_file_bytes": 500}}).corpus.min_file_bytes == 500


_WEIGHTS = {"rust": 3.0, "go": 2.0, "ruby": 1.0}
_COBOL = f"recipe: unknown languages cobol; known: {', '.join(sorted(LANGUAGES))}"


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("learn", ["rust", "cobol"], _COBOL),
        ("keep", ["cobol"], _COBOL),
        ("train.weights", {"cobol": 1.0, "go": 1.0}, _COBOL),
        ("train.weights", {"rust": 3.0}, "train.weights: needs every language to learn, and only"),
        ("train.weights", _WEIGHTS | {"lean": 1.0}, "it, or copy its entry of own_languages into this recipe"),
        ("train", {"mixture_temperature": 2.0, "weights": _WEIGHTS}, "weights, mixture_temperature: each of them dec"),
        ("train.mixture_temperature", 0.5, "mixture_temperature: 0.5: must be at least 1"),
        ("train.on_max_epochs", "cap", "on_max_epochs: cap needs max_epochs"),
        ("train.packing", "tight", "'windows' or 'best_fit'"),
        ("corpus.sources", [{"kind": "folders"}], "corpus.sources.0.kind: 'folders': must be 'toolchains', 'folder'"),
        ("own_languages", {"e": {"filenames": ["a b"]}}, "must be a word without spaces"),
        ("train.keep_best", True, "keep_best: needs eval_every_steps"),
        ("train.trackers", ["mlflow"], "train.trackers.0: 'mlflow': must be 'tensorboard', 'trackio' or 'wandb'"),
        ("corpus.max_bytes_per_language", {"cobol": None}, "unknown languages cobol"),
        ("corpus.sources", [{"kind": "git", "path": "a", "licenze": "MIT"}], "sources.0.licenze: unknown key; did you"),
        ("corpus.executor", {"kind": "slurm"}, "corpus.executor: slurm: needed for kind slurm; give at least its part"),
        ("corpus.fim.tokens", ["<p>", "", "<s>"], "corpus.fim.tokens.1: "),
        ("corpus.fim", {"tokens": ["<p>", "<m>", "<p>"]}, "tokens: prefix, middle and suffix need three different"),
        (
            "corpus.licences",
            {"allow": ["MTI"], "deny": ["GLP-*"]},
            "'MTI'; did you mean 'MIT'?; no SPDX licence matches",
        ),
        ("codegen.num_samples", 3, "3 samples at temperature 0 are all the same; set a temperature"),
    ],
)
def test_settings_must_fit_what_there_is_and_each_other(key, value, problem):
    (told,) = problems_of(nested(key, value))
    assert problem in told


def test_dotted_overrides_go_on_top_of_the_file_and_none_leaves_it(tmp_path):
    (tmp_path / "r.yaml").write_text("seed: 5\ntrain: {tokens: 100, learning_rate: 5e-1}\n")
    overrides = {"train.tokens": 200, "train.learning_rate": None, "moe.experts.layers": "last:2", "seed": None}
    overrides |= {"keep": ["cpp"], "corpus.max_bytes_per_language": NULL}
    recipe = load_recipe(tmp_path / "r.yaml", overrides)
    assert recipe.corpus.max_bytes_per_language is None, "a null that is meant is set"
    assert (recipe.train.tokens, recipe.train.learning_rate) == (200, 0.5)
    assert (recipe.moe.experts.layers, recipe.seed, recipe.keep) == ("last:2", 5, ["cpp"])


def test_an_override_of_a_section_changes_the_keys_that_it_names_and_of_other_mappings_the_whole(tmp_path):
    (tmp_path / "r.yaml").write_text(
        "own_languages: {tcl: {title: Tcl, extensions: [.tcl]}}\n"
        "corpus: {executor: {slurm: {partition: cpu, options: {qos: low}}}}\n"
        "train: {tokens: 100, weights: {rust: 1, go: 1, ruby: 1, python: 2}}\n"
    )
    overrides = {
        "train.sequence_tokens": 64,
        "train": {"replay": 0.1, "weights": {"rust": 2, "go": 1, "ruby": 1}},
        "corpus": {"executor": {"slurm": {"options": {"account": "me"}}}},
        "own_languages": {"tcl": {"title": "Tcl 9"}, "zig": {"extensions": [".zig"]}},
    }
    recipe = load_recipe(tmp_path / "r.yaml", overrides)
    assert (recipe.train.tokens, recipe.train.sequence_tokens, recipe.train.replay) == (100, 64, 0.1)
    assert recipe.train.weights == {"rust": 2, "go": 1, "ruby": 1}
    slurm = recipe.corpus.executor.slurm
    assert slurm is not None
    assert (slurm.partition, slurm.options) == ("cpu", {"account": "me"})
    assert {name: (own.title, own.extensions) for name, own in recipe.own_languages.items()} == {
        "tcl": ("Tcl 9", (".tcl",)),
        "zig": (None, (".zig",)),
    }


@pytest.mark.parametrize("key", ["train.token", "nothing.at.all", "base.name", "trian.tokens"])
def test_an_override_of_an_unknown_key_is_refused(tmp_path, key):
    (tmp_path / "r.yaml").write_text("base: owner/name\n")
    with pytest.raises(ConfigError, match=key.split(".")[0]):
        load_recipe(tmp_path / "r.yaml", {key: 1})
    with pytest.raises(ConfigError, match=r"train\.tokens: train must be a mapping"):
        load_recipe(overrides={"train": 3, "train.tokens": 4})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        *((text, "not valid YAML") for text in (b"a: [1", b"a: b: c", b"\t- x", b"a: 2024-13-45")),
        *(("für".encode(code), "it is not UTF-8 text; save it as UTF-8") for code in ("utf-16", "latin-1")),
        (b"a: " + b"[" * 1200, r"not valid YAML for a recipe \(nested too deep\)"),
        (b"#" * 10_000_001, "more than 10 MB, so it is no recipe"),
        (b"!!python/object:os.system {}", "not valid YAML"),
        (b"train: {tokens: 1}\nseed: 1\ntrain: {replay: 0.1}\n", r"not valid YAML \(train is given twice.*line 3"),
        (b"- a\n- b\n", "a recipe is a mapping of keys to values, not a list"),
        (b"just text\n", "a recipe is a mapping of keys to values, not a str"),
        (None, r"cannot read the recipe \(No such file"),
    ],
)
def test_what_is_no_recipe_is_one_line_that_names_the_file(tmp_path, content, problem):
    if content is not None:
        (tmp_path / "bad.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^[^(]*bad\.yaml: {problem}") as caught:
        load_recipe(tmp_path / "bad.yaml")
    assert "\n" not in str(caught.value)


def test_a_value_that_aliases_make_endless_is_told_cut(tmp_path):
    lists = ["&a [x, x, x, x, x, x, x, x, x]", *(f"&{b} [{', '.join(9 * [f'*{a}'])}]" for a, b in pairwise("abcdefgh"))]
    (tmp_path / "r.yaml").write_text("learn:\n" + "".join(f"  - {each}\n" for each in lists))
    with pytest.raises(ConfigError, match=r"learn\.7: \[.*\]: must be text") as caught:
        load_recipe(tmp_path / "r.yaml")
    assert len(str(caught.value)) < 3_000


_TEXTS = {
    **{"1e-3": 1e-3, "2.5E+2": 250.0, "-1e3": -1000.0, ".5e1": 5.0, "0.1": 0.1, "12": 12},
    **{"false": False, "true": True, "null": None, "every:2": "every:2", "[rust, english]": ["rust", "english"]},
    **{"{english: 2}": {"english": 2}, "[3, 7]": [3, 7]},
    **{text: text for text in ("1e5f", "[1", "2024-13-45", "[" * 1200)},
}


def test_a_setting_is_read_as_yaml_with_exponents_as_numbers():
    for text, value in _TEXTS.items():
        found = parse_value(text)
        assert (found, type(found)) == (value, type(value)), text


def test_every_shipped_recipe_is_valid_an_empty_file_means_the_defaults_and_none_of_them_changes(tmp_path):
    assert all(load_recipe(file).learn for file in RECIPES.glob("*.yaml"))
    (tmp_path / "r.yaml").write_text("# nothing yet\n")
    assert load_recipe(tmp_path / "r.yaml") == Recipe() == load_recipe()
    with pytest.raises(ValueError, match="frozen"):
        Recipe().seed = 1  # pyright: ignore[reportAttributeAccessIssue]


def test_a_recipe_goes_on_from_one_that_differs_in_how_it_is_saved_and_watched_alone():
    recipe = Recipe()
    other = {"keep_checkpoints": 5, "save_every_steps": 7}
    told = {"tell_language": False}
    assert recipe.training_changes(validate_recipe({"train": other | {"trackers": ["wandb"]}, "codegen": told})) == ""
    for values, told in (
        ({"seed": 1}, "seed: 1 there, 0 here"),
        ({"train": other | {"learning_rate": 0.5}}, "train.learning_rate: 0.5 there, left out here"),
        ({"train": {"eval_every_steps": 3}}, "train.eval_every_steps: 3 there, left out here"),
    ):
        assert recipe.training_changes(validate_recipe(values)) == told


def test_of_many_settings_that_differ_the_first_are_told_and_long_values_are_cut():
    sources = [{"kind": "folder", "path": f"folder-{number}"} for number in range(9)]
    values = {"seed": 2, "learn": ["go"], "corpus": {"sources": sources}, "train": {"tokens": 9, "replay": 1.0}}
    told = Recipe().changes_from(validate_recipe(values))
    assert told.startswith('seed: 2 there, 0 here; learn: ["go"] there, ["rust", "go", "ruby"] here; corpus.sources: [')
    assert told.endswith("; and 2 more")
    assert len(told) < 400


def test_where_tasks_run_does_not_decide_the_corpus_but_parts_do():
    executors = {}, {"kind": "ray", "workers": 9}, {"parts": 2}
    recipe, elsewhere, parts = (validate_recipe(nested("corpus.executor", executor)) for executor in executors)
    assert recipe.same_corpus(elsewhere)
    assert not recipe.same_corpus(parts)


def test_all_problems_of_languages_are_told_at_once():
    (problem,) = problems_of({"learn": ["go", "go", "java", "cobol"], "keep": ["go", "java"]})
    for part in ("unknown languages cobol", "learn: go given twice", "both to learn and to keep: go, java"):
        assert part in problem


def test_a_key_of_a_source_that_its_kind_does_not_have_is_refused():
    for key, value, kinds in (
        ("revision", "v1", {"git", "hub"}),
        ("subset", "small", {"hub"}),
        ("split", "validation", {"hub"}),
        ("text_key", "body", {"jsonl", "parquet", "hub"}),
        ("path", "some/where", {"folder", "git", "archive", "jsonl", "parquet", "hub"}),
    ):
        for kind in ("toolchains", "folder", "git", "archive", "jsonl", "parquet", "hub"):
            source = {"kind": kind, key: value} | ({} if kind == "toolchains" else {"path": "some/where"})
            if kind in kinds:
                recipe = validate_recipe({"corpus": {"sources": [source]}})
                assert validate_recipe(recipe.to_values()) == recipe
            else:
                (problem,) = problems_of({"corpus": {"sources": [source]}})
                assert problem.startswith(f"recipe: corpus.sources.0: {key}: ")


def _with_nulls(part: Any) -> Any:
    """The part of a recipe with null for every setting that may be null."""
    if isinstance(part, list):
        return [_with_nulls(entry) for entry in part]
    if isinstance(part, dict):
        return {key: _with_nulls(entry) for key, entry in part.items()}
    if not isinstance(part, BaseModel):
        return part
    nullable = {name for name, field in type(part).model_fields.items() if type(None) in get_args(field.annotation)}
    return part.model_copy(update={name: None if name in nullable else _with_nulls(value) for name, value in part})


def test_every_null_survives_the_saved_recipe(tmp_path):
    recipe = _with_nulls(validate_recipe({"own_languages": {"tcl": {"title": "Tcl"}}}))
    assert recipe.corpus.fim.piece_characters is None
    assert recipe.own_languages["tcl"].title is None
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "recipe.yaml") == recipe


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["rust", "go", "ruby", "python"]), st.none() | st.integers(1, 10**12)))
def test_budgets_by_language_survive_the_saved_recipe(budgets):
    recipe = validate_recipe({"corpus": {"max_bytes_per_language": budgets}})
    again = validate_recipe(yaml.safe_load(recipe.to_yaml()))
    assert again == recipe
    assert {name: again.corpus.max_bytes_of(name) for name in budgets} == budgets
    assert again.corpus.max_bytes_of("java") == 4_000_000


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "4 MB", {"rust": 0}, {"rust": "all"}, [1]], ids=str)
def test_a_budget_that_is_none_is_refused_in_one_line(value):
    (problem,) = problems_of({"corpus": {"max_bytes_per_language": value}})
    assert "corpus.max_bytes_per_language: " in problem
    assert "must be a number of bytes above 0, or null for all files" in problem
