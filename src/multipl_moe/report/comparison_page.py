"""The result of a comparison: a page in Markdown with the plot of gain against forgetting, and a table."""

from collections import Counter
from pathlib import Path
from typing import Any

from multipl_moe.languages.table import language_title
from multipl_moe.report.comparison_plot import comparison_plot
from multipl_moe.report.grid import Grid
from multipl_moe.runs.decontamination import status_notes
from multipl_moe.runs.folder import write_text

_PNG_DPI = 150
_TITLES = {"learn": "languages to learn", "keep": "languages to keep"}


def write_comparison(output: Path, result: dict[str, Any]) -> None:
    """Write comparison.md and comparison.png into a folder, from the content of comparison.json."""
    comparison_plot(result).savefig(output / "comparison.png", dpi=_PNG_DPI)
    parts = [f"# {result['title']}", "![gain against forgetting](comparison.png)", _summary(result)]
    if result["runs"]:
        parts.append(_dtypes(result))
    tables = [
        _runs(result, f"Each method at {result['tokens']:,} tokens", is_long=True),
        _runs(result, f"Curves: learning rates at {result['curve_tokens'] or 0:,} tokens", is_long=False),
    ]
    parts += [table.to_markdown() for table in tables if table.rows]
    parts.append(_languages(result).to_markdown())
    if result["base"] is not None:
        parts.append(_programs(result).to_markdown())
        parts += [f"{note[0].upper()}{note[1:]}." for note in status_notes(result.get("decontamination", {}))]
    if result["claims"]:
        parts.append(_claims(result).to_markdown())
    write_text(output / "comparison.md", "\n\n".join(parts) + "\n")


def comparison_runs_table(result: dict[str, Any]) -> Grid:
    """The long runs, or as long as there is none the short ones."""
    long, short = (_runs(result, result["title"], is_long=is_long) for is_long in (True, False))
    return long if long.rows else short


def _summary(result: dict[str, Any]) -> str:
    lines = [
        "Change of bits per byte on held-out files, in per cent of the base's: less is better in both columns. Means "
        "are over programming languages; English stands by itself. Moved: nats a token (KL divergence) from the base, "
        "on the base's own answers. No run of as many tokens beats these on both languages to learn and to keep:",
        "",
    ]
    for length, tokens in (("long", result["tokens"]), ("short", result["curve_tokens"])):
        if tokens is not None:
            runs = [result["runs"][name] for name in result["undominated"][length]]
            names = [f"{_title(result, run)} (rate {run['learning_rate']:g}, seed {run['seed']})" for run in runs]
            lines.append(f"- {tokens:,} tokens: {'; '.join(names) or 'none yet'}.")
    return "\n".join(lines)


def _dtypes(result: dict[str, Any]) -> str:
    counts = Counter(run["compute_dtype"] for run in result["runs"].values() if not run["is_reviewed"])
    return f"Runs that computed in {', in '.join(f'{dtype}: {count}' for dtype, count in counts.most_common())}."


def _runs(result: dict[str, Any], title: str, *, is_long: bool) -> Grid:
    rows = []
    for run in result["runs"].values():
        if run["is_long"] == is_long:
            counts = [_millions(run["parameters"][key]) for key in ("total", "active", "trained")]
            changes = [_change(run["means"].get(role)) for role in _TITLES]
            settings = [f"{run['learning_rate']:g}", str(run["seed"])]
            speed = f"{run['tokens_per_s']:,.0f}"
            rows.append([_title(result, run), *settings, *changes, _moved(run), *counts, speed])
    counted = ["parameters", "active", "trained", "tokens/s"]
    return Grid(title, ["method", "rate", "seed", "learn", "keep", "moved", *counted], rows)


def _languages(result: dict[str, Any]) -> Grid:
    runs = sorted(result["runs"].values(), key=lambda run: not run["is_long"])
    first = runs[0]["languages"] if runs else {}
    header = ["method", "tokens", "rate", "seed", *(language_title(name, row) for name, row in first.items())]
    rows = [["base, bits per byte", "", "", "", *(f"{row['bpb_before']:.3f}" for row in first.values())]]
    for run in runs:
        settings = [f"{run['tokens']:,}", f"{run['learning_rate']:g}", str(run["seed"])]
        changes = [f"{100 * run['languages'][name]['change']:+.1f}" for name in first]
        rows.append([_title(result, run), *settings, *changes])
    return Grid("Bits per byte by language, change from the base", header, rows if runs else [])


def _programs(result: dict[str, Any]) -> Grid:
    base = result["base"]["programs"]
    titles = [f"{language_title(name, row)} (of {row['tasks']})" for name, row in base.items()]
    header = ["method", "seed", *titles, "all"]
    rows = [["base", "", *_passed(base, base)]]
    for run in result["runs"].values():
        if "programs" in run:
            rows.append([result["methods"][run["method"]], str(run["seed"]), *_passed(run["programs"], base)])
    return Grid("Programs that pass their tests", header, rows)


def _passed(programs: dict[str, Any], names: dict[str, Any]) -> list[str]:
    """Passed programs by language and in all; empty where a language, or one of them, could not be judged."""
    counts = {name: round(part["pass_at_1"] * part["tasks"]) for name, part in programs.items()}
    in_all = str(sum(counts[name] for name in names)) if set(names) <= set(counts) else ""
    return [*(str(counts.get(name, "")) for name in names), in_all]


def _claims(result: dict[str, Any]) -> Grid:
    rows = []
    for claim in result["claims"]:
        pair = f"{result['methods'][claim['of']]} against {result['methods'][claim['against']]}"
        for seed, means in claim["seeds"].items():
            changes = [_change(means.get(role)) for role in _TITLES]
            rows.append([claim["question"], pair, f"{claim['tokens']:,}", seed, *changes, _verdict(means)])
    return Grid("Questions", ["question", "bits per byte of", "tokens", "seed", "learn", "keep", "in words"], rows)


def _verdict(means: dict[str, Any]) -> str:
    words = []
    for role, title in _TITLES.items():
        if role in means:
            low, high = means[role]["interval"]
            words.append(f"{'better' if high < 0 else 'worse' if low > 0 else 'no clear difference'} on {title}")
    return ", ".join(words)


def _title(result: dict[str, Any], run: dict[str, Any]) -> str:
    return result["methods"][run["method"]] + (", reviewed" if run["is_reviewed"] else "")


def _change(change: dict[str, Any] | None) -> str:
    if change is None:
        return ""
    low, high = change["interval"]
    return f"{100 * change['change']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _moved(run: dict[str, Any]) -> str:
    """Nats a token on the base's own answers; runs of earlier versions did not measure it."""
    if "moved" not in run:
        return ""
    answers = run["moved"]["answers"]
    low, high = answers["interval"]
    return f"{answers['nats_per_token']:.3f} [{low:.3f}, {high:.3f}]"


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f}M" if count >= 100_000 else f"{count / 1e3:.0f}k"
