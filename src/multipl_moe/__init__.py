"""multipl-moe: teach an existing code LLM new programming languages without making it forget the ones it knows.

Importing the package registers the model type `multipl_moe` with transformers' AutoConfig, AutoModel and
AutoModelForCausalLM. What training loops of one's own need is here too (docs/own-loop.md).
"""

from typing import TYPE_CHECKING, Any

from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from multipl_moe.model.calibration import calibrate_routing
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.decoder import MultiplMoeModel
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.moe_config import PRESETS, MoeConfig
from multipl_moe.model.router_health import measure_router_health

if TYPE_CHECKING:
    from multipl_moe.train.own_loop import HybridCallback, freeze_base

__version__ = "0.1.0"
__all__ = [
    "PRESETS",
    "HybridCallback",
    "MoeConfig",
    "MultiplMoeConfig",
    "MultiplMoeForCausalLM",
    "MultiplMoeModel",
    "calibrate_routing",
    "freeze_base",
    "measure_router_health",
]

AutoConfig.register(MultiplMoeConfig.model_type, MultiplMoeConfig, exist_ok=True)
AutoModel.register(MultiplMoeConfig, MultiplMoeModel, exist_ok=True)
AutoModelForCausalLM.register(MultiplMoeConfig, MultiplMoeForCausalLM, exist_ok=True)


def __getattr__(name: str) -> Any:
    """What trains, imported when it is asked for: transformers' Trainer takes its time."""
    if name in ("HybridCallback", "freeze_base"):
        from multipl_moe.train import own_loop

        return getattr(own_loop, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
