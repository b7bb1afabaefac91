"""report.html: one self-contained page with the result of a run."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from multipl_moe.languages import language_title
from multipl_moe.report.plots import expert_heat_map, gain_plot, training_plot
from multipl_moe.report.verdict_plots import verdict_plot
from multipl_moe.report.verdict_rows import SMALL_MODEL_NOTE, comparison_rows, verdict_notes

_PNG_DPI = 130


def write_report(
    output: Path, metrics: dict[str, Any], records: list[dict[str, Any]], recipe_yaml: str, model_folder: Path
) -> None:
    """Write report.html, and the gain plot also as gain.png, into a run folder.

    Args:
        output: run folder.
        metrics: content of metrics.json.
        records: lines of metrics.jsonl.
        recipe_yaml: the resolved recipe.
        model_folder: shown in the commands to use the model.
    """
    gain = gain_plot(metrics)
    gain.savefig(output / "gain.png", dpi=_PNG_DPI)
    routing = metrics["routing"]
    titles = {name: language_title(name, row) for name, row in metrics["languages"].items()}
    maps = [(title, expert_heat_map(routing, key, titles)) for title, key in _HEAT_MAPS]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("multipl_moe.report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("report.html.j2").render(
        metrics=metrics,
        titles=titles,
        gain=_svg(gain),
        training=_svg(training_plot(records)) if records else None,
        heat_maps=[(title, _svg(figure)) for title, figure in maps if figure is not None],
        recipe=recipe_yaml,
        environment=json.dumps(metrics["environment"], indent=2),
        model_folder=model_folder,
        programs=_programs(metrics["programs"]) if "programs" in metrics else None,
    )
    (output / "report.html").write_text(page, encoding="utf-8")


_HEAT_MAPS = (("Routed token experts", "token_load"), ("Segment experts", "segment_load"))


def _programs(verdict: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of the programs that two models wrote."""
    return {
        "plot": _svg(verdict_plot(verdict)),
        "rows": comparison_rows(verdict["comparison"]),
        "notes": [*verdict_notes(verdict), SMALL_MODEL_NOTE],
        "sentences": [mean["sentence"] for mean in verdict["comparison"]["means"].values()],
    }


def _svg(figure: Figure) -> Markup:
    """The figure as inline SVG, the same bytes for the same data."""
    stream = StringIO()
    with rc_context({"svg.hashsalt": "multipl-moe", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return Markup(text[text.index("<svg") :])
