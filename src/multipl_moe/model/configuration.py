"""The Hugging Face configuration of a hybrid model: the base's own configuration plus `moe`."""

from typing import Any

from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from multipl_moe.model.moe_config import PACK, MoeConfig, common_settings


class MultiplMoeConfig(PreTrainedConfig):
    """Configuration with the base model's under `text_config` and the hybrid layer's under `moe`.

    `moe` stays a plain dict, as in config.json; `moe_config` is the validated view of it. A model put together of packs
    has theirs by name under `packs`, and under `moe` what they have in common. What tools of the field look
    for at the top (`vocab_size`, `num_experts` and the like) is read from the two; it is not stored again. With
    `output_router_logits` the model returns the token routers' outputs.
    """

    model_type = "multipl_moe"
    sub_configs_defaults = {"text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama")}

    text_config: dict | PreTrainedConfig | None = None
    moe: dict[str, Any] | None = None
    packs: dict[str, dict[str, Any]] | None = None
    tie_word_embeddings: bool = False
    output_router_logits: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.packs:
            self.moe = common_settings(self.packs_config).to_dict()
        self.moe = MoeConfig.from_dict(self.moe or {}).to_dict()
        self.tie_word_embeddings = self.base_config.tie_word_embeddings

    @property
    def moe_config(self) -> MoeConfig:
        """The settings of the hybrid layer, validated."""
        return MoeConfig.from_dict(self.moe or {})

    @property
    def packs_config(self) -> dict[str, MoeConfig]:
        """The settings of each pack by name, sorted, validated: of the one that `moe` is, or of those put together."""
        if not self.packs:
            return {PACK: self.moe_config}
        return {name: MoeConfig.from_dict(self.packs[name]) for name in sorted(self.packs)}

    @property
    def base_config(self) -> PreTrainedConfig:
        """The configuration of the dense base model."""
        assert isinstance(self.text_config, PreTrainedConfig)
        return self.text_config

    @property
    def num_experts(self) -> int:
        """Trained experts of a hybrid layer, of both kinds."""
        return self.moe_config.num_trained_experts

    @property
    def num_experts_per_tok(self) -> int:
        """Most trained experts that a token visits, of both kinds."""
        return self.moe_config.most_experts_per_token

    @property
    def router_aux_loss_coef(self) -> float:
        """Weight of the load-balancing loss."""
        return 0.0 if (routing := self.moe_config.routing) is None else routing.router_aux_loss_coef


def _of_base(name: str) -> property:
    """A key of the base's configuration, read and set there."""

    def read(config: MultiplMoeConfig) -> Any:
        return getattr(config.base_config, name)

    def write(config: MultiplMoeConfig, value: Any) -> None:
        setattr(config.base_config, name, value)

    return property(read, write, doc=f"The base's {name}.")


for _name in (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
):
    setattr(MultiplMoeConfig, _name, _of_base(_name))
