"""The schema of a run: strict, complete, and all problems told at once."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from multipl_moe.errors import ConfigError
from multipl_moe.recipe.corpus import SlurmSection
from multipl_moe.recipe.recipe import NULL, Recipe, load_recipe, parse_value, validate_recipe
from tests.recipe.refusals import problems_of

RECIPES = Path(__file__).parents[2] / "recipes"

KEYS = {
    "": {"base", "seed", "learn", "keep", "own_languages", "moe", "upcycle", "corpus", "train"}
    | {"review", "eval", "codegen", "programs"},
    "moe": {
        "preset",
        "layers",
        "num_token_experts",
        "token_top_k",
        "num_segment_experts",
        "segment_window",
        "segment_stride",
        "segment_lookahead",
        "segment_selection",
        "segment_centered",
        "segment_gate_scale",
        "segment_capacity",
        "segment_max_experts",
        "fusion",
        "token_weight",
        "segment_weight",
        "shared_expert_selection",
        "router_aux_loss_coef",
        "router_aux_loss_scope",
        "token_bias_rate",
        "expert_type",
        "expert_rank",
    },
    "upcycle": {"noise", "reinit", "experts_from", "dtype", "verify"},
    "corpus": {
        "sources",
        "max_bytes_per_language",
        "max_file_bytes",
        "min_file_bytes",
        "validation_share",
        "near_duplicates",
        "strip_licence_headers",
        "fim",
        "executor",
        "drop",
        "licences",
        "replace_secrets",
        "decontaminate",
    },
    "corpus.fim": {"rate", "spm_share", "tokens", "piece_characters"},
    "corpus.licences": {"allow", "deny", "unknown"},
    "corpus.executor": {"kind", "workers", "parts", "cpus", "memory_gb", "slurm"},
    "corpus.executor.slurm": {"partition", "time", "options"},
    "corpus.sources": {"kind", "path", "language", "licence", "revision", "subset", "split", "text_key"},
    "train": {
        "method",
        "lora_rank",
        "tokens",
        "skip_tokens",
        "sequence_tokens",
        "packing",
        "mixture_temperature",
        "language_tokens",
        "max_epochs",
        "on_max_epochs",
        "batch_sequences",
        "accumulation_steps",
        "learning_rate",
        "warmup_share",
        "schedule",
        "weight_decay",
        "adam_beta2",
        "max_grad_norm",
        "weights",
        "compute_dtype",
        "attention",
        "gradient_checkpointing",
        "optimizer",
        "distribution",
        "calibration_sequence_tokens",
        "calibration_tokens",
        "replay",
        "log_every_steps",
        "save_every_steps",
        "keep_checkpoints",
        "keep_best",
        "eval_every_steps",
        "eval_tokens",
        "on_bad_step",
        "spike_factor",
        "trackers",
    },
    "review": {"tokens", "learning_rate", "coefficient", "replay", "keep_load"},
    "codegen": {"num_samples", "temperature", "top_p", "max_new_tokens", "seed", "batch_sequences", "dtype"},
    "programs": {
        "benchmarks",
        "languages",
        "problems_per_language",
        "pass_at",
        "workers",
        "official_stops",
    },
    "eval": {"files_per_language", "tokens_per_file", "window_tokens", "batch_tokens", "bootstrap_samples"},
}


def nested(key: str, value: Any) -> dict[str, Any]:
    """{"a": {"b": value}} for the key a.b."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def test_the_defaults_are_valid_and_those_documented():
    recipe = load_recipe()
    assert recipe == Recipe()
    assert recipe.base == "smollm2-135m"
    assert recipe.languages == dict.fromkeys(("rust", "go", "ruby"), "learn") | dict.fromkeys(
        ("python", "java", "cpp", "english"), "keep"
    )
    assert recipe.mixture_weights == {"rust": 1, "go": 1, "ruby": 1} | dict.fromkeys(recipe.keep, 0.1)
    assert recipe.moe.resolve([0, 1]).preset == "causal"


def test_the_keys_of_every_section_are_frozen():
    defaults = Recipe()
    found = {
        section: set(type(part).model_fields)
        for section, part in {
            "": defaults,
            "moe": defaults.moe,
            "upcycle": defaults.upcycle,
            "corpus": defaults.corpus,
            "corpus.sources": defaults.corpus.sources[0],
            "corpus.executor": defaults.corpus.executor,
            "corpus.executor.slurm": SlurmSection(partition="cpu"),
            "corpus.licences": defaults.corpus.licences,
            "corpus.fim": defaults.corpus.fim,
            "train": defaults.train,
            "review": defaults.review,
            "eval": defaults.eval,
            "codegen": defaults.codegen,
            "programs": defaults.programs,
        }.items()
    }
    assert found == KEYS


def test_a_recipe_survives_yaml(tmp_path):
    values = {
        "base": "owner/name",
        "seed": 7,
        "learn": ["go"],
        "keep": [],
        "moe": {"preset": "paper", "layers": [3, 7], "num_token_experts": 4, "segment_capacity": 0.5},
        "upcycle": {"noise": 1e-5, "reinit": 0.5, "dtype": "bfloat16", "verify": False},
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
    assert again.moe.resolve([3, 7]).num_token_experts == 4
    assert load_recipe(tmp_path / "recipe.yaml").to_yaml() == recipe.to_yaml()


def test_the_defaults_survive_yaml(tmp_path):
    (tmp_path / "recipe.yaml").write_text(Recipe().to_yaml())
    assert load_recipe(tmp_path / "recipe.yaml") == Recipe()


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("lern", "learn"),
        ("moe.token_topk", "token_top_k"),
        ("upcycle.re_init", "reinit"),
        ("corpus.max_file_byte", "max_file_bytes"),
        ("train.learningrate", "learning_rate"),
        ("eval.bootstrap_sample", "bootstrap_samples"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(key, near):
    assert problems_of(nested(key, 1)) == [f"recipe: {key}: unknown key; did you mean {near!r}?"]


def test_an_unknown_key_inside_a_list_is_refused_with_the_nearest_known_one():
    problems = problems_of({"corpus": {"sources": [{"kind": "folder", "path": "a", "license": "MIT"}]}})
    assert problems == ["recipe: corpus.sources.0.license: unknown key; did you mean 'licence'?"]


def test_an_unknown_key_like_no_other_is_refused_with_all_known_ones():
    (problem,) = problems_of({"upcycle": {"xyz": 1}})
    assert problem == "recipe: upcycle.xyz: unknown key; known keys: noise, reinit, experts_from, dtype, verify"


def test_all_problems_are_told_at_once_each_with_key_and_value(tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "seed: -1\nlern: [go]\ntrain: {tokens: 0, schedule: wild}\nupcycle: {noise: 2}\neval: {window_tokens: many}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_recipe(tmp_path / "bad.yaml")
    problems = caught.value.problems
    assert len(problems) == 6
    assert all(problem.startswith(f"{tmp_path / 'bad.yaml'}: ") for problem in problems)
    for key, value, remedy in [
        ("seed", "-1", "greater than or equal to 0"),
        ("lern", "", "did you mean 'learn'?"),
        ("train.tokens", "0", "greater than 0"),
        ("train.schedule", "'wild'", "'linear', 'cosine' or 'constant_with_warmup'"),
        ("upcycle.noise", "2", "less than or equal to 1"),
        ("eval.window_tokens", "'many'", "valid integer"),
    ]:
        assert [p for p in problems if f" {key}: {value}" in p and remedy in p], (key, problems)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", "3"),
        ("seed", 3.0),
        ("seed", True),
        ("base", 5),
        ("learn", "rust"),
        ("keep", None),
        ("train", 3),
        ("train.tokens", "300"),
        ("train.learning_rate", "0.1"),
        ("train.learning_rate", float("inf")),
        ("train.learning_rate", float("nan")),
        ("train.gradient_checkpointing", 1),
        ("train.gradient_checkpointing", "true"),
        ("train.weights", ["rust"]),
        ("upcycle.verify", "no"),
        ("upcycle.dtype", "float64"),
        ("moe.layers", 3),
        ("moe.layers", [1.5]),
        ("moe.token_top_k", 2.5),
        ("moe.segment_selection", "best"),
        ("corpus.sources", []),
        ("corpus.sources", [{"kind": "web"}]),
        ("corpus.sources", [{"kind": "folder", "path": 3}]),
        ("corpus.drop", ["other"]),
        ("corpus.licences", {"allow": "MIT"}),
        ("corpus.licences", {"allow": []}),
        ("corpus.licences", {"unknown": "refuse"}),
    ],
)
def test_a_value_of_another_type_is_refused_never_converted(key, value):
    problems = problems_of(nested(key, value))
    assert all(problem.startswith(f"recipe: {key}") for problem in problems)


def test_a_whole_number_stands_for_a_real_one():
    assert validate_recipe({"train": {"learning_rate": 1}}).train.learning_rate == 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learn": []}, "recipe: learn: []: is empty or too short; name at least one"),
        ({"learn": "go"}, "recipe: learn: 'go': must be a list, as [a, b]"),
        ({"moe": 5}, "recipe: moe: 5: must be keys with values"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_in_plain_words(values, message):
    assert problems_of(values) == [message]


def test_a_key_given_twice_is_refused(tmp_path):
    (tmp_path / "r.yaml").write_text("train: {tokens: 4096}\nseed: 1\ntrain: {replay: 0.1}\n")
    with pytest.raises(ConfigError, match=r"r\.yaml: not valid YAML \(train is given twice.*line 3"):
        load_recipe(tmp_path / "r.yaml")


def test_dotted_overrides_go_on_top_of_the_file_and_none_leaves_it(tmp_path):
    (tmp_path / "r.yaml").write_text("seed: 5\ntrain: {tokens: 100, learning_rate: 0.5}\n")
    recipe = load_recipe(
        tmp_path / "r.yaml",
        {"train.tokens": 200, "train.learning_rate": None, "moe.layers": "last:2", "seed": None, "keep": ["cpp"]},
    )
    assert (recipe.train.tokens, recipe.train.learning_rate) == (200, 0.5)
    assert (recipe.moe.layers, recipe.seed, recipe.keep) == ("last:2", 5, ["cpp"])


@pytest.mark.parametrize("key", ["train.token", "nothing.at.all", "base.name", "trian.tokens"])
def test_an_override_of_an_unknown_key_is_refused(tmp_path, key):
    (tmp_path / "r.yaml").write_text("base: owner/name\n")
    with pytest.raises(ConfigError, match=key.split(".")[0]):
        load_recipe(tmp_path / "r.yaml", {key: 1})


def test_an_override_below_a_value_is_refused_with_the_reason():
    with pytest.raises(ConfigError, match=r"train\.tokens: train must be a mapping"):
        load_recipe(overrides={"train": 3, "train.tokens": 4})


@pytest.mark.parametrize("content", ["a: [1", "a: b: c", "\t- x", "a: 2024-13-45", "!!python/object:os.system {}"])
def test_bad_yaml_is_one_line_that_names_the_file(tmp_path, content):
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(ConfigError, match=r"bad\.yaml: not valid YAML") as caught:
        load_recipe(tmp_path / "bad.yaml")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"bad\.yaml: not valid YAML"):
        load_recipe(tmp_path / "bad.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot read the recipe \(No such file"):
        load_recipe(tmp_path / "none.yaml")


def test_a_folder_is_no_recipe(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the recipe"):
        load_recipe(tmp_path)


@pytest.mark.parametrize(("content", "kind"), [("- a\n- b\n", "list"), ("just text\n", "str"), ("3\n", "int")])
def test_a_recipe_that_is_no_mapping_is_refused(tmp_path, content, kind):
    (tmp_path / "r.yaml").write_text(content)
    with pytest.raises(ConfigError, match=f"a recipe is a mapping of keys to values, not a {kind}"):
        load_recipe(tmp_path / "r.yaml")


def test_an_empty_file_means_the_defaults(tmp_path):
    (tmp_path / "r.yaml").write_text("# nothing yet\n")
    assert load_recipe(tmp_path / "r.yaml") == Recipe()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("2.5E+2", 250.0),
        ("-1e3", -1000.0),
        (".5e1", 5.0),
        ("0.1", 0.1),
        ("12", 12),
        ("false", False),
        ("true", True),
        ("null", None),
        ("every:2", "every:2"),
        ("[rust, english]", ["rust", "english"]),
        ("{english: 2}", {"english": 2}),
        ("[3, 7]", [3, 7]),
        ("1e5f", "1e5f"),
        ("[1", "[1"),
        ("2024-13-45", "2024-13-45"),
    ],
)
def test_a_setting_is_read_as_yaml_with_exponents_as_numbers(text, value):
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


def test_an_exponent_without_a_point_is_a_number_in_a_file_too(tmp_path):
    (tmp_path / "r.yaml").write_text("train: {learning_rate: 1e-3, tokens: 5000}\n")
    assert load_recipe(tmp_path / "r.yaml").train.learning_rate == 1e-3


def test_a_recipe_does_not_change():
    with pytest.raises(ValueError, match="frozen"):
        Recipe().seed = 1  # pyright: ignore[reportAttributeAccessIssue]


def test_every_shipped_recipe_is_valid():
    files = sorted([*RECIPES.glob("*.yaml"), *RECIPES.glob("*.yml")])
    assert files
    for file in files:
        load_recipe(file)
        assert isinstance(yaml.safe_load(file.read_text()), dict), file


def test_a_null_that_is_meant_is_set_and_survives_the_saved_recipe(tmp_path):
    recipe = load_recipe(None, {"corpus.max_bytes_per_language": NULL})
    assert recipe.corpus.max_bytes_per_language is None
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
