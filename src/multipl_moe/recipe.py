"""The schema of a run: one strict, typed recipe for every command, from YAML and flags.

Unknown keys are refused with the nearest known name, and all problems of a recipe are reported at once. Validation
never changes a value; the resolved recipe is saved beside each output.
"""

import copy
import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    create_model,
    model_serializer,
    model_validator,
)

from multipl_moe.codegen.settings import CodegenSection
from multipl_moe.errors import ConfigError
from multipl_moe.languages import Language
from multipl_moe.model.moe_config import PRESETS, MoeConfig
from multipl_moe.own_languages import Name, OwnLanguage, language_table, taken_names


class _YamlLoader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, as in YAML 1.2, and not text."""


_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


class Section(BaseModel):
    """A part of a recipe: strict about keys and types, documented field by field."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True, allow_inf_nan=False)


_MOE_OVERRIDES: dict[str, Any] = {
    name: (annotation | None, None)
    for name, annotation in MoeConfig.__annotations__.items()
    if name not in ("preset", "layers")
}
_MoeOverrides = create_model("_MoeOverrides", __base__=Section, **_MOE_OVERRIDES)


class MoeSection(_MoeOverrides):
    """The hybrid layer: a preset, and every setting of `MoeConfig` that should differ from it."""

    preset: str = Field(default="causal", description=f"One of {', '.join(PRESETS)}.")
    layers: str | list[int] = Field(
        default="all", description="Hybrid layers: all, last:N, every:N or a list of indices."
    )

    def resolve(self, layers: list[int]) -> MoeConfig:
        """The settings for the given layer indices."""
        overrides = self.model_dump(exclude={"preset", "layers"}, exclude_none=True)
        return MoeConfig.from_preset(self.preset, layers=layers, **overrides)


class UpcycleSection(Section):
    """How experts are made from the base's feed-forward blocks."""

    noise: float = Field(default=0.0, ge=0, le=1, description="Gaussian noise on each expert, in standard deviations.")
    reinit: float = Field(
        default=0.0, ge=0, le=1, description="Share of intermediate units to re-initialise (Drop-Upcycling)."
    )
    experts_from: Path | None = Field(
        default=None,
        strict=False,
        description="Dense model tuned from the base, whose feed-forward blocks the experts start as; the shared "
        "expert stays the base's (Branch-Train-MiX).",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto: as in the base."
    )
    verify: bool = Field(default=True, description="Compare the logits with the base's on a probe.")


class SourceSection(Section):
    """One source of files."""

    kind: Literal["toolchains", "folder", "git", "archive", "jsonl", "parquet", "hub"]
    path: Path | None = Field(
        default=None, strict=False, description="Folder, repository, file or id of a data set; not for toolchains."
    )
    language: str | None = Field(
        default=None, description="Language of every file; default: by the table of languages."
    )
    licence: str | None = Field(default=None, description="SPDX licence of files that do not name their own.")
    revision: str | None = Field(
        default=None,
        min_length=1,
        description="Commit, tag or branch (git, hub); default: the work tree, or HEAD of a bare repository (git).",
    )
    subset: str | None = Field(
        default=None, min_length=1, description="Configuration of a data set, or a folder in it (hub)."
    )
    split: str = Field(default="train", min_length=1, description="Split of a data set (hub).")
    text_key: str | None = Field(
        default=None,
        min_length=1,
        description="Column that holds the text (jsonl, parquet, hub); default: text, content or code.",
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "SourceSection":
        if self.kind != "toolchains" and self.path is None:
            raise ValueError(f"path: needed for kind {self.kind}")
        for key, kinds in {"revision": ("git", "hub"), "subset": ("hub",)}.items():
            if getattr(self, key) is not None and self.kind not in kinds:
                raise ValueError(f"{key}: only for kind {' or '.join(kinds)}, not {self.kind}")
        return self


class SlurmSection(Section):
    """What Slurm must be told of a corpus build's jobs."""

    partition: str = Field(min_length=1)
    time: str = Field(default="24:00:00", description="Time limit of a task, as sbatch takes it.")
    options: dict[str, str] = Field(
        default_factory=dict, description="Further options of sbatch, without their dashes, such as account or qos."
    )


class ExecutorSection(Section):
    """Where the tasks of a corpus build run. The corpus is the same wherever they do; only `parts` can change it."""

    kind: Literal["local", "slurm", "ray"] = Field(default="local", description="Whose processes do the work.")
    workers: int | None = Field(
        default=None,
        ge=1,
        description="Tasks that run at a time; default: one a processor, on a cluster as many as it has room for.",
    )
    parts: int = Field(
        default=1,
        ge=1,
        description="Tasks that the files of each language are dealt to; each has its part of the budget.",
    )
    cpus: int = Field(default=1, ge=1, description="Processors of a task (slurm, ray).")
    memory_gb: int = Field(default=4, ge=1, description="Memory of a task (slurm, ray).")
    slurm: SlurmSection | None = Field(default=None, description="Needed for kind slurm.")

    @model_validator(mode="after")
    def _slurm_is_told(self) -> "ExecutorSection":
        if self.kind == "slurm" and self.slurm is None:
            raise ValueError("slurm: needed for kind slurm; give at least its partition")
        return self


class LicencesSection(Section):
    """Which licences may go into the corpus: SPDX ids, `ID WITH EXCEPTION`, or patterns such as `BSD-*`."""

    allow: list[str] | None = Field(
        default=None, min_length=1, description="Only these; default: all that are not denied."
    )
    deny: list[str] = Field(default_factory=list, description="None of these, whatever `allow` says.")
    unknown: Literal["keep", "drop"] = Field(
        default="keep", description="Files whose licence is not known, or is none of SPDX."
    )

    @model_validator(mode="after")
    def _are_licences(self) -> "LicencesSection":
        if entries := [*(self.allow or []), *self.deny]:
            from multipl_moe.licences import unknown_licences  # reads a table of 2,000 licences

            if problems := unknown_licences(entries):
                raise ValueError("; ".join(problems))
        return self


class FimSection(Section):
    """Fill in the middle: training documents rearranged so that a model learns to write between what is there."""

    rate: float = Field(default=0.0, ge=0, le=1, description="Share of the documents; 0.5 is usual, 0 leaves it out.")
    spm_share: float = Field(
        default=0.5, ge=0, le=1, description="Share of those that begin with the suffix (SPM), not the prefix (PSM)."
    )
    tokens: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=3, max_length=3)] | None = Field(
        default=None,
        description="Texts of the tokens of prefix, middle and suffix, which are added where the base has none.",
    )
    piece_characters: int | None = Field(
        default=1200,
        ge=1,
        description="Longer documents are rearranged piece by piece, each at most so long, so that a training sequence "
        "can hold it: about twice train.sequence_tokens; null: as a whole.",
    )

    @model_validator(mode="after")
    def _tokens_differ(self) -> "FimSection":
        if self.tokens is not None and len(set(self.tokens)) < len(self.tokens):
            raise ValueError("tokens: prefix, middle and suffix need three different ones")
        return self


class CorpusSection(Section):
    """Which files to learn from and how to prepare them."""

    sources: list[SourceSection] = Field(default_factory=lambda: [SourceSection(kind="toolchains")], min_length=1)
    max_bytes_per_language: int | None = Field(
        default=4_000_000, gt=0, description="Files are drawn by the seed up to this many bytes; null: all of them."
    )
    max_file_bytes: int = Field(default=100_000, gt=0, description="Larger files are left out.")
    min_file_bytes: int = Field(default=200, ge=0, description="Smaller files are left out.")
    validation_share: float = Field(default=0.1, gt=0, lt=1, description="Share of files held out, by language.")
    strip_licence_headers: bool = Field(
        default=True, description="Leave out licence comments, which a model would learn by heart."
    )
    drop: list[Literal["vendored", "generated", "minified"]] = Field(
        default_factory=lambda: ["vendored", "generated", "minified"],
        description="Kinds of files to leave out: other projects' code, what a program wrote, minified code and data.",
    )
    licences: LicencesSection = Field(default_factory=lambda: LicencesSection())
    replace_secrets: bool = Field(
        default=True, description="Replace keys, passwords, e-mail and IP addresses by words that stand for them."
    )
    near_duplicates: bool = Field(default=True, description="Remove near duplicates (MinHash), not only exact ones.")
    decontaminate: Literal["all", "none"] | list[str] = Field(
        default="all",
        description="Leave out files that hold problems of benchmarks: of all that are known, of none, or of those "
        "named as in programs.benchmarks. Those to be evaluated on are always among them, but for none.",
    )
    fim: FimSection = Field(default_factory=lambda: FimSection())
    executor: ExecutorSection = Field(default_factory=lambda: ExecutorSection())

    def anywhere(self) -> "CorpusSection":
        """The section less where its tasks run, which changes nothing in the corpus."""
        return self.model_copy(update={"executor": ExecutorSection(parts=self.executor.parts)})

    @model_serializer(mode="wrap")
    def _keeps_no_budget(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Written without its empty values, a recipe would come back with the default budget instead of none."""
        values = serialize(self)
        return values if self.max_bytes_per_language is not None else values | {"max_bytes_per_language": None}


_MIXTURES = ("weights", "mixture_temperature", "language_tokens")


class TrainSection(Section):
    """Stage 1: new experts and routers learn from code; or, to compare with, the dense base does."""

    method: Literal["experts", "dense", "dense-ffn", "lora"] = Field(
        default="experts",
        description="What learns: experts and routers of a hybrid, or of the dense base all weights, the feed-forward "
        "blocks of moe.layers, or LoRA adapters on every linear map.",
    )
    lora_rank: int = Field(default=16, ge=1, description="Rank of the adapters of the method lora.")
    tokens: int = Field(default=300_000, gt=0, description="Tokens to train on.")
    skip_tokens: int = Field(default=0, ge=0, description="Tokens of the mixture that an earlier stage has seen.")
    sequence_tokens: int = Field(default=512, ge=2, description="Tokens of a packed sequence.")
    packing: Literal["windows", "best_fit"] = Field(
        default="best_fit",
        description="How documents become sequences: all text cut every sequence_tokens (windows), or only documents "
        "that are longer, and the pieces packed so that next to no place stays free (best_fit).",
    )
    batch_sequences: int = Field(default=4, ge=1, description="Sequences of a forward pass, on each process.")
    accumulation_steps: int = Field(default=1, ge=1, description="Forward passes of an optimiser step.")
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_share: float = Field(default=0.05, ge=0, lt=1, description="Share of the steps that warm up.")
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = "cosine"
    weight_decay: float = Field(default=0.0, ge=0)
    adam_beta2: float = Field(default=0.95, gt=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    replay: float = Field(
        default=0.0, ge=0, description="Mixture weight of each language to keep, beside 1 for each to learn."
    )
    weights: dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        default=None, description="Mixture weight of each language in tokens, instead of 1 and replay."
    )
    mixture_temperature: float | None = Field(
        default=None,
        ge=1,
        description="Weights in proportion to bytes ** (1 / temperature) among the languages to learn, and among those "
        "to keep; 1: as much as there is of each. Default: all alike. Their means stay 1 and replay.",
    )
    language_tokens: dict[str, Annotated[int, Field(gt=0)]] | None = Field(
        default=None,
        description="Tokens of each language, instead of weights; they must add up to tokens and skip_tokens.",
    )
    max_epochs: float | None = Field(default=None, gt=0, description="Most passes over a language's text.")
    on_max_epochs: Literal["refuse", "cap"] = Field(
        default="refuse",
        description="Where a language would be read more often: refuse to train, or give what is too much to the "
        "others.",
    )
    compute_dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 where it is fast."
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2", "flex_attention"] = Field(
        default="auto", description="Attention in training; auto: the fastest here."
    )
    gradient_checkpointing: bool = Field(
        default=False, description="Compute a layer's activations again in the backward pass instead of keeping them."
    )
    optimizer: Literal["adamw", "adamw_8bit", "paged_adamw_8bit"] = Field(
        default="adamw",
        description="With its state in float32, in 8 bits, or in 8 bits and moved to the main memory where a GPU's "
        "is full; those in 8 bits need a GPU and bitsandbytes.",
    )
    distribution: Literal["auto", "ddp", "fsdp2"] = Field(
        default="auto",
        description="How processes that torchrun started share the work: each holds the whole model (ddp; auto), or a "
        "part of every weight (fsdp2).",
    )
    calibration_tokens: int = Field(
        default=32_768, gt=0, description="Training tokens that set the segment thresholds at the end."
    )
    calibration_sequence_tokens: int = Field(default=512, ge=2, description="Tokens of a sequence of that text.")
    log_every_steps: int = Field(default=5, ge=1)
    save_every_steps: int = Field(default=100, ge=1)
    keep_checkpoints: int = Field(default=2, ge=1, description="So many of the last checkpoints are kept.")
    keep_best: bool = Field(
        default=False, description="Keep the checkpoint with the least held-out loss, and end with it."
    )
    eval_every_steps: int | None = Field(default=None, ge=1, description="How often to measure the held-out loss.")
    eval_tokens: int = Field(default=16_384, gt=0, description="Held-out tokens, of all languages alike.")
    on_bad_step: Literal["stop", "skip"] = Field(
        default="stop", description="At a loss or gradient that is no number, or a spike: stop, or skip the step."
    )
    spike_factor: float | None = Field(
        default=None, gt=1, description="A loss above so many times its running median is a spike; default: none is."
    )
    trackers: list[Literal["tensorboard", "trackio", "wandb"]] = Field(
        default_factory=list, description="Where curves are written besides metrics.jsonl."
    )

    @model_validator(mode="after")
    def _best_is_measured(self) -> "TrainSection":
        if self.keep_best and self.eval_every_steps is None:
            raise ValueError("keep_best: needs eval_every_steps, which says how often to measure")
        return self

    @model_validator(mode="after")
    def _mixture_is_clear(self) -> "TrainSection":
        given = [name for name in _MIXTURES if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{', '.join(given)}: each of them decides the mixture; give one")
        if self.on_max_epochs == "cap" and self.max_epochs is None:
            raise ValueError("on_max_epochs: cap needs max_epochs, which says where")
        total = sum((self.language_tokens or {}).values())
        if self.language_tokens is not None and total != self.tokens + self.skip_tokens:
            raise ValueError(
                f"language_tokens: they add up to {total:,}, but tokens and skip_tokens to "
                f"{self.tokens + self.skip_tokens:,}; make them equal"
            )
        return self

    @model_validator(mode="after")
    def _documents_stay_apart(self) -> "TrainSection":
        if self.attention == "flash_attention_2" and self.batch_sequences > 1:
            raise ValueError(
                "attention: flash_attention_2 keeps packed documents apart only in batches of one sequence; set "
                "batch_sequences to 1 and raise accumulation_steps, or use sdpa or flex_attention"
            )
        return self


class ReviewSection(Section):
    """Stage 2: routers alone learn to leave the languages to keep to the frozen expert. Batches are as in `train`."""

    tokens: int = Field(default=50_000, gt=0, description="Tokens to train on.")
    learning_rate: float = Field(default=1e-3, gt=0)
    coefficient: float = Field(default=0.1, ge=0, description="Weight of the routing loss beside the next-token loss.")
    replay: float = Field(
        default=1.0, gt=0, description="Mixture weight of each language to keep, beside 1 for each to learn."
    )
    keep_load: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Largest share of the segments to keep that a segment expert may take afterwards; 1: no bound.",
    )


class EvalSection(Section):
    """Bits per byte on held-out files."""

    files_per_language: int = Field(default=40, ge=2)
    tokens_per_file: int = Field(default=1024, ge=2, description="Files are cut here.")
    window_tokens: int = Field(
        default=1024, ge=2, description="Longest context; longer files are read in overlapping windows."
    )
    batch_tokens: int = Field(default=4096, ge=2, description="Tokens of one forward pass.")
    bootstrap_samples: int = Field(default=2000, ge=100)


class ProgramsSection(Section):
    """Programs that a model writes, judged by running them."""

    benchmarks: list[str] = Field(
        default_factory=lambda: ["starter"],
        min_length=1,
        description="Sets of problems: a name, NAME:PATH for a local copy, or PATH.jsonl for a set of your own.",
    )
    languages: list[str] | None = Field(default=None, min_length=1, description="Only these; default: all of each set.")
    problems_per_language: int | None = Field(
        default=None, ge=1, description="The first so many problems of each set and language; default: all."
    )
    pass_at: list[Annotated[int, Field(ge=1)]] | None = Field(
        default=None, min_length=1, description="The k of pass@k; default: 1, 5, 10, 100 as far as there are samples."
    )
    workers: int | None = Field(default=None, ge=1, description="Programs run at a time; default: one a processor.")
    official_stops: bool = Field(
        default=False, description="A benchmark's own stop strings even where they are known to spoil right answers."
    )


_FREE_ON_RESUME: dict[str, Any] = dict.fromkeys(
    ("keep_checkpoints", "on_bad_step", "save_every_steps", "spike_factor", "trackers")
)


class Recipe(Section):
    """Everything that decides a run."""

    base: str = Field(default="smollm2-135m", description="Hub id, folder, GGUF file, or smollm2-135m.")
    seed: int = Field(default=0, ge=0)
    learn: list[str] = Field(default_factory=lambda: ["rust", "go", "ruby"], min_length=1)
    keep: list[str] = Field(default_factory=lambda: ["python", "java", "cpp", "english"])
    own_languages: dict[Name, OwnLanguage] = Field(
        default_factory=dict, strict=False, description="Languages that the package does not know."
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
        known = set(self.language_table)
        of_sources = [source.language for source in self.corpus.sources if source.language is not None]
        mixture = self.train.weights or self.train.language_tokens or {}
        named = [*self.learn, *self.keep, *mixture, *of_sources]
        unknown = [name for name in named if name not in known]
        if unknown:
            raise ValueError(f"unknown languages {', '.join(sorted(set(unknown)))}; known: {', '.join(sorted(known))}")
        for key in ("weights", "language_tokens"):
            chosen = getattr(self.train, key)
            if chosen is not None and not set(self.learn) <= set(chosen) <= {*self.learn, *self.keep}:
                raise ValueError(f"train.{key}: needs every language to learn, and only languages to learn or to keep")
        if both := set(self.learn) & set(self.keep):
            raise ValueError(f"languages both to learn and to keep: {', '.join(sorted(both))}")
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
        values = self.model_dump(mode="json", exclude_none=True)
        if self.corpus.max_bytes_per_language is None:
            values["corpus"]["max_bytes_per_language"] = None
        return values


NULL = object()


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
    message = problem["msg"].removeprefix("Value error, ")
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
