"""README.md of an exported model: what it is, how it was made, what was measured, and what was not."""

import re
import shlex
from dataclasses import dataclass, replace
from importlib.metadata import requires
from pathlib import Path

import jinja2
import torch
from huggingface_hub import ModelCardData
from transformers import PreTrainedConfig

from multipl_judge.languages.table import LANGUAGES, language_title
from multipl_moe import __version__
from multipl_moe.eval.measures import findings
from multipl_moe.export.facts import facts_of
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.expert_kinds import EXPERT_KINDS
from multipl_moe.report.tables import measure_table, result_table, scores_table
from multipl_moe.runs.provenance import Provenance
from multipl_moe.runs.result import Changes, Found, LanguageChange, Measured, MergeCost, Scores
from multipl_moe.spdx import UNKNOWN

CARD_FILE = "README.md"
_NOT_KNOWN = "not known"
_TOLD_LICENCES = 5
_NEEDED = re.compile(r"(torch|transformers)\b")


@dataclass(frozen=True)
class CardSubject:
    """The exported model that a card describes.

    Attributes:
        name: title of the card.
        config: of the hybrid where the model was merged.
        dtype, num_parameters: of the exported weights.
        merge_cost: what `merge_cost` measured, if the model is a merged one.
        gguf: names of the GGUF files, if there are any.
        native: the architecture of a native mixture of experts.
        difference: largest difference of its logits from the hybrid's.
    """

    name: str
    config: PreTrainedConfig
    dtype: torch.dtype
    num_parameters: int
    merge_cost: MergeCost | None = None
    gguf: tuple[str, ...] = ()
    native: str | None = None
    difference: float | None = None

    @property
    def kind(self) -> str:
        """`hybrid`, `native`, `merged` or `dense`."""
        if self.merge_cost is not None:
            return "merged"
        if self.native is not None:
            return "native"
        return "hybrid" if isinstance(self.config, MultiplMoeConfig) else "dense"

    @property
    def place(self) -> str:
        """Where an expert works in a hybrid without routers, in words."""
        return EXPERT_KINDS[self.config.moe_config.experts.type].place


def card_template(package: str, name: str) -> jinja2.Template:
    """A card's text among a package's templates; they know `version`, and `quoted` for what stands in a command."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = shlex.quote
    environment.globals["version"] = __version__
    return environment.get_template(name)


def write_card(folder: Path, subject: CardSubject, provenance: Provenance) -> None:
    """Write README.md into the folder of the exported model."""
    metrics, cost, against = provenance.metrics, subject.merge_cost, compared_with(provenance)
    text = card_template("multipl_moe.export", "model_card.md.j2").render(
        front_matter=_front_matter(subject, provenance).to_yaml(),
        subject=subject,
        provenance=provenance,
        facts=facts_of(subject.config, provenance, subject.dtype),
        against=against,
        measured=measured_table(metrics, against, "hybrid" if cost else "this model") if metrics else None,
        outcome=outcome(metrics) if metrics else None,
        sentence=metrics.sentence if isinstance(metrics, Changes) else None,
        measures=[(one, found, measure_table(one, found).markdown) for one, found in findings(metrics)]
        if isinstance(metrics, Found)
        else [],
        cost=measured_table(cost.from_hybrid, "hybrid", "this model") if cost else None,
        licences=licence_rows(provenance),
        needed=_needed(),
    )
    (folder / CARD_FILE).write_text(text, encoding="utf-8")


def measured_table(found: Changes | Scores, before: str, after: str) -> str:
    """Bits per byte of one model, or of two that are called so, as a table in Markdown."""
    if isinstance(found, Scores):
        return scores_table(found).markdown
    header = ["language", "change", "95% interval", before, after, "role"]
    return replace(result_table(found), header=header).markdown


def compared_with(provenance: Provenance) -> str:
    """What the model was measured against: "the base", or another model's folder without what leads there."""
    against = provenance.metrics and provenance.metrics.against
    if against is None:
        return "what it was compared with"
    base = (provenance.upcycle or {}).get("base")
    if against in (base, provenance.base_name) or Path(against).name == provenance.base_name:
        return "the base"
    return "/".join(Path(against).parts[-2:])


def outcome(metrics: Measured) -> dict[str, list[str]]:
    """Languages by what the 95% interval of their change says, as `Change.outcome` does."""
    sorted_out: dict[str, list[str]] = {"better": [], "worse": [], "unclear": [], "same": []}
    for name, row in metrics.languages.items():
        if isinstance(row, LanguageChange):
            sorted_out[row.outcome].append(language_title(name, row.title))
    return sorted_out


def licence_rows(provenance: Provenance) -> list[tuple[str, str]]:
    """Each language of the training text, and the licences of most of its files with their number."""
    rows = []
    for name, counts in (provenance.training or {}).get("licences", {}).items():
        most = sorted(counts.items(), key=lambda item: -item[1])
        told = [f"{_NOT_KNOWN if licence == UNKNOWN else licence} ({count:,})" for licence, count in most]
        more = [f"{len(told) - _TOLD_LICENCES} more"] if len(told) > _TOLD_LICENCES else []
        rows.append((language_title(name), ", ".join(told[:_TOLD_LICENCES] + more)))
    return rows


def _front_matter(subject: CardSubject, provenance: Provenance) -> ModelCardData:
    names = list(provenance.metrics.languages if provenance.metrics else ())
    is_text = [name for name in names if name in LANGUAGES and not LANGUAGES[name].is_code]
    tags = ["code", "multipl-moe", "mixture-of-experts" if subject.kind in ("hybrid", "native") else "merge"]
    return ModelCardData(
        license=(provenance.base_licence or "unknown").lower(),
        base_model=provenance.base_hub_id,
        library_name="transformers",
        pipeline_tag="text-generation",
        language=["code", *(["en"] if "english" in is_text else [])],
        tags=[*tags, *(name for name in names if name not in is_text)],
    )


def _needed() -> list[str]:
    return [requirement for requirement in requires("multipl-moe") or [] if _NEEDED.match(requirement)]
