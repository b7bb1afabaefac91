"""How much each expert of each hybrid layer contributes in each language: measured, and kept beside the weights."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from multipl_moe.errors import BaseModelError
from multipl_moe.model.fusion import fuse_weights
from multipl_moe.model.hybrid import HybridMoe
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.model.routing_pass import LayerRouting
from multipl_moe.model.segments import SegmentPlan
from multipl_moe.model.statistics import observe_batches

EXPERT_USE_FILE = "expert_use.json"


@dataclass(frozen=True)
class ExpertUse:
    """Mean fused weight of each expert: token experts first, then segment experts, the shared expert last.

    Behind a domain gate it is what they weigh where the gate is open, in the languages that it opens for.

    Attributes:
        languages: by language, by layer index, a weight per expert; with `normalized` fusion those of a layer sum to 1.
    """

    languages: dict[str, dict[int, list[float]]]

    def mean(self, languages: Collection[str] = ()) -> dict[int, Tensor]:
        """By layer, the mean over languages, by default all that were measured, each counting alike; float64."""
        by_language = [layers for name, layers in self.languages.items() if name in languages or not languages]
        return {
            index: torch.tensor([layers[index] for layers in by_language], dtype=torch.float64).mean(dim=0)
            for index in by_language[0]
        }

    def languages_served(self, index: int) -> list[dict[str, float]]:
        """For each expert of a layer, the share of each language in its work, largest first; languages count alike."""
        served = []
        for weights in zip(*(layers[index] for layers in self.languages.values()), strict=True):
            total = sum(weights) or 1.0
            shares = {name: weight / total for name, weight in zip(self.languages, weights, strict=True)}
            served.append(dict(sorted(shares.items(), key=lambda item: -item[1])))
        return served

    def require_fit(self, folder: Path, moe: MoeConfig) -> None:
        """Raise BaseModelError where layers or experts are not those of the model in `folder`, configured by `moe`."""
        file, num_experts = folder / EXPERT_USE_FILE, len(expert_names(moe))
        for layers in self.languages.values():
            if sorted(layers) != moe.experts.layers or any(len(weights) != num_experts for weights in layers.values()):
                raise BaseModelError(f"model: {file} does not fit config.json; train the model again")

    def save(self, folder: Path) -> None:
        """Write expert_use.json into a model's folder."""
        (folder / EXPERT_USE_FILE).write_text(json.dumps({"languages": self.languages}, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "ExpertUse | None":
        """Read a model folder's expert_use.json; None where there is none. Raises BaseModelError for a broken one."""
        file = folder / EXPERT_USE_FILE
        if not file.is_file():
            return None
        try:
            languages = json.loads(file.read_text(encoding="utf-8"))["languages"]
            by_layer = {
                name: {int(index): [float(weight) for weight in weights] for index, weights in layers.items()}
                for name, layers in languages.items()
            }
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise BaseModelError(f"model: {file} is broken ({error!r}); train or export the model again") from error
        return cls(by_layer)


def measure_expert_use(model: MultiplMoeForCausalLM, batches: Mapping[str, Iterable[dict[str, Tensor]]]) -> ExpertUse:
    """Route text, inputs of the model by language, as in evaluation, and take the mean weights."""
    languages = {}
    for name, inputs in batches.items():
        sums = {index: _WeightSum() for index in model.hybrid_layers}
        observe_batches(model.model, sums, inputs)
        languages[name] = {index: layer.mean() for index, layer in sums.items()}
    return ExpertUse(languages)


@dataclass
class _WeightSum:
    """A `RoutingObserver` that adds up fused weights."""

    total: Tensor | float = 0.0
    num_tokens: int = 0

    def __call__(self, layer: HybridMoe, plan: SegmentPlan, routed: LayerRouting) -> None:
        weights = fuse_weights(layer.moe, plan, routed)
        self.total = self.total + torch.cat([weights.experts, weights.shared[:, None]], dim=1).double().sum(dim=0)
        self.num_tokens += plan.segment_of_token.shape[0]

    def mean(self) -> list[float]:
        assert isinstance(self.total, Tensor)
        return (self.total / self.num_tokens).tolist()


def expert_names(moe: MoeConfig) -> list[str]:
    """Names of a layer's experts in the order of `ExpertUse`; the shared one alone where nothing routes."""
    if moe.routing is None:
        return ["shared expert"]
    token = [f"token expert {number}" for number in range(moe.routing.num_token_experts - 1)]
    segment = [f"segment expert {number}" for number in range(moe.routing.num_segment_experts)]
    return [*token, *segment, "shared expert"]
