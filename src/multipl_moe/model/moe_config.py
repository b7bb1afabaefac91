"""The settings of the hybrid layer (`moe` in config.json), its presets and their validation."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin

from multipl_moe.errors import ConfigError

Selection = Literal["expert_choice", "threshold"]
GateScale = Literal["window", "unit"]
Fusion = Literal["fixed", "normalized"]
SharedExpertSelection = Literal["always", "competes"]
AuxLossScope = Literal["routed", "all"]
ExpertType = Literal["full", "lora"]
ExpertTargets = Literal["ffn", "all"]

PACK = "pack"
"""What the pack is called, in names of tensors, that a model was made with; others are added by their own names."""

_TYPE_NAMES: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    float: "a number",
    list[int]: "a list of whole numbers",
    list[str]: "a list of texts",
}


@dataclass(frozen=True)
class MoeConfig:
    """Settings of the hybrid mixture of experts, as stored under `moe` in config.json.

    Attributes:
        preset: Name of the preset that the other values started from.
        num_token_experts: Number of experts of the token-level MoE (E_t), the frozen shared expert included (>= 1).
        token_top_k: Number of token-level experts per token (k_t), the shared expert included (1..E_t, at least 2 if
            routed experts stand beside a shared one that is `always` selected). With 1 of experts that compete,
            gates are 1 and the router learns from the load-balancing loss alone.
        num_segment_experts: Number of experts of the segment-level MoE (E_s, >= 0; 0: no segment-level MoE).
        segment_window: Number of tokens in the window whose maximum routes a segment (W; a multiple of S,
            segment_stride).
        segment_stride: Number of tokens per segment (S, >= 1).
        segment_lookahead: Whether segment j is routed by a window that holds its own tokens ([jS, jS+W), not causal)
            instead of the W tokens before it ([jS-W, jS)); S is segment_stride, W segment_window.
        segment_selection: How segments are assigned to segment experts: `expert_choice` over the batch, or `threshold`
            per expert.
        segment_centered: Whether the segment router sees window maxima less their mean, measured by `upcycle`. What all
            windows share distinguishes none of them, but a step of training moves all gates along it, away from the
            stored thresholds.
        segment_gate_scale: Scale of segment gates: `window` divides them by W, segment_window (as the paper's authors
            released it), `unit` does not.
        segment_capacity: Mean number of segment experts per segment (> 0, at most num_segment_experts and
            segment_max_experts; 1 if there is only one).
        segment_max_experts: Maximum number of segment experts per segment (>= 1).
        fusion: How outputs of the token-level and segment-level MoE are summed: `fixed`, a y_tok + b y_seg;
            `normalized` divides that by the sum of the weights used. (a is token_weight, b segment_weight.)
        token_weight: Weight of the token-level MoE's output in the fusion (a, >= 0).
        segment_weight: Weight of the segment-level MoE's output in the fusion (b, >= 0).
        shared_expert_selection: Selection of the frozen shared expert: `always` in every token's top k, or `competes`
            for a place in it (MoE-LPR).
        router_aux_loss_coef: Weight of the token router's load-balancing loss (>= 0).
        router_aux_loss_scope: Experts that the load-balancing loss covers: the `routed` ones, or `all`, for a shared
            expert that competes. If the shared expert is always selected, `all` drives its gate to 0.
        token_bias_rate: Rate at which a bias on the routed experts' logits follows their loads: the step of an expert
            that serves no token, in standard deviations of the logits (>= 0; 0: no bias).
        expert_type: Form of the trained experts: `full` blocks of their own, or `lora`, low-rank differences from the
            frozen block.
        expert_rank: Rank of each low-rank expert's difference from the frozen block (>= 1); full experts ignore it.
        expert_alpha: Scale of that difference times the rank (> 0): alpha / r B A, PEFT's `lora_alpha`, so that a
            learning rate holds for all ranks.
        expert_targets: Matrices that a low-rank expert changes if nothing routes: `ffn`, those of the feed-forward
            block, or `all`, attention's too, from the layer after the one that the domain gate reads.
        domain_gate: Languages for whose text experts work, the model being the base elsewhere (design 5); none: experts
            work for all text.
        domain_gate_start: Posterior of a document's first segment, of which nothing was read yet (0..1; 0: the base
            bit for bit until the text shows otherwise); two thirds of it count for its first token, to which all others
            attend.
        domain_gate_bound: Posterior below which no expert works (0..1); it does not bound `domain_gate_start`.
        layers: Indices of the decoder layers that are hybrid, ascending.
    """

    preset: str = "causal"
    num_token_experts: int = 6
    token_top_k: int = 2
    num_segment_experts: int = 6
    segment_window: int = 64
    segment_stride: int = 16
    segment_lookahead: bool = False
    segment_selection: Selection = "threshold"
    segment_centered: bool = True
    segment_gate_scale: GateScale = "unit"
    segment_capacity: float = 1.0
    segment_max_experts: int = 4
    fusion: Fusion = "normalized"
    token_weight: float = 0.7
    segment_weight: float = 0.3
    shared_expert_selection: SharedExpertSelection = "always"
    router_aux_loss_coef: float = 0.0
    router_aux_loss_scope: AuxLossScope = "routed"
    token_bias_rate: float = 0.5
    expert_type: ExpertType = "full"
    expert_rank: int = 16
    expert_alpha: float = 16.0
    expert_targets: ExpertTargets = "ffn"
    domain_gate: list[str] = field(default_factory=list)
    domain_gate_start: float = 0.75
    domain_gate_bound: float = 0.05
    layers: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise ConfigError([f"moe.{problem}" for problem in problems])

    @classmethod
    def from_preset(cls, preset: str, **overrides: Any) -> "MoeConfig":
        """The settings of `preset`, with `overrides` on top. Raises ConfigError for unknown presets or bad values."""
        if preset not in PRESETS:
            raise ConfigError(f"moe.preset: {preset!r} is not one of {', '.join(PRESETS)}")
        return replace(PRESETS[preset], **overrides)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "MoeConfig":
        """Read the `moe` entry of a config.json; unknown keys and values of another type are errors.

        Where it has no `expert_alpha`, it was written when differences were not scaled: alpha is then the rank.
        """
        if not isinstance(values, dict):
            raise ConfigError(f"moe: {values!r} must be an object with the settings of the hybrid layer")
        types = _types()
        problems = [f"moe.{key}: unknown key" for key in sorted(values.keys() - types.keys())]
        for key, wanted in types.items():
            if key in values and wanted in _TYPE_NAMES and not _is_of_type(values[key], wanted):
                problems.append(f"moe.{key}: {values[key]!r} must be {_TYPE_NAMES[wanted]}")
        if problems:
            raise ConfigError(problems)
        unscaled: dict[str, Any] = {"expert_alpha": float(values.get("expert_rank", cls.expert_rank))}
        return cls(**(unscaled | values))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict that `from_dict` reads back."""
        return asdict(self)

    @property
    def expert_scale(self) -> float:
        """The factor of each low-rank expert's difference: alpha / r."""
        return self.expert_alpha / self.expert_rank

    @property
    def num_routed_experts(self) -> int:
        """Token-level experts besides the shared one: E_t - 1."""
        return self.num_token_experts - 1

    @property
    def num_trained_experts(self) -> int:
        """Experts in the stacked weights of one layer: E_t - 1 + E_s."""
        return self.num_routed_experts + self.num_segment_experts

    @property
    def most_experts_per_token(self) -> int:
        """Most trained experts that a token can visit: k_t - 1 routed ones, or k_t where the shared one competes."""
        always = self.shared_expert_selection == "always"
        routed = min(self.token_top_k - always, self.num_routed_experts) if self.num_routed_experts else 0
        return routed + min(self.segment_max_experts, self.num_segment_experts)

    @property
    def has_token_bias(self) -> bool:
        """Whether routed experts are picked with a bias that follows their loads."""
        return self.num_routed_experts > 0 and self.token_bias_rate > 0

    @property
    def routes_segments(self) -> bool:
        """Whether there is a segment router."""
        return self.num_segment_experts > 0 and self.is_routed

    @property
    def has_choice(self) -> bool:
        """Whether a router has several experts to choose from, so that there is a balance to judge.

        The last token expert is the shared one. A lone segment expert's gate is 1 for every segment, so that none
        is told from another.
        """
        return self.num_token_experts > 2 or self.num_segment_experts > 1

    @property
    def has_thresholds(self) -> bool:
        """Whether segment experts take segments by a stored threshold in evaluation."""
        return self.routes_segments and self.segment_selection == "threshold"

    @property
    def stores_routing(self) -> bool:
        """Whether routers choose by something stored, which is calibrated on text: thresholds or biases."""
        return self.has_thresholds or self.has_token_bias

    @property
    def starts_at_base(self) -> bool:
        """Whether the layer is the frozen block as long as all experts are copies of it."""
        return self.fusion == "normalized" or not self.is_routed

    @property
    def is_routed(self) -> bool:
        """Whether routers choose experts (`HybridMoe`), or one expert works wherever the gate is open (`single`)."""
        alone = self.num_token_experts == self.num_segment_experts == 1
        return not alone or (self.token_weight, self.segment_weight, self.segment_gate_factor) != (0.0, 1.0, 1.0)

    @property
    def is_causal(self) -> bool:
        """Whether a token's output depends on nothing after it and on no other sequence in evaluation."""
        return not self.routes_segments or (self.has_thresholds and not self.segment_lookahead)

    @property
    def segment_gate_factor(self) -> float:
        """The factor `scale` of design 2 that multiplies every segment gate."""
        return 1.0 / self.segment_window if self.segment_gate_scale == "window" else 1.0

    def _problems(self):
        for key, wanted in _types().items():
            choices = get_args(wanted) if get_origin(wanted) is Literal else ()
            if choices and getattr(self, key) not in choices:
                yield f"{key}: {getattr(self, key)!r} is not one of {', '.join(choices)}"
        if self.num_token_experts < 1:
            yield f"num_token_experts: {self.num_token_experts} must be at least 1 (the shared expert)"
        if not 1 <= self.token_top_k <= max(self.num_token_experts, 1):
            yield f"token_top_k: {self.token_top_k} must be between 1 and num_token_experts ({self.num_token_experts})"
        if self.num_token_experts > 1 and self.token_top_k == 1 and self.shared_expert_selection == "always":
            yield (
                "token_top_k: 1 is the shared expert alone, which every token uses, so that no routed expert would "
                "ever learn; use 2 or more, or num_token_experts 1"
            )
        if self.num_segment_experts < 0:
            yield f"num_segment_experts: {self.num_segment_experts} must not be negative"
        if self.num_token_experts == 1 and self.num_segment_experts == 0:
            yield "num_segment_experts: 0 beside num_token_experts 1 leaves nothing to train; raise one of them"
        yield from self._segment_problems()
        if self.token_weight < 0 or self.segment_weight < 0 or self.token_weight + self.segment_weight == 0:
            yield "token_weight, segment_weight: must not be negative, and not both 0"
        if self.token_weight == 0 and not (self.segment_window and not self.is_routed):
            yield (
                "token_weight: 0 (as preset single has it) leaves tokens without an output unless there is one expert "
                "alone, in the block's place; begin with another preset than single, or raise it"
            )
        if self.router_aux_loss_coef < 0:
            yield f"router_aux_loss_coef: {self.router_aux_loss_coef} must not be negative"
        if self.token_bias_rate < 0:
            yield f"token_bias_rate: {self.token_bias_rate} must not be negative"
        if self.router_aux_loss_scope == "routed" and self.shared_expert_selection == "competes":
            yield (
                "router_aux_loss_scope: routed experts alone cannot be balanced if the shared expert competes for "
                "the same places; use all"
            )
        if self.expert_rank < 1:
            yield f"expert_rank: {self.expert_rank} must be at least 1"
        if self.expert_targets == "all" and (self.expert_type == "full" or (self.segment_window and self.is_routed)):
            yield "expert_targets: all is for low-rank experts of preset single alone; use ffn, or expert_type lora"
        if self.expert_alpha <= 0:
            yield f"expert_alpha: {self.expert_alpha} must be above 0"
        for key in ("domain_gate_start", "domain_gate_bound"):
            if not 0 <= getattr(self, key) <= 1:
                yield f"{key}: {getattr(self, key)} must be between 0 and 1"
        if sorted(set(self.layers)) != list(self.layers) or any(layer < 0 for layer in self.layers):
            yield f"layers: {self.layers} must be ascending layer indices, each once"

    def _segment_problems(self):
        if self.segment_stride < 1:
            yield f"segment_stride: {self.segment_stride} must be at least 1"
        elif self.segment_window < self.segment_stride or self.segment_window % self.segment_stride:
            yield (
                f"segment_window: {self.segment_window} must be a multiple of segment_stride ({self.segment_stride}); "
                f"use {max(1, round(self.segment_window / self.segment_stride)) * self.segment_stride}"
            )
        if self.segment_max_experts < 1:
            yield f"segment_max_experts: {self.segment_max_experts} must be at least 1"
        if not 0 < self.segment_capacity <= max(self.num_segment_experts, 1):
            yield f"segment_capacity: {self.segment_capacity} must be above 0 and at most num_segment_experts"
        elif self.num_segment_experts == 1 and self.segment_capacity < 1:
            yield (
                f"segment_capacity: {self.segment_capacity} with one segment expert, whose gate is 1 for all segments, "
                "so that it takes all; use 1.0, or more experts"
            )
        elif self.num_segment_experts and self.segment_capacity > self.segment_max_experts >= 1:
            yield (
                f"segment_capacity: {self.segment_capacity} experts a segment on the mean are more than "
                f"segment_max_experts ({self.segment_max_experts}) lets any have; lower one or raise the other"
            )


def common_settings(packs: Mapping[str, MoeConfig]) -> MoeConfig:
    """What `moe` says of a model of several packs: the languages and layers of all, and else what the first has.

    Raises:
        ConfigError: they cannot work in one model; all reasons are told.
    """
    problems, first = [], next(iter(packs))
    for name, moe in packs.items():
        if moe.is_routed or not moe.domain_gate:
            lack = "routers, which know no pack" if moe.is_routed else "no domain gate, so it leaves no room for others"
            problems.append(f"packs: {name} has {lack}; leave it out")
        if moe.segment_stride != packs[first].segment_stride:
            strides = f"{first} has {packs[first].segment_stride}, {name} {moe.segment_stride}"
            problems.append(f"packs: moe.segment_stride: {strides}; their gates must decide at the same tokens")
        if moe.expert_type != packs[first].expert_type:
            types = f"{first} has {packs[first].expert_type} experts, {name} {moe.expert_type}"
            problems.append(f"packs: {types}; cut the full ones to a rank")
        if moe.layers[:1] != packs[first].layers[:1]:
            begin, other = (next(iter(pack.layers), "none") for pack in (packs[first], moe))
            begins = f"{first} begins in layer {begin}, {name} in {other}"
            problems.append(f"packs: moe.layers: {begins}; gates must read before anything that another pack changed")
    if problems:
        raise ConfigError(problems)
    languages = dict.fromkeys(language for moe in packs.values() for language in moe.domain_gate)
    layers = {layer for moe in packs.values() for layer in moe.layers}
    return replace(packs[first], domain_gate=list(languages), layers=sorted(layers))


def _types() -> dict[str, Any]:
    return {part.name: part.type for part in fields(MoeConfig)}


def _is_of_type(value: Any, wanted: Any) -> bool:
    """Whether a value out of JSON is what a setting takes: true and false are no numbers, and 1 is a fraction too."""
    if get_origin(wanted) is list:
        return isinstance(value, list) and all(type(item) is get_args(wanted)[0] for item in value)
    return type(value) is wanted or (wanted is float and type(value) is int)


_CAUSAL = MoeConfig()

PRESETS: dict[str, MoeConfig] = {
    "causal": _CAUSAL,
    "paper": replace(
        _CAUSAL,
        preset="paper",
        segment_stride=64,
        segment_lookahead=True,
        segment_selection="expert_choice",
        segment_centered=False,
        segment_gate_scale="window",
        fusion="fixed",
        router_aux_loss_coef=0.01,
        router_aux_loss_scope="all",
        token_bias_rate=0.0,
    ),
    "token-only": replace(_CAUSAL, preset="token-only", num_segment_experts=0, segment_weight=0.0),
    "moe-lpr": replace(
        _CAUSAL,
        preset="moe-lpr",
        num_segment_experts=0,
        segment_weight=0.0,
        shared_expert_selection="competes",
        router_aux_loss_coef=0.01,
        router_aux_loss_scope="all",
    ),
    "single": replace(
        _CAUSAL,
        preset="single",
        segment_stride=8,
        num_token_experts=1,
        token_top_k=1,
        num_segment_experts=1,
        segment_max_experts=1,
        segment_centered=False,
        fusion="fixed",
        token_weight=0.0,
        segment_weight=1.0,
    ),
}
