"""Whether a model that is told a language writes it: one pack of several languages beside packs of one each.

    python benchmarks/pack_languages.py CORPUS MODEL... [--quick] [--output FILE.json]

CORPUS is one that `corpus` wrote, MODEL a folder behind domain gates. Each goes on from how held-out files of the
languages to learn begin, greedily and told the language; so does the base, and beside them is what the files say
themselves. Counted are texts whose language magika, a detector by content, names rightly.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from harness import options_parser, print_table, record
from transformers import AutoTokenizer

from multipl_judge.languages.table import LANGUAGES
from multipl_judge.problems.problem import Problem
from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_model
from multipl_moe.codegen.completer import Request
from multipl_moe.codegen.local import LocalCompleter
from multipl_moe.corpus.documents import read_documents
from multipl_moe.corpus.read.language_detection import LanguageDetector
from multipl_moe.recipe.codegen import CodegenSection
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.system.allocator import keep_freed_memory

_FILES, _PROMPT, _WRITTEN = 40, 200, 400  # files of a language; characters that begin them, and that are looked at
_SETTINGS = CodegenSection(max_new_tokens=128, batch_sequences=20)


def beginnings(corpus: Path, language: str, num_files: int) -> list[tuple[str, str]]:
    """How held-out files of a language begin, and how they go on."""
    files = read_documents(corpus, "validation", language, num_files)
    return [(file.text[:_PROMPT], file.text[_PROMPT : _PROMPT + _WRITTEN]) for file in files]


def writer(folder: Path) -> Callable[[str, list[str]], list[str]]:
    """What a model writes after texts of a language that it is told."""
    completer = LocalCompleter(str(folder), load_model(folder), AutoTokenizer.from_pretrained(folder))

    def write(language: str, prompts: list[str]) -> list[str]:
        problems = [Problem("files", str(number), language, text, "", "", ()) for number, text in enumerate(prompts)]
        requests, size = [Request(problem, 0, 0) for problem in problems], _SETTINGS.batch_sequences
        batches = [requests[begin : begin + size] for begin in range(0, len(requests), size)]
        return [written.text[:_WRITTEN] for batch in batches for written in completer.complete(batch, _SETTINGS)]

    return write


def main() -> None:
    parser = options_parser(__doc__, quick="two files of each language")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    recipe, detector = load_recipe(options.corpus / "recipe.yaml"), LanguageDetector(LANGUAGES)
    texts = {name: beginnings(options.corpus, name, 2 if options.quick else _FILES) for name in recipe.learn}
    found: dict[str, dict[str, Any]] = {}
    for writes in ["the files", "base", *options.models]:
        write = None if writes == "the files" else writer(resolve_base(recipe.base) if writes == "base" else writes)
        for name, pairs in texts.items():
            begun, rest = zip(*pairs, strict=True)
            written = rest if write is None else write(name, list(begun))
            named = [detector.by_content(text.encode(), "") for text in written]
            found.setdefault(str(writes), {})[name] = {"texts": len(named), "right": named.count(name)}
    rows = [[who, *(f"{one['right']} of {one['texts']}" for one in by.values())] for who, by in found.items()]
    print_table("Texts in the language that was told", ["who writes", *texts], rows)
    record("pack_languages", {"found": found}, [], repeats=1, options=options)


if __name__ == "__main__":
    main()
