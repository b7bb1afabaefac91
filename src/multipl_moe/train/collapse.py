"""Signs that routing collapses, each with what to change."""

from collections.abc import Mapping
from typing import Any

from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.model.router_health import MAX_LOAD_RATIO, MIN_LOAD_RATIO, load_ratios

_LEAST_ENTROPY = 0.05
_BALANCE = {
    "token": "upcycle with --corpus, so that routers begin balanced; else lower train.learning_rate, or upcycle with a "
    "higher moe.token_bias_rate",
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
