"""What a recipe has of a language of its own, and what is still missing: toolchain, problems, text."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from multipl_judge.judge.preflight import preflight
from multipl_judge.problems.problem import Problem
from multipl_moe.corpus.read.archives import find_members
from multipl_moe.corpus.read.candidates import find_files
from multipl_moe.corpus.read.language_detection import LanguageDetector
from multipl_moe.errors import ConfigError, CorpusError
from multipl_moe.eval.eval_set import EvalOptions, read_problems
from multipl_moe.eval.references import reference_faults
from multipl_moe.recipe.corpus import SourceSection
from multipl_moe.recipe.language_template import example_left, first_references
from multipl_moe.recipe.recipe import Recipe

_MOST_JUDGED = 50  # references; `eval --reference` judges all


@dataclass(frozen=True)
class LanguagePart:
    """A part of what a language needs, and what is there of it, or missing and what to do."""

    what: str
    state: str
    is_there: bool


def parts_of_language(recipe: Recipe, name: str, *, unsafe: bool = False) -> list[LanguagePart]:
    """Try the toolchain with a right program and wrong ones, judge the problems' references, and look for files.

    Args:
        name: key of the language in `own_languages`.

    Raises:
        ConfigError: the sandbox cannot be used here.
    """
    try:
        problems, fault = [problem for problem in read_problems(recipe) if problem.language == name], None
    except ConfigError as error:
        problems, fault = [], LanguagePart("problems", "; ".join(error.problems), False)
    references = {problem.reference for problem in problems}
    toolchain = _toolchain(recipe, name, unsafe, is_tried=bool(references - first_references() - {None}))
    posed = fault or _problems(recipe, problems, unsafe, can_judge=toolchain.is_there)
    return [toolchain, posed, *_text(recipe, name)]


def _toolchain(recipe: Recipe, name: str, unsafe: bool, *, is_tried: bool) -> LanguagePart:
    """`is_tried`: there is a reference that no template brought, which tells whether the toolchain is right."""
    toolchain = recipe.own_languages[name].toolchain
    if toolchain is None:
        return LanguagePart("toolchain", f"own_languages.{name}: give toolchain and harness to judge programs", False)
    if (example := example_left(name, toolchain)) is not None and not is_tried:
        state = (
            f"still the template's, of {example}: edit own_languages.{name}.toolchain and harness; if {example} does "
            f"run {name}, put problems of your own with references"
        )
        return LanguagePart("toolchain", state, False)
    check = preflight([name], unsafe=unsafe)[name]
    return LanguagePart("toolchain", check.problem or f"ready: {check.version}", check.problem is None)


def _problems(recipe: Recipe, found: list[Problem], unsafe: bool, *, can_judge: bool) -> LanguagePart:
    if not found:
        return LanguagePart("problems", "programs.benchmarks: none has a problem in this language", False)
    solved = [problem for problem in found if problem.reference is not None]
    state = f"{len(found):,}, {len(solved):,} with a reference"
    if not can_judge or not solved:
        return LanguagePart("problems", state, True)
    judged = solved[:_MOST_JUDGED]
    faults = reference_faults(recipe, judged, EvalOptions(unsafe=unsafe))
    told = f"{state}, {len(judged) - len(faults):,} of {len(judged):,} tried are in order"
    return LanguagePart("problems", "; ".join([told, *(f"{key}: {why}" for key, why in faults.items())]), not faults)


def _text(recipe: Recipe, name: str) -> Iterator[LanguagePart]:
    detector, endings = LanguageDetector(recipe.language_table), ", ".join(recipe.own_languages[name].extensions)
    found = [(n, source) for n, source in enumerate(recipe.corpus.sources) if source.language in (None, name)]
    if not found:
        yield LanguagePart("text", "corpus.sources: none may have text of this language", False)
    for number, source in found:
        what = f"{'held-out' if source.held_out else 'training'} text, {source.path or source.kind}"
        try:
            num_files = _num_files(source, name, detector)
            fault = f"no file of the language ({endings})" if num_files == 0 else None
        except CorpusError as error:
            num_files, fault = 0, str(error)
        state = "not looked into: rows" if num_files is None else f"{num_files:,} files"
        yield LanguagePart(what, f"{fault}; mend corpus.sources[{number}]" if fault else state, not fault)


def _num_files(source: SourceSection, name: str, detector: LanguageDetector) -> int | None:
    """Files that may be of the language, by their names; None for rows, whose reading takes as long as the corpus's."""
    if source.kind == "archive":
        return sum(1 for _ in find_members(source, name, detector))
    if source.kind in ("jsonl", "parquet", "hub", "answers"):
        return None
    with ExitStack() as open_until:
        return sum(1 for _ in find_files(source, name, detector, open_until))
