"""What the routers do while a model trains: statistics between two logs, words, single numbers, signs of collapse."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from torch import nn
from transformers import TrainerCallback

from multipl_moe.model.decoder import MultiplMoeModel, decoder_of
from multipl_moe.model.router_health import MAX_LOAD_RATIO, MIN_LOAD_RATIO, ROUTERS, extreme_ratios, load_ratios
from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.model.statistics import LayerStatistics, observe_routing

Layers = Mapping[int, Mapping[str, Any]]
"""`LayerStatistics.summary` by layer index."""

_LEAST_ENTROPY = 0.05
_BALANCE = {
    "token": "upcycle with --corpus, so that routers begin balanced; else lower train.learning_rate, or upcycle with a "
    "higher moe.routing.token_bias_rate",
    "segment": "lower train.learning_rate, or raise train.batch_sequences so that thresholds rest on more text",
}


class RouterWatch(TrainerCallback):
    """A callback that observes the routers of the model, if it has any."""

    def __init__(self) -> None:
        self._model: nn.Module | None = None
        self._decoder: MultiplMoeModel | None = None
        self._statistics: dict[int, LayerStatistics] = {}
        self._observation = ExitStack()

    @property
    def routing(self) -> RoutingConfig | None:
        """How the model that is watched routes; None where nothing does."""
        return None if self._decoder is None else self._decoder.config.moe_config.routing

    def watch(self, model: nn.Module) -> None:
        """Observe the routers of a model from now on."""
        self._model, self._decoder = model, decoder_of(model)
        self._begin_anew()

    def stop_watching(self) -> None:
        """Leave the model as it was, and let go of it."""
        self._observation.close()
        self._model = self._decoder = None

    def take(self) -> dict[int, dict[str, Any]]:
        """Summaries by layer index of what all processes, each of which must ask, observed since the last time."""
        if self._decoder is None:
            return {}
        seen = {index: layer.over(self._decoder.ranks).summary() for index, layer in self._statistics.items()}
        self._begin_anew()
        return seen

    def _begin_anew(self) -> None:
        self._observation.close()
        assert self._model is not None
        self._statistics = self._observation.enter_context(observe_routing(self._model))


def describe_health(layers: Layers, moe: RoutingConfig | None) -> str:
    """Router health in a few words: the span of expert loads as multiples of a fair share, and dead experts.

    Nothing where no router has a choice.
    """
    spans = extreme_ratios(layers.values(), moe)
    if not spans:
        return ""
    parts = [f"{kind} load {low:.1f}-{high:.1f}x" for kind, (low, high) in spans.items()]
    dead = sum(layer.get(f"dead_{kind}_experts", 0) for layer in layers.values() for kind in ROUTERS)
    return ", ".join([*parts, f"{dead} dead" if dead else "none dead"])


def router_scalars(layers: Layers) -> dict[str, float]:
    """Router health as single numbers, such as routers/22/segment_load_min; the shared expert's load is left out."""
    scalars = {}
    for index, summary in layers.items():
        for key, value in summary.items():
            name = f"routers/{index}/{key}"
            if isinstance(value, list):
                values = value[:-1] if key == "token_load" else value
                scalars |= {f"{name}_min": min(values), f"{name}_max": max(values)}
            else:
                scalars[name] = value
    return scalars


def collapse_signs(layers: Layers, moe: RoutingConfig | None) -> dict[str, str]:
    """One line for each kind of sign that routing collapses, with what to change, on the layer where it is worst."""
    found: dict[str, tuple[float, str]] = {}
    for index, summary in layers.items():
        for kind, (badness, sign, advice) in _signs(summary, moe).items():
            line = f"layer {index}: {sign}; {advice}"
            found[kind] = max(found.get(kind, (badness, line)), (badness, line), key=lambda worst: worst[0])
    return {kind: line for kind, (_, line) in found.items()}


def _signs(summary: Mapping[str, Any], moe: RoutingConfig | None) -> dict[str, tuple[float, str, str]]:
    """By kind: how bad, what is seen, and the advice.

    Stored segment thresholds are no sign: training goes by those of other rows, and calibration sets them at the end.
    """
    signs, ratios = {}, load_ratios(summary, moe)
    for router, advice in _BALANCE.items():
        if dead := summary.get(f"dead_{router}_experts", 0):
            signs[f"dead {router} experts"] = (dead, f"{dead} {router} experts get next to nothing", advice)
        entropy = summary.get(f"{router}_entropy", 1.0)
        if entropy < _LEAST_ENTROPY:
            sign = f"the {router} router is all but certain (entropy {entropy:.3f} of 1)"
            signs[f"{router} entropy"] = (-entropy, sign, advice)
        low, high = min(ratios.get(router, [1.0])), max(ratios.get(router, [1.0]))
        if low < MIN_LOAD_RATIO or high > MAX_LOAD_RATIO:
            sign = f"{router} experts serve {low:.2f} to {high:.2f} times a fair share"
            signs[f"{router} load"] = (max(high, 1 / max(low, 1e-3)), sign, advice)
    return signs
