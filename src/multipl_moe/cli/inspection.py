"""`multipl-moe inspect`."""

from pathlib import Path
from typing import Annotated

import typer

from multipl_moe.cli.app import console, working
from multipl_moe.cli.options import require_folders
from multipl_moe.errors import OutputError
from multipl_moe.system.staging import held_file

_PAGE = Path("inspect.html")


def inspect(
    corpus: Annotated[Path, typer.Argument(help="Corpus folder that `multipl-moe corpus` wrote.")],
    output: Annotated[Path | None, typer.Option(help="HTML page to write. [inspect.html, here]")] = None,
    seed: Annotated[
        int, typer.Option(help="Random seed for choosing the documents and samples to show. [0]", show_default=False)
    ] = 0,
    documents: Annotated[
        int, typer.Option(min=0, help="Number of documents to show per language. [3]", show_default=False)
    ] = 3,
    lines: Annotated[
        int, typer.Option(min=1, help="Maximum number of lines to show per document. [40]", show_default=False)
    ] = 40,
) -> None:
    """Report what a corpus holds, what was left out of it and why, as an HTML page.

    The page shows files, bytes and tokens by language; what each step dropped, with samples; duplicates, licences,
    problems of benchmarks, secrets; lengths of documents, and some of them to read. It quotes the corpus's files.

    Example: `multipl-moe inspect corpora/mine --output mine.html`
    """
    require_folders(corpus=corpus)
    page = _page(corpus, output)

    from multipl_moe.corpus.inspection.inspection import inspect_corpus
    from multipl_moe.report.corpus_page import write_corpus_page
    from multipl_moe.report.corpus_tables import corpus_summary

    with held_file(page), working("reading the corpus"):
        inspection = inspect_corpus(corpus, seed=seed, documents=documents, lines=lines)
        write_corpus_page(page, inspection)
    console.print(corpus_summary(inspection))
    console.print(f"page: {page}", soft_wrap=True)


def _page(corpus: Path, output: Path | None) -> Path:
    """Where to write the page: into the corpus only if asked, and over nothing."""
    page = _PAGE if output is None else output
    if output is None and page.resolve().is_relative_to(corpus.resolve()):
        raise OutputError("output: this is the corpus folder; name the page to write with --output")
    if page.exists():
        raise OutputError(f"output: {page} exists; remove it or name another page with --output")
    if not page.absolute().parent.is_dir():
        raise OutputError(f"output: {page.parent} is not a folder; create it or name another page with --output")
    return page
