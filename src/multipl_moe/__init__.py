"""multipl-moe: teach an existing code LLM new programming languages without making it forget the ones it knows.

Importing the package registers the model type `multipl_moe` with transformers' AutoConfig and AutoModelForCausalLM.
"""

from transformers import AutoConfig, AutoModelForCausalLM

from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.moe_config import PRESETS, MoeConfig

__version__ = "0.1.0"
__all__ = ["PRESETS", "MoeConfig", "MultiplMoeConfig", "MultiplMoeForCausalLM"]

AutoConfig.register(MultiplMoeConfig.model_type, MultiplMoeConfig, exist_ok=True)
AutoModelForCausalLM.register(MultiplMoeConfig, MultiplMoeForCausalLM, exist_ok=True)
