"""What training reads, and what packing makes of a corpus, as tables for the terminal."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.table import Table

from multipl_moe.data.packing import Packing, PackingCounts
from multipl_moe.data.training_data import MixtureSummary
from multipl_moe.languages.table import LANGUAGES, Language

_TITLES: dict[Packing, str] = {"windows": "windows", "best_fit": "best fit"}


def mixture_table(summary: MixtureSummary, languages: Mapping[str, Language] = LANGUAGES) -> Table:
    """Share, tokens and passes of each language in a run, and what packing costs it.

    Args:
        summary: of the run.
        languages: the table of languages, with those that the recipe added.
    """
    packing = f"packed by {_TITLES[summary.packing]} into sequences of {summary.sequence_tokens:,}"
    table = Table(title=f"What is read: tokens {packing}", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("language", no_wrap=True)
    for title in ("to", "asked\nfor", "share", "tokens", "passes", "padding", "texts\ncut", "tokens\nlost"):
        table.add_column(title, justify="left" if title == "to" else "right")
    for name, part in summary.languages.items():
        shares = (f"{part.share_asked:.1%}", f"{part.share:.1%}")
        places = part.tokens + part.padding_tokens
        padding = f"{part.padding_tokens / places:.2%}" if places else ""
        lost = (f"{part.packing.cut_share:.1%}", f"{part.packing.lost_share:.2%}")
        cells = (part.role, *shares, f"{part.tokens:,}", f"{part.epochs:.2f}", padding, *lost)
        table.add_row(languages[name].title, *cells)
    return table


def packing_table(
    counts: Mapping[str, Mapping[Packing, PackingCounts]], languages: Mapping[str, Language] = LANGUAGES
) -> Table:
    """What each way of packing makes of each language's tokens.

    Args:
        counts: by language and packing, all for sequences of as many tokens.
        languages: the table of languages, with those that the recipe added.
    """
    first = next(iter(next(iter(counts.values())).values()))
    table = Table(title=f"Packing into sequences of {first.sequence_tokens:,} tokens (train.packing)")
    for title in ("language", "packing"):
        table.add_column(title)
    for title in ("sequences", "padding", "documents cut", "tokens lost"):
        table.add_column(title, justify="right")
    for name, by_packing in counts.items():
        for packing, one in by_packing.items():
            shares = (f"{one.padding_share:.2%}", f"{one.cut_share:.1%}", f"{one.lost_share:.3%}")
            table.add_row(languages[name].title, _TITLES[packing], f"{one.sequences:,}", *shares)
    return table
