"""The schema of a comparison: methods as settings on top of one recipe, and the runs that follow from them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import Recipe, block_yaml, put_settings, read_yaml, validate_recipe
from multipl_moe.recipe.section import Section, UserPath, describe_problems
from multipl_moe.runs.comparison import Family

_SHARED = ("base", "seed", "learn", "keep", "own_languages", "corpus", "eval", "codegen", "programs")
_SHARED_OF_TRAINING = (  # which tokens come, in which order and batches
    *("sequence_tokens", "packing", "batch_sequences", "accumulation_steps"),
    *("replay", "weights", "mixture_temperature", "max_epochs", "on_max_epochs"),
)
_SAME_THROUGHOUT = ("tokens", "curve_tokens", "programs")
_Rate = Annotated[float, Field(gt=0)]
_MethodName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]  # part of a folder's name


class ComparedMethod(Section):
    """A way of training, and where on its curve it is measured."""

    title: str
    """What tables and plots call it."""
    recipe: UserPath | None = None
    """Recipe file instead of the common recipe."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Settings on top of it, by dotted key."""
    learning_rates: list[_Rate] = Field(default_factory=list)
    """Rates of the short runs that make its curve; default: none."""
    learning_rate: _Rate | None = None
    """Rate of the long runs, and of other seeds; default: the recipe's."""
    seeds: list[int] = Field(default_factory=list)
    """Seeds; all but the first repeat the short run at `learning_rate`, or the long run of a method without such a
    short one. Default: the recipe's."""
    long: bool = True
    """Whether it has long runs, or a curve alone."""


class Claim(Section):
    """A question that two methods answer: how the first one's bits per byte differ from the second one's.

    Compared are their runs at the `learning_rate` of each, of the same length and seed.
    """

    question: str
    of: str
    against: str


class Comparison(Section):
    """What `multipl-moe compare` reads; recipes/comparisons/results.yaml is a whole one."""

    title: str = "Comparison"
    recipe: dict[str, Any] = Field(default_factory=dict)
    """What all methods share, as in a recipe."""
    tokens: int = Field(gt=0)
    """Tokens of each long run."""
    curve_tokens: int | None = Field(default=None, gt=0)
    """Tokens of each short run of a curve."""
    programs: bool = True
    """Whether the long runs' models write programs that are judged."""
    methods: dict[_MethodName, ComparedMethod] = Field(min_length=1)
    claims: list[Claim] = Field(default_factory=list)

    @model_validator(mode="after")
    def _fits(self) -> "Comparison":
        named = {name for claim in self.claims for name in (claim.of, claim.against)}
        if unknown := sorted(named - set(self.methods)):
            raise ValueError(f"claims: {', '.join(unknown)}: no such method; there are {', '.join(self.methods)}")
        if self.curve_tokens is None and any(method.learning_rates for method in self.methods.values()):
            raise ValueError("curve_tokens: needed where a method has learning_rates")
        for name, method in self.methods.items():
            if not method.long and not method.learning_rates:
                raise ValueError(f"methods.{name}: give it learning_rates, as it has no long runs")
        return self

    def goes_on_from(self, earlier: "Comparison") -> bool:
        """Whether the runs of an earlier comparison are part of this one.

        Methods, rates and seeds may come and go, and what `Recipe.training_changes` does not look at.
        """
        both = self.methods.keys() & earlier.methods.keys()
        return (
            _shared(common_recipe(self)) == _shared(common_recipe(earlier))
            and all(getattr(self, key) == getattr(earlier, key) for key in _SAME_THROUGHOUT)
            and not any(_recipe(self, name).training_changes(_recipe(earlier, name)) for name in both)
        )

    def to_yaml(self) -> str:
        """The whole comparison as YAML that `load_comparison` reads back."""
        return block_yaml(self.model_dump(mode="json", exclude_none=True))


@dataclass(frozen=True)
class Run:
    """One training of a comparison.

    Attributes:
        name: of its folder.
        method: key of the method.
        recipe: everything that decides it.
        is_long: whether it has all tokens; the others are points of a curve.
    """

    name: str
    method: str
    recipe: Recipe
    is_long: bool


def load_comparison(path: Path) -> Comparison:
    """Read a comparison from YAML.

    Raises:
        ConfigError: it cannot be read, or keys or values are wrong, those of each method's recipe included; all
            problems in one message.
    """
    values = read_yaml(path)
    if "methods" not in values:
        raise ConfigError(f"{path}: methods: missing; a comparison has some, and to compare recipes give --tokens")
    return _resolved(values, origin=str(path))


def comparison_of_recipes(files: list[Path], tokens: int) -> Comparison:
    """A comparison of recipe files, each a method named after its file.

    Raises:
        ConfigError: a recipe is wrong, or they differ in more than a comparison can stand.
    """
    names = [file.stem for file in files]
    if len(set(names)) < len(names):
        raise ConfigError(f"recipes: {', '.join(names)}: give each file a name of its own, it is the method's")
    methods = {file.stem: {"title": file.stem, "recipe": file.absolute()} for file in files}
    return _resolved({"tokens": tokens, "methods": methods}, origin="recipes")


def common_recipe(comparison: Comparison) -> Recipe:
    """A recipe with what all methods share: base, languages, corpus, evaluation."""
    return _recipe(comparison, next(iter(comparison.methods)))


def _resolved(values: dict[str, Any], origin: str) -> Comparison:
    """The comparison, checked, with the settings, rate and seeds of each method also where they are its recipe's.

    What is stored with the runs then tells what they were, whatever becomes of a recipe's file.
    """
    try:
        comparison = Comparison.model_validate(values)
    except ValidationError as error:
        problems = [f"{origin}: {line}" for line in describe_problems(error.errors(), Comparison)]
        raise ConfigError(problems) from None
    recipes = _comparable_recipes(comparison, origin)
    methods = {}
    for name, method in comparison.methods.items():
        rate = method.learning_rate or recipes[name].learning_rate
        where = f"{origin}: methods.{name}.learning_rate"
        if rate == "auto":
            raise ConfigError(f"{where}: a comparison names runs by their rates; give a number, not auto")
        if not method.long and rate not in method.learning_rates:
            raise ConfigError(f"{where}: {rate:g} must be one of its learning_rates, as it has no long runs")
        seeds = method.seeds or [recipes[name].seed]
        # With its nulls, in whose place the common recipe's values would be
        resolved = {"recipe": None, "set": recipes[name].model_dump(mode="json")} if method.recipe is not None else {}
        methods[name] = method.model_copy(update={"learning_rate": rate, "seeds": seeds, **resolved})
    comparison = comparison.model_copy(update={"methods": methods})
    names = Counter(run.name for run in planned_runs(comparison))
    if twice := [name for name, count in names.items() if count > 1]:
        raise ConfigError(
            f"{origin}: {', '.join(twice)}: planned twice; learning_rates (in six digits) and seeds must differ"
        )
    return comparison


def _comparable_recipes(comparison: Comparison, origin: str) -> dict[str, Recipe]:
    """Recipe of each method; raises ConfigError where one is wrong, or its data or scores would not be the first's."""
    recipes, problems = {}, []
    for name in comparison.methods:
        try:
            recipes[name] = _recipe(comparison, name)
        except ConfigError as error:
            problems += [f"{origin}: methods.{name}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    shared = {name: _shared(recipe) for name, recipe in recipes.items()}
    first, *others = shared
    for name in others:
        different = [key for key, value in shared[name].items() if value != shared[first][key]]
        problems += [f"{origin}: methods.{name}: {key} must be the same as in {first}" for key in different]
    if problems:
        raise ConfigError(problems)
    return recipes


def _shared(recipe: Recipe) -> dict[str, Any]:
    shared = {key: getattr(recipe, key) for key in _SHARED}
    return shared | {f"train.{key}": getattr(recipe.train, key) for key in _SHARED_OF_TRAINING}


def family_of(comparison: Comparison, name: str) -> Family:
    """What kind of method it is."""
    recipe = _recipe(comparison, name)
    if not recipe.train.trains_hybrid:
        return "LoRA" if recipe.train.method == "lora" else "dense"
    return "gated" if recipe.moe.resolve([0], recipe.learn).gate.languages else "routed"


def planned_runs(comparison: Comparison) -> list[Run]:
    """In the order of what they tell, so that a comparison can be read before it is finished.

    A short run of each method at its own rate, a long one, the rest of the curves, the other seeds.
    """
    own_rates, first_seeds, curves, others = [], [], [], []
    for name, method in comparison.methods.items():
        first, *further = method.seeds
        own_rate = method.learning_rate
        if method.long:
            first_seeds.append(_run(comparison, name, own_rate, first, is_long=True))
        for rate in method.learning_rates:
            (own_rates if rate == own_rate else curves).append(_run(comparison, name, rate, first, is_long=False))
        is_long = own_rate not in method.learning_rates
        others += [_run(comparison, name, own_rate, seed, is_long=is_long) for seed in further]
    return own_rates + first_seeds + curves + others


def _run(comparison: Comparison, name: str, rate: float | None, seed: int, *, is_long: bool) -> Run:
    tokens = comparison.tokens if is_long else comparison.curve_tokens
    assert tokens is not None
    changes = {"train.tokens": tokens, "train.learning_rate": rate, "seed": seed}
    recipe = _recipe(comparison, name, changes)
    label = f"{name}-{tokens // 1000}k-lr{recipe.learning_rate:g}-seed{seed}{'' if is_long else '-curve'}"
    return Run(label, name, recipe, is_long)


def _recipe(comparison: Comparison, name: str, changes: dict[str, Any] | None = None) -> Recipe:
    method = comparison.methods[name]
    values = {} if method.recipe is None else read_yaml(method.recipe)
    for settings in (comparison.recipe if method.recipe is None else {}, method.set, changes or {}):
        put_settings(values, settings)
    return validate_recipe(values, origin="recipe" if method.recipe is None else str(method.recipe))
