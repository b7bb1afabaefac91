"""The Hugging Face configuration of a hybrid model: the base's own configuration plus `moe`."""

from typing import Any

from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from multipl_moe.model.moe_config import MoeConfig


class MultiplMoeConfig(PreTrainedConfig):
    """Configuration with the base model's under `text_config` and the hybrid layer's under `moe`.

    `moe` stays a plain dict, as in config.json; `moe_config` is the validated view of it.
    """

    model_type = "multipl_moe"
    sub_configs_defaults = {"text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama")}

    text_config: dict | PreTrainedConfig | None = None
    moe: dict[str, Any] | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.moe = MoeConfig.from_dict(self.moe or {}).to_dict()
        self.tie_word_embeddings = self.base_config.tie_word_embeddings

    @property
    def moe_config(self) -> MoeConfig:
        """The settings of the hybrid layer, validated."""
        return MoeConfig.from_dict(self.moe or {})

    @property
    def base_config(self) -> PreTrainedConfig:
        """The configuration of the dense base model."""
        assert isinstance(self.text_config, PreTrainedConfig)
        return self.text_config
