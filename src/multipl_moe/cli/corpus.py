"""The verbs of a corpus: `multipl-moe corpus` and `inspect`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from multipl_moe.cli.app import console, progress_bar, working
from multipl_moe.cli.options import Base, Keep, Learn, RecipeFile, Seed, Settings, recipe_from_flags, require_folders
from multipl_moe.errors import ConfigError, OutputError
from multipl_moe.system.staging import held_file, refuse_existing

_PAGE = Path("inspect.html")


def corpus(
    output: Annotated[Path, typer.Argument(help="Corpus folder to create.")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Source of files: a folder, git repository (PATH@REVISION for one revision), tar or zip "
            "archive, .jsonl or .parquet file, hub:DATASET, or `toolchains`; may be repeated. "
            "[toolchains]"
        ),
    ] = None,
    recipe: RecipeFile = None,
    settings: Settings = None,
    base: Base = None,
    learn: Learn = None,
    keep: Keep = None,
    seed: Seed = None,
) -> None:
    """Build a corpus of source files: sorted by language, deduplicated, split, tokenised and packed.

    An interrupted build goes on where it stopped when started again with the same recipe.

    Example: `multipl-moe corpus corpora/mine --source ~/src/project --learn rust --keep python`
    """
    flags: dict[str, Any] = {"base": base, "learn": learn, "keep": keep, "seed": seed}
    flags |= {"corpus.sources": [source_named(text) for text in source] if source else None}
    chosen = recipe_from_flags(recipe, settings, flags)
    refuse_existing(output)

    from multipl_moe.checkpoints.base import resolve_base
    from multipl_moe.corpus.dropped import DROPPED_NAME
    from multipl_moe.corpus.pipeline import build_corpus
    from multipl_moe.data.packed import packing_by_language
    from multipl_moe.report.corpus_tables import corpus_table, few_held_out_note, over_budget_note, packing_table

    tokenizer = resolve_base(chosen.base)
    with progress_bar("tasks") as (begin, on_progress):

        def tell(message: str) -> None:
            begin("tasks")
            console.print(message)

        manifest = build_corpus(chosen, tokenizer, output, tell, on_progress)
    console.print(corpus_table(manifest, chosen.language_table))
    for note in (over_budget_note(manifest, chosen), few_held_out_note(manifest, chosen.language_table)):
        if note is not None:
            console.print(note, style="yellow", soft_wrap=True)
    packing = packing_by_language(output, chosen.train.sequence_tokens)
    console.print(packing_table(packing, chosen.language_table))
    console.print(f"what was left out and why: {output / DROPPED_NAME}", soft_wrap=True)


def source_named(text: str) -> dict[str, Any]:
    """What `--source` names, as an entry of `corpus.sources`; what a path is shows in its content and its ending."""
    from multipl_moe.corpus.read.archives import ARCHIVE_ENDINGS
    from multipl_moe.corpus.read.row_files import ROW_ENDINGS

    if not text:
        raise ConfigError("--source: it is empty; name a folder (. is the current one), archive or file of rows")
    path = Path(text)
    if text == "toolchains":
        return {"kind": "toolchains"}
    if text.startswith("hub:"):
        name, _, revision = text.removeprefix("hub:").partition("@")
        if name:
            return {"kind": "hub", "path": name} | ({"revision": revision} if revision else {})
    if path.is_dir():
        is_repository = (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())
        return {"kind": "git" if is_repository else "folder", "path": text}
    for kind, endings in {**ROW_ENDINGS, "archive": ARCHIVE_ENDINGS}.items():
        if path.is_file() and path.name.lower().endswith(endings):
            return {"kind": kind, "path": text}
    folder, _, revision = text.rpartition("@")
    if folder and revision and Path(folder).is_dir():
        return {"kind": "git", "path": folder, "revision": revision}
    raise ConfigError(
        f"--source: {text} is not a folder, archive, .jsonl or .parquet file, REPOSITORY@REVISION, hub:DATASET or "
        f"`toolchains`{'' if path.exists() else '; there is no file or folder of this name'}"
    )


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
