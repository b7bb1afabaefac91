"""Signs that routing collapses, each with what to change."""

from collections.abc import Mapping
from typing import Any

from multipl_moe.model.moe_config import MoeConfig

_LEAST_ENTROPY = 0.05
_LEAST_LOAD, _MOST_LOAD = 0.5, 2.0
_MOST_DRIFT = 0.5
_BALANCE = {
    "token": "lower train.learning_rate, or upcycle with a higher moe.router_aux_loss_coef",
    "segment": "lower train.learning_rate, or raise train.batch_sequences so that thresholds rest on more text",
}


def collapse_signs(layers: Mapping[int, Mapping[str, Any]], moe: MoeConfig) -> dict[str, str]:
    """One line for each kind of sign, on the layer where it is worst.

    Args:
        layers: `LayerStatistics.summary` by layer index.
        moe: settings of the layers.
    """
    found: dict[str, tuple[float, str]] = {}
    for index, summary in layers.items():
        for kind, (badness, sign, advice) in _signs(summary, moe).items():
            line = f"layer {index}: {sign}; {advice}"
            found[kind] = max(found.get(kind, (badness, line)), (badness, line), key=lambda worst: worst[0])
    return {kind: line for kind, (_, line) in found.items()}


def _signs(summary: Mapping[str, Any], moe: MoeConfig) -> dict[str, tuple[float, str, str]]:
    """By kind: how bad, what is seen, and the advice."""
    signs = {}
    for router, advice in _BALANCE.items():
        if dead := summary.get(f"dead_{router}_experts", 0):
            signs[f"dead {router} experts"] = (dead, f"{dead} {router} experts get next to nothing", advice)
        entropy = summary.get(f"{router}_entropy", 1.0)
        if entropy < _LEAST_ENTROPY:
            sign = f"the {router} router is all but certain (entropy {entropy:.3f} of 1)"
            signs[f"{router} entropy"] = (-entropy, sign, advice)
        ratios = _load_ratios(summary, router, moe)
        low, high = min(ratios, default=1.0), max(ratios, default=1.0)
        if low < _LEAST_LOAD or high > _MOST_LOAD:
            sign = f"{router} experts serve {low:.2f} to {high:.2f} times a fair share"
            signs[f"{router} load"] = (max(high, 1 / max(low, 1e-3)), sign, advice)
    if moe.has_thresholds and "threshold" in summary:
        pairs = zip(summary["threshold_drift"], summary["threshold"], strict=True)
        drift = max(abs(drift) / max(threshold, 1e-6) for drift, threshold in pairs)
        if drift > _MOST_DRIFT:
            sign = f"the stored segment thresholds are {drift:.0%} off the gates' quantiles"
            advice = "lower train.learning_rate; with train.batch_sequences of 1, training routes by them: raise it"
            signs["threshold drift"] = (drift, sign, advice)
    return signs


def _load_ratios(summary: Mapping[str, Any], router: str, moe: MoeConfig) -> list[float]:
    """Loads as multiples of a fair share: of the routed token experts' mean, of capacity / E_s for segments."""
    loads = summary.get(f"{router}_load", [])
    if router == "segment":
        return [load * len(loads) / moe.segment_capacity for load in loads]
    routed = loads[:-1]
    fair = sum(routed) / max(len(routed), 1)
    return [load / fair for load in routed] if fair > 0 else []
