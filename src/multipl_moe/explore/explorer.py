"""A trained model as the page asks it, readings and completions, one at a time; and the texts that the page offers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from threading import Event, Lock, Thread
from typing import NamedTuple

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.table import LANGUAGES
from multipl_judge.problems.starter_set import read_starter
from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_dense, load_hybrid, ready_for_evaluation
from multipl_moe.corpus.documents import documents_path, read_documents
from multipl_moe.errors import ConfigError
from multipl_moe.generate.reading import Reading, read_text
from multipl_moe.generate.text import TextGenerator, load_tokenizer
from multipl_moe.model.expert_use import ExpertUse
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.runs.folder import read_json
from multipl_moe.runs.provenance import run_folder, run_recipe_file

MOST_TOKENS = 400
"""Of a text that is read; the rest is left out."""
_SAMPLE_CHARACTERS, _PROMPT_LINES = 2000, 10


@dataclass(frozen=True)
class Explorer:
    """A hybrid and its base, both in evaluation mode.

    The base is None for a model with a domain gate, which is the base where the gate is shut; `use` is what its experts
    are used for, if that was measured.
    """

    model: MultiplMoeForCausalLM
    tokenizer: PreTrainedTokenizerBase
    base: PreTrainedModel | None
    use: ExpertUse | None
    _lock: Lock = field(default_factory=Lock, init=False)

    @classmethod
    def load(cls, folder: Path, base: str | None) -> "Explorer":
        """The hybrid in a folder, and where it has no gate its base, by any name that a recipe can have.

        Raises:
            BaseModelError: one of them cannot be read.
            ConfigError: the model has no gate, and no base is given.
        """
        model = load_hybrid(folder)
        ready_for_evaluation(model)
        use = ExpertUse.load(folder)
        if use is not None:
            use.require_fit(folder, model.config.moe_config)
        if base is None and not model.config.moe_config.gate.languages:
            raise ConfigError("--base: this model has no domain gate to shut; give the base that it was made from")
        dense = None if base is None else ready_for_evaluation(load_dense(resolve_base(base)))
        return cls(model, load_tokenizer(folder), dense, use)

    @property
    def layers(self) -> list[int]:
        """Indices of the layers that have routers."""
        return list(self.model.hybrid_layers)

    def read(self, text: str, open_share: float | Tensor | None = None, prompt: str = "") -> Reading:
        """Read a text that is not empty in all layers; with a `prompt` at its beginning, as it was written."""
        with self._lock:
            return read_text(
                self.model,
                self.tokenizer,
                text,
                layers=self.layers,
                max_tokens=MOST_TOKENS,
                base=self.base,
                open_share=open_share,
                prompt=prompt,
            )

    def complete(self, prompt: str, *, base: bool, max_new_tokens: int) -> Iterator[str]:
        """The likeliest continuation, by base or hybrid, as far as it is written, again and again as it grows.

        The prompt is not empty.
        """
        open_share = 0.0 if base and self.base is None else None
        generator = TextGenerator(self.base if base and self.base is not None else self.model, self.tokenizer)
        written: Queue[str | Exception | None] = Queue()
        is_left = Event()

        def take(piece: str) -> None:
            if is_left.is_set():
                raise InterruptedError
            written.put(piece)

        def work() -> None:
            try:
                tokens = generator.encode(prompt, chat=False)
                generator.generate(tokens, take, max_new_tokens=max_new_tokens, open_share=open_share)
                written.put(None)
            except Exception as error:  # told to whoever waits
                written.put(error)

        with self._lock:
            thread = Thread(target=work, daemon=True)
            thread.start()
            text = ""
            try:
                while (piece := written.get()) is not None:
                    if isinstance(piece, Exception):
                        raise piece
                    text += piece
                    yield text
            finally:  # also where whoever asked has left: nothing else may use the model until it has stopped
                is_left.set()
                thread.join()


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
    return Sample(text[:_SAMPLE_CHARACTERS], "".join(text.splitlines(keepends=True)[:_PROMPT_LINES]))
