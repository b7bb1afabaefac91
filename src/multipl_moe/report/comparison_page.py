"""The result of a comparison: a page in Markdown with the plot of gain against forgetting, and a table."""

from collections import Counter
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from multipl_moe.languages.table import language_title
from multipl_moe.report.comparison_plot import comparison_plot
from multipl_moe.runs.decontamination import status_notes
from multipl_moe.runs.folder import write_text

_PNG_DPI = 150
_TITLES = {"learn": "languages to learn", "keep": "languages to keep"}


def write_comparison(output: Path, result: dict[str, Any]) -> None:
    """Write comparison.md and comparison.png into a folder.

    Args:
        output: the folder.
        result: content of comparison.json.
    """
    comparison_plot(result).savefig(output / "comparison.png", dpi=_PNG_DPI)
    parts = [f"# {result['title']}", "![gain against forgetting](comparison.png)", _summary(result)]
    if result["runs"]:
        parts.append(_dtypes(result))
    if (long := _rows(result, is_long=True))[1]:
        parts.append(_section(f"Each method at {result['tokens']:,} tokens", long))
    if (curve := _rows(result, is_long=False))[1]:
        parts.append(_section(f"Curves: learning rates at {result['curve_tokens']:,} tokens", curve))
    parts.append(_section("Bits per byte by language, change from the base", _language_rows(result)))
    if result["base"] is not None:
        parts.append(_section("Programs that pass their tests", _program_rows(result)))
        parts += [f"{note[0].upper()}{note[1:]}." for note in status_notes(result.get("decontamination", {}))]
    if result["claims"]:
        parts.append(_section("Questions", _claim_rows(result)))
    write_text(output / "comparison.md", "\n\n".join(parts) + "\n")


def comparison_rows_table(result: dict[str, Any]) -> Table:
    """The long runs for the terminal, or as long as there is none the short ones."""
    header, rows = _rows(result, is_long=True)
    if not rows:
        header, rows = _rows(result, is_long=False)
    table = Table(title=Text(result["title"]))
    for index, title in enumerate(header):
        table.add_column(title, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _summary(result: dict[str, Any]) -> str:
    lines = [
        "Change of bits per byte on held-out files, in per cent of the base's: less is better in both columns. Means "
        "are over programming languages; English stands by itself. No run of as many tokens beats these on both:",
        "",
    ]
    for length, tokens in (("long", result["tokens"]), ("short", result["curve_tokens"])):
        if tokens is not None:
            names = [_label(result, result["runs"][name]) for name in result["undominated"][length]]
            lines.append(f"- {tokens:,} tokens: {'; '.join(names) or 'none yet'}.")
    return "\n".join(lines)


def _dtypes(result: dict[str, Any]) -> str:
    counts = Counter(run["compute_dtype"] for run in result["runs"].values() if not run["is_reviewed"])
    return f"Runs that computed in {', in '.join(f'{dtype}: {count}' for dtype, count in counts.most_common())}."


_Rows = tuple[list[str], list[list[str]]]


def _rows(result: dict[str, Any], *, is_long: bool) -> _Rows:
    header = ["method", "rate", "seed", "learn", "keep", "parameters", "active", "trained", "tokens/s"]
    rows = []
    for run in result["runs"].values():
        if run["is_long"] != is_long:
            continue
        counts = [_millions(run["parameters"][key]) for key in ("total", "active", "trained")]
        changes = [_change(run["means"].get(role)) for role in _TITLES]
        settings = [f"{run['learning_rate']:g}", str(run["seed"])]
        rows.append([_title(result, run), *settings, *changes, *counts, f"{run['tokens_per_s']:,.0f}"])
    return header, rows


def _language_rows(result: dict[str, Any]) -> _Rows:
    runs = sorted(result["runs"].values(), key=lambda run: not run["is_long"])
    names = list(runs[0]["languages"]) if runs else []
    header = ["method", "tokens", "rate", "seed", *(language_title(name, runs[0]["languages"][name]) for name in names)]
    base = [f"{runs[0]['languages'][name]['bpb_before']:.3f}" for name in names]
    rows = [["base, bits per byte", "", "", "", *base]]
    for run in runs:
        settings = [f"{run['tokens']:,}", f"{run['learning_rate']:g}", str(run["seed"])]
        rows.append([_title(result, run), *settings, *(_percent(run["languages"][name]) for name in names)])
    return header, rows if runs else []


def _program_rows(result: dict[str, Any]) -> _Rows:
    names = list(result["base"]["programs"])
    tasks = [f"{language_title(name)} (of {result['base']['programs'][name]['tasks']})" for name in names]
    rows = [["base", "", *_passed(result["base"]["programs"], names)]]
    for run in result["runs"].values():
        if "programs" in run:
            title = result["methods"][run["method"]]
            rows.append([title, str(run["seed"]), *_passed(run["programs"], names)])
    return ["method", "seed", *tasks, "all"], rows


def _passed(programs: dict[str, Any], names: list[str]) -> list[str]:
    """Passed programs by language and in all; empty where a language, or one of them, could not be judged."""
    counts = {name: round(part["pass_at_1"] * part["tasks"]) for name, part in programs.items()}
    in_all = str(sum(counts[name] for name in names)) if set(names) <= set(counts) else ""
    return [*(str(counts.get(name, "")) for name in names), in_all]


def _claim_rows(result: dict[str, Any]) -> _Rows:
    rows = []
    for claim in result["claims"]:
        pair = f"{result['methods'][claim['of']]} against {result['methods'][claim['against']]}"
        for seed, means in claim["seeds"].items():
            changes = [_change(means.get(role)) for role in _TITLES]
            rows.append([claim["question"], pair, f"{claim['tokens']:,}", seed, *changes, _verdict(means)])
    return ["question", "bits per byte of", "tokens", "seed", "learn", "keep", "in words"], rows


def _verdict(means: dict[str, Any]) -> str:
    words = []
    for role, title in _TITLES.items():
        if role in means:
            low, high = means[role]["interval"]
            words.append(f"{'better' if high < 0 else 'worse' if low > 0 else 'no clear difference'} on {title}")
    return ", ".join(words)


def _label(result: dict[str, Any], run: dict[str, Any]) -> str:
    return f"{_title(result, run)} (rate {run['learning_rate']:g}, seed {run['seed']})"


def _title(result: dict[str, Any], run: dict[str, Any]) -> str:
    return result["methods"][run["method"]] + (", reviewed" if run["is_reviewed"] else "")


def _section(title: str, rows: _Rows) -> str:
    header, body = rows
    lines = [header, ["---"] * len(header), *body]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _change(change: dict[str, Any] | None) -> str:
    if change is None:
        return ""
    low, high = change["interval"]
    return f"{100 * change['change']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _percent(row: dict[str, Any]) -> str:
    return f"{100 * row['change']:+.1f}"


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f}M" if count >= 100_000 else f"{count / 1e3:.0f}k"
