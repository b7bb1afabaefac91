"""What a corpus holds, and what training reads of it, as tables for the terminal; inspect.html has the rest."""

from collections.abc import Mapping

from multipl_judge.languages.answers import title_of
from multipl_judge.languages.table import Language
from multipl_moe.corpus.inspection.inspection import Inspection
from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.data.packing import Packing, PackingCounts
from multipl_moe.data.training_data import MixtureSummary
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.report.grid import Grid

_FEW = 5  # held-out files
_TITLES: dict[Packing, str] = {"windows": "windows", "best_fit": "best fit", "whole": "whole"}


def corpus_table(manifest: CorpusManifest, languages: Mapping[str, Language]) -> Grid:
    """Files, bytes and tokens of a corpus by language, and what was left out; `languages` has the recipe's own, too."""
    rows = []
    for name, row in manifest.languages.items():
        dropped = "\n".join(f"{reason} {count:,}" for reason, count in row.dropped.items() if count)
        cells = f"{row.train_files:,}", f"{row.train_bytes / 1e6:.1f}", f"{row.train_tokens:,}"
        rows.append([title_of(name, languages), *cells, f"{row.validation_files:,}", dropped])
    return Grid("Corpus", ["language", "training\nfiles", "MB", "tokens", "held-out\nfiles", "left out"], rows)


def over_budget_note(manifest: CorpusManifest, recipe: Recipe) -> str | None:
    """One sentence on the text that the budget left out, with the key that takes it in; None where it took all."""
    parts = []
    for name, row in manifest.languages.items():
        if number := row.dropped["over_budget"]:
            found = row.train_files + row.validation_files + sum(row.dropped.values())
            title, budget = recipe.language_table[name].title, recipe.corpus.max_bytes_of(name)
            parts.append(f"{number:,} of {found:,} files of {title} (budget {budget or 0:,} bytes)")
    if not parts:
        return None
    return f"corpus.max_bytes_per_language left out {', '.join(parts)}; null, alone or by language, takes all."


def few_held_out_note(manifest: CorpusManifest, languages: Mapping[str, Language]) -> str | None:
    """One sentence on languages of which so few files are held out that no change can be told from chance."""
    few = {name: row.validation_files for name, row in manifest.languages.items() if row.validation_files < _FEW}
    if not few:
        return None
    told = ", ".join(f"{number} of {title_of(name, languages)}" for name, number in few.items())
    return f"few held-out files: {told}; a change on them says little: add files, or raise corpus.validation_share"


def corpus_summary(inspection: Inspection) -> Grid:
    """Files, bytes, tokens and bytes per token by language, how many files were left out, and what was not checked."""
    rows = []
    for name, row in inspection.manifest.languages.items():
        size = f"{row.train_bytes / 1e6:.1f}", f"{row.train_tokens:,}", f"{row.train_bytes / row.train_tokens:.2f}"
        counts = f"{row.validation_files:,}", f"{sum(row.dropped.values()):,}"
        rows.append([inspection.titles[name], f"{row.train_files:,}", *size, *counts])
    told = {
        "partly checked for problems of": inspection.partly_checked,
        "not checked for problems of": list(inspection.unchecked),
    }
    notes = [f"{note} {', '.join(names)}" for note, names in told.items() if names]
    return Grid("Corpus", ["language", "files", "MB", "tokens", "B/token", "held out", "left out"], rows, notes=notes)


def mixture_table(summary: MixtureSummary, languages: Mapping[str, Language]) -> Grid:
    """Share, tokens and passes of each language in a run, and what packing costs it."""
    rows = []
    for name, part in summary.languages.items():
        shares = f"{part.share_asked:.1%}", f"{part.share:.1%}"
        places = part.tokens + part.padding_tokens
        padding = f"{part.padding_tokens / places:.2%}" if places else ""
        lost = f"{part.packing.cut_share:.1%}", f"{part.packing.lost_share:.2%}"
        cells = part.role, *shares, f"{part.tokens:,}", f"{part.epochs:.2f}", padding, *lost
        rows.append([title_of(name, languages), *cells])
    title = f"What is read: tokens packed by {_TITLES[summary.packing]} into sequences of {summary.sequence_tokens:,}"
    header = ["language", "to", "asked\nfor", "share", "tokens", "passes", "padding", "texts\ncut", "tokens\nlost"]
    return Grid(title, header, rows, num_labels=2)


def packing_table(counts: Mapping[str, Mapping[Packing, PackingCounts]], languages: Mapping[str, Language]) -> Grid:
    """What each way of packing makes of each language's tokens, all for sequences of as many tokens."""
    rows = []
    for name, by_packing in counts.items():
        for packing, one in by_packing.items():
            shares = f"{one.padding_share:.2%}", f"{one.cut_share:.1%}", f"{one.lost_share:.3%}"
            rows.append([title_of(name, languages), _TITLES[packing], f"{one.sequences:,}", *shares])
    first = next(iter(next(iter(counts.values())).values()))
    title = f"Packing into sequences of {first.sequence_tokens:,} tokens (train.packing)"
    header = ["language", "packing", "sequences", "padding", "documents\ncut", "tokens\nlost"]
    return Grid(title, header, rows, num_labels=2)
