"""report.html: one self-contained page with the result of a run."""

import json
from pathlib import Path
from typing import Any

from multipl_moe.eval.outcome import BITS_PER_BYTE_NOTE
from multipl_moe.languages.table import language_title
from multipl_moe.report.page import inline_svg, page_templates
from multipl_moe.report.plots import expert_heat_map, gain_plot, training_plot
from multipl_moe.report.tables import movement_table, result_table
from multipl_moe.report.verdict_plots import verdict_plot
from multipl_moe.report.verdict_tables import SMALL_MODEL_NOTE, comparison_table, verdict_notes
from multipl_moe.runs.folder import write_text

_PNG_DPI = 130


def write_report(
    output: Path,
    metrics: dict[str, Any],
    records: list[dict[str, Any]],
    held_out: list[dict[str, Any]],
    recipe_yaml: str,
    model_folder: Path,
) -> None:
    """Write report.html, and the gain plot also as gain.png, into a run folder.

    It shows the content of metrics.json, the lines of metrics.jsonl and held_out.jsonl, the resolved recipe, and how to
    use the model.
    """
    gain = gain_plot(metrics)
    gain.savefig(output / "gain.png", dpi=_PNG_DPI)
    routing = metrics["routing"]
    titles = {name: language_title(name, row) for name, row in metrics["languages"].items()}
    maps = [(title, expert_heat_map(routing, key, titles)) for title, key in _HEAT_MAPS]
    page = (
        page_templates()
        .get_template("report.html.j2")
        .render(
            metrics=metrics,
            bits_per_byte=BITS_PER_BYTE_NOTE,
            result=result_table(metrics),
            gain=inline_svg(gain),
            training=inline_svg(training_plot(records, held_out)) if records else None,
            heat_maps=[(title, inline_svg(figure)) for title, figure in maps if figure is not None],
            recipe=recipe_yaml,
            environment=json.dumps(metrics["environment"], indent=2),
            model_folder=model_folder,
            moved=movement_table(metrics["moved"]) if "moved" in metrics else None,
            programs=_programs(metrics["programs"]) if "programs" in metrics else None,
        )
    )
    write_text(output / "report.html", page)


_HEAT_MAPS = (("Routed token experts", "token_load"), ("Segment experts", "segment_load"))


def _programs(verdict: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of the programs that two models wrote."""
    return {
        "plot": inline_svg(verdict_plot(verdict)),
        "table": comparison_table(verdict["comparison"]),
        "notes": [*verdict_notes(verdict), SMALL_MODEL_NOTE],
        "sentences": [mean["sentence"] for mean in verdict["comparison"]["means"].values()],
    }
