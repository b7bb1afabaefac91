"""What a training run leaves as its record, training.json."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from multipl_moe.train.freezing import Audit


@dataclass(frozen=True)
class TrainResult:
    """What a training run did.

    Attributes:
        stage: `train` or `review`.
        model_folder: the trained checkpoint.
        audit: what trained and what did not.
        frozen_sha256: hash over all frozen parameters, equal before and after.
        tokens: tokens trained on, places of sequences that hold padding included.
        seconds: time of the training loop.
        steps: optimiser steps.
        compute_dtype: what training computed in.
        skipped_steps: those of them whose gradients were dropped, as `train.on_bad_step` says.
        best_step: the step whose weights these are, where `train.keep_best` chose.
        data: `MixtureSummary.to_json` of what was read.
        decontamination: for which benchmarks the text was checked; see `runs.decontamination`.
    """

    stage: str
    model_folder: Path
    audit: Audit
    frozen_sha256: str
    tokens: int
    seconds: float
    steps: int
    compute_dtype: str
    skipped_steps: int = 0
    best_step: int | None = None
    data: dict[str, Any] = field(default_factory=dict)
    decontamination: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict that `from_json` reads back."""
        return asdict(self) | {"model_folder": str(self.model_folder)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TrainResult":
        """Read `to_json`'s dict."""
        parts = {"model_folder": Path(values["model_folder"]), "audit": Audit(**values["audit"])}
        return cls(**(values | parts))
