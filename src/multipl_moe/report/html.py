"""report.html: one self-contained page with the result of a run."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from multipl_judge.languages.table import language_title
from multipl_moe.eval.measures import findings
from multipl_moe.eval.outcome import BITS_PER_BYTE_NOTE
from multipl_moe.generate.reading import Reading
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.report.continuations import CONTINUATIONS_FILE, Continuation
from multipl_moe.report.grid import Grid
from multipl_moe.report.page import picture, rendered
from multipl_moe.report.plots import expert_heat_map, gain_plot, training_plot, verdict_plot
from multipl_moe.report.programs import EXAMPLES_FILE
from multipl_moe.report.reading import coloured_text, first_view, legend
from multipl_moe.report.tables import measure_table, result_table
from multipl_moe.report.verdict_tables import SMALL_MODEL_NOTE, comparison_table, failures_table, is_few, verdict_notes
from multipl_moe.runs.folder import read_json, write_text
from multipl_moe.runs.result import RunResult
from multipl_moe.runs.verdict import ProgramsResult
from multipl_moe.system.minute_lines import minutes_of

NO_GAIN = "No gain was shown."
READING_FILE = "reading.json"
"""Of a run folder: a held-out text as hybrid and base read it."""
_PNG_DPI = 130
_HEAT_MAPS = {"token_load": "Routed token experts", "segment_load": "Segment experts"}


def write_report(
    output: Path,
    result: RunResult,
    records: list[dict[str, Any]],
    held_out: list[dict[str, Any]],
    recipe: Recipe,
    model_folder: Path,
    reasons: Sequence[str] = (),
    practice: Grid | None = None,
) -> None:
    """Write report.html, and the gain plot also as gain.png, into a run folder.

    It shows the content of metrics.json, the lines of metrics.jsonl and held_out.jsonl, the resolved recipe, how to
    use the model, and what two models wrote where the run folder holds such examples (`report.programs`). Where no gain
    was shown, that is the headline, and `reasons` are sentences that say why. `practice` is what it practised before.
    """
    gain_plot(result).savefig(output / "gain.png", dpi=_PNG_DPI)
    reading = _stored(output / READING_FILE)
    page = rendered(
        "report.html.j2",
        metrics=result,
        subject=f"{recipe.base} learns {', '.join(recipe.language_table[name].title for name in recipe.learn)}",
        context=_context(result, recipe),
        reasons=reasons,
        headline=NO_GAIN if reasons else result.sentence,
        continuations=[Continuation.from_json(one) for one in _stored(output / CONTINUATIONS_FILE) or []],
        bits_per_byte=BITS_PER_BYTE_NOTE,
        result=result_table(result),
        gain=picture("gain", "Change of bits per byte by language", partial(gain_plot, result)),
        training=_training(records, held_out),
        records=records,
        heat_maps=_heat_maps(result),
        examples=_stored(output / "programs_after" / EXAMPLES_FILE) or [],
        reading=_coloured(Reading.from_json(reading)) if reading else None,
        recipe=recipe.to_yaml(),
        temperature=recipe.codegen.temperature,
        environment=json.dumps(result.environment, indent=2),
        model_folder=model_folder,
        measures=[(measure, found, measure_table(measure, found)) for measure, found in findings(result)],
        programs=_programs(result.programs),
        practice=practice,
    )
    write_text(output / "report.html", page)


def _training(records: list[dict[str, Any]], held_out: list[dict[str, Any]]) -> str | None:
    if len(records) < 2:
        return None
    return picture("training", "Loss and load of experts during training", partial(training_plot, records, held_out))


def _context(result: RunResult, recipe: Recipe) -> str:
    """What was trained, on how much, for how long, how large it is, and how far it is from its base."""
    counts, cores = result.parameters, result.environment.get("machine", {}).get("cores")
    parts = [
        recipe.base,
        f"{result.tokens:,} tokens in {minutes_of(result.seconds)}{f' on {cores} cores' if cores else ''}",
        f"{counts.total / 1e6:,.1f}M parameters, {counts.active / 1e6:,.1f}M active per token",
        *(found.sentence for _, found in findings(result)),
    ]
    return " · ".join(filter(None, parts))


def _stored(file: Path) -> Any:
    """The JSON of a file that not every run folder has; None without it."""
    return read_json(file) if file.is_file() else None


def _coloured(reading: Reading) -> Markup:
    view, layer = first_view(reading)
    return legend(reading, view, layer, None) + coloured_text(reading, view, layer)


def _heat_maps(result: RunResult) -> list[tuple[str, str]]:
    titles = {name: language_title(name, row.title) for name, row in result.languages.items()}
    maps = []
    for key, title in _HEAT_MAPS.items():
        draw = partial(expert_heat_map, result.routing, key, titles)
        if drawn := picture(key, f"{title}: which serve which language", draw):
            maps.append((title, drawn))
    return maps


def _programs(verdict: ProgramsResult | None) -> dict[str, Any] | None:
    """What the page shows of the programs that two models wrote; no plot where every count is small."""
    if verdict is None or verdict.comparison is None:
        return None
    label, draw = "Programs that pass their tests, before and after", partial(verdict_plot, verdict)
    all_few = all(is_few(cell.tasks) for *_, cell in verdict.cells())
    return {
        "plot": None if all_few else picture("programs", label, draw),
        "table": comparison_table(verdict.comparison),
        "failures": failures_table(verdict),
        "notes": [*verdict_notes(verdict), SMALL_MODEL_NOTE],
    }
