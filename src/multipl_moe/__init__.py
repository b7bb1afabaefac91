"""multipl-moe: teach an existing code LLM new programming languages without making it forget the ones it knows.

Importing the package registers the model type `multipl_moe` with transformers' AutoConfig, AutoModel and
AutoModelForCausalLM, as soon as somebody imports these: neither torch nor transformers is imported before it is asked
for. What training loops of one's own need is here too (docs/own-loop.md).
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from wrapt import when_imported

if TYPE_CHECKING:  # "as" tells type checkers that the package offers the name
    from multipl_moe.model.calibration import calibrate_routing as calibrate_routing
    from multipl_moe.model.configuration import MultiplMoeConfig as MultiplMoeConfig
    from multipl_moe.model.decoder import MultiplMoeModel as MultiplMoeModel
    from multipl_moe.model.modeling import MultiplMoeForCausalLM as MultiplMoeForCausalLM
    from multipl_moe.model.moe_config import PRESETS as PRESETS
    from multipl_moe.model.moe_config import MoeConfig as MoeConfig
    from multipl_moe.model.router_health import measure_router_health as measure_router_health
    from multipl_moe.train.own_loop import HybridCallback as HybridCallback
    from multipl_moe.train.own_loop import freeze_base as freeze_base

__version__ = "0.1.0"
_HOMES = {
    "PRESETS": "model.moe_config",
    "HybridCallback": "train.own_loop",
    "MoeConfig": "model.moe_config",
    "MultiplMoeConfig": "model.configuration",
    "MultiplMoeForCausalLM": "model.modeling",
    "MultiplMoeModel": "model.decoder",
    "calibrate_routing": "model.calibration",
    "freeze_base": "train.own_loop",
    "measure_router_health": "model.router_health",
}
__all__ = list(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """What the package offers, imported when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


# Of each pair the first hook only imports; the second registers, once the module is whole, whoever imported it.


@when_imported("transformers.models.auto.configuration_auto")
def _import_configuration(module: ModuleType) -> None:
    import_module("multipl_moe.model.configuration")


@when_imported("multipl_moe.model.configuration")
def _register_configuration(module: ModuleType) -> None:
    from transformers import AutoConfig

    AutoConfig.register(module.MultiplMoeConfig.model_type, module.MultiplMoeConfig, exist_ok=True)


@when_imported("transformers.models.auto.modeling_auto")
def _import_models(module: ModuleType) -> None:
    import_module("multipl_moe.model.modeling")


@when_imported("multipl_moe.model.modeling")
def _register_models(module: ModuleType) -> None:
    from transformers import AutoModel, AutoModelForCausalLM

    config_class = module.MultiplMoeForCausalLM.config_class
    AutoModel.register(config_class, module.MultiplMoeModel, exist_ok=True)
    AutoModelForCausalLM.register(config_class, module.MultiplMoeForCausalLM, exist_ok=True)
