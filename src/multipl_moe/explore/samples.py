"""Texts that the page offers: one of each language that a model learnt, and of one that it was to keep."""

from pathlib import Path
from typing import NamedTuple

from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.table import LANGUAGES
from multipl_judge.problems.starter_set import read_starter
from multipl_moe.corpus.documents import documents_path, read_documents
from multipl_moe.model.expert_use import ExpertUse
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.runs.folder import read_json
from multipl_moe.runs.provenance import run_folder, run_recipe_file

_MOST_CHARACTERS, _PROMPT_LINES = 2000, 10


class Sample(NamedTuple):
    """A text to read, and how it begins, to be completed."""

    text: str
    prompt: str


def samples_of(model: Path, moe: MoeConfig, use: ExpertUse | None, *, problem: str = "top_words") -> dict[str, Sample]:
    """Texts for the model in a folder, by title of their language, those of languages to learn first.

    In the package's own programming languages they are one function, a problem of the starter set; in others a file
    that the corpus held out, where model and corpus still lie where they were made. Without a language to keep it is
    Python.
    """
    run, file = run_folder(model), run_recipe_file(model)
    recipe = None if file is None else load_recipe(file)
    corpus = None if run is None else read_json(run / "training.json").get("corpus")
    learnt, table = (moe.gate.languages, LANGUAGES) if recipe is None else (recipe.learn, recipe.language_table)
    known = recipe.languages if recipe is not None else use.languages if use is not None else {}
    samples: dict[str, Sample] = {}
    for name in [*learnt, *known, "python"]:
        is_wanted = name in learnt or samples.keys() <= set(learnt)
        if is_wanted and (sample := _solved(name, problem) or _held_out(name, corpus)) is not None:
            samples[name] = sample
    return {table[name].title if name in table else name: sample for name, sample in samples.items()}


def _solved(language: str, name: str) -> Sample | None:
    for problem in read_starter([language]):
        if problem.id == name:
            return Sample(f"{problem.prompt}{problem.reference}{HARNESSES[language].closing}", problem.prompt)
    return None


def _held_out(language: str, corpus: str | None) -> Sample | None:
    if corpus is None or not documents_path(Path(corpus), "validation", language).is_file():
        return None
    text = read_documents(Path(corpus), "validation", language, 1)[0].text
    return Sample(text[:_MOST_CHARACTERS], "".join(text.splitlines(keepends=True)[:_PROMPT_LINES]))
