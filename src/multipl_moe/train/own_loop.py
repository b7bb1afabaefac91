"""For training loops of one's own and transformers' Trainer: what a hybrid needs beside them (docs/own-loop.md)."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from multipl_moe.errors import ConfigError
from multipl_moe.model.calibration import calibrate_routing
from multipl_moe.model.decoder import require_hybrid
from multipl_moe.model.parameters import trained_names
from multipl_moe.model.router_health import extreme_ratios
from multipl_moe.train.freezing import TrainableParameters, freeze_all_but
from multipl_moe.train.methods import METHODS
from multipl_moe.train.router_watch import RouterWatch

_TOO_LATE = (
    "HybridCallback: the Trainer has its optimiser already, for the base's weights too; give the callback to "
    "Trainer(callbacks=[...]), or call freeze_base(model) before"
)


def freeze_base(model: nn.Module) -> TrainableParameters:
    """Let experts, routers and start vectors train, held in float32 (master weights), and freeze all else.

    Of a model loaded in another dtype only these are cast: train it under autocast to that dtype (Trainer: bf16=True).

    Args:
        model: hybrid; before an optimiser is made of its parameters.

    Returns:
        Numbers of parameters that train, by group, and of those that do not.
    """
    require_hybrid(model)
    return freeze_all_but(model, trained_names(model), METHODS["experts"].groups)


class HybridCallback(RouterWatch):
    """What a hybrid needs of transformers' Trainer; give it to `Trainer(callbacks=[...])`.

    It freezes the base, unless something of the model is frozen already, as by `freeze_base` or peft. With each log of
    the loss it adds the least and the largest load of the experts since the last one, as multiples of a fair share
    (`token_load_min`, `token_load_max`, `segment_load_min`, `segment_load_max`), to what is printed and to the
    Trainer's `log_history`; trackers are told before and do not see it. When training ends it calibrates routing, if
    routers trained: else their thresholds stay as the hybrid's checkpoint has them.

    Args:
        batches: inputs of the model for `calibrate_routing`: many rows each, text of all languages that it is for.
    """

    def __init__(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        super().__init__()
        self._batches = batches

    def on_init_end(self, args, state, control, **kwargs):
        """Freeze the base: the Trainer makes its optimiser later."""
        model: nn.Module = kwargs["model"]
        require_hybrid(model)
        if _is_untouched(model):
            freeze_base(model)

    def on_train_begin(self, args, state, control, **kwargs):
        """Observe the routers."""
        if _is_untouched(kwargs["model"]):
            raise ConfigError(_TOO_LATE)
        self.watch(kwargs["model"])

    def on_log(self, args, state, control, logs: dict[str, Any] | None = None, **kwargs):
        """Add the loads to a log of the loss."""
        if logs is None or "loss" not in logs:
            return
        loads = {}
        for kind, (least, largest) in extreme_ratios(self.take().values(), self.routing).items():
            loads |= {f"{kind}_load_min": least, f"{kind}_load_max": largest}
        logs |= loads
        state.log_history[-1] |= loads

    def on_train_end(self, args, state, control, **kwargs):
        """Calibrate."""
        self.stop_watching()
        decoder = require_hybrid(kwargs["model"])
        if any(layer.routers_learn for layer in decoder.hybrid_layers.values()):
            calibrate_routing(decoder, self._batches)


def _is_untouched(model: nn.Module) -> bool:
    return all(parameter.requires_grad for parameter in model.parameters())
