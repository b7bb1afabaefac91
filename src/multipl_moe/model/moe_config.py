"""The settings of gates, experts and routing (`moe` in config.json), their presets and their validation."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from math import isfinite
from typing import Any, Literal, get_args, get_origin

from multipl_moe.errors import ConfigError
from multipl_moe.model.routing_config import RoutingConfig

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
_MOST_ALPHA = 3e38  # as float32 holds
_BEFORE_THREE = "0dd39d2"
_BEFORE_PAIRS = "2a2af50"


@dataclass(frozen=True)
class GateConfig:
    """For which text experts work.

    Attributes:
        languages: Languages for whose text experts work, the model being the base elsewhere (design 5); none: experts
            work for all text.
        start: Posterior of a document's first segment, of which nothing was read yet (0..1; 0: the base bit for bit
            until the text shows otherwise). Not in prompts of `generate`, which gates read as a whole.
        first_share: Share of `start` that counts for a document's first token, to which all others attend (0..1): a
            change there moves all of them.
        first_dropout: Share of documents for whose first token the gate is shut in training, drawn anew each time
            (0..1; for low-rank experts without routers; nothing where there is no gate): a model then learns nearly
            as much with a lower first_share.
        bound: Posterior below which no expert works, and 1 less it that above which the base does not (0..0.5); it
            does not bound `start`.
        stride: Number of tokens per segment (S, >= 1): at its end the gate decides anew, and routers of segments too.
        pairs: Places in each of the gate's two tables of pairs of tokens (P, 1..2**24); half as many open for 2% less
            text.
    """

    languages: list[str] = field(default_factory=list)
    start: float = 0.75
    first_share: float = 2 / 3
    first_dropout: float = 0.0
    bound: float = 0.05
    stride: int = 8
    pairs: int = 2**17

    def problems(self) -> Iterator[str]:
        """What is wrong with the values, a line each that begins with the key."""
        shares = ("start", 0, 1), ("first_share", 0, 1), ("first_dropout", 0, 1), ("bound", 0, 0.5)
        for key, low, high in (*shares, ("pairs", 1, 2**24)):
            if not low <= getattr(self, key) <= high:
                yield f"{key}: {getattr(self, key)} must be between {low} and {high}"
        if self.stride < 1:
            yield f"stride: {self.stride} must be at least 1"


@dataclass(frozen=True)
class ExpertsConfig:
    """What is trained, and where.

    Attributes:
        type: Form of the trained experts: `full` blocks of their own, or `lora`, low-rank differences from the frozen
            block.
        rank: Rank of each low-rank expert's difference from the frozen block (>= 1), alpha to be set with it; full
            experts ignore it.
        alpha: Scale of that difference times the rank (> 0): alpha / r B A, PEFT's `lora_alpha`. Take it as large as
            the rank (docs/packs.md); a learning rate that is left out follows it.
        targets: Matrices that a low-rank expert changes: `ffn`, those of the feed-forward block, or, without routers,
            `all`, attention's too.
        layers: Indices of the decoder layers that have experts, ascending.
    """

    type: ExpertType = "full"
    rank: int = 16
    alpha: float = 16.0
    targets: ExpertTargets = "ffn"
    layers: list[int] = field(default_factory=list)

    @property
    def scale(self) -> float:
        """The factor of each low-rank expert's difference: alpha / r."""
        return self.alpha / self.rank

    def problems(self, *, is_routed: bool) -> Iterator[str]:
        """What is wrong with the values, a line each that begins with the key."""
        if self.rank < 1:
            yield f"rank: {self.rank} must be at least 1"
        if self.targets == "all" and (self.type != "lora" or is_routed):
            yield "targets: all is for low-rank experts without routers; take ffn, or preset pack"
        if not 0 < self.alpha < _MOST_ALPHA:
            yield f"alpha: {self.alpha} must be above 0, and a number that float32 holds"
        if sorted(set(self.layers)) != list(self.layers) or any(layer < 0 for layer in self.layers):
            yield f"layers: {self.layers} must be ascending layer indices, each once"


@dataclass(frozen=True)
class MoeConfig:
    """Settings of what is added to a base, as stored under `moe` in config.json.

    Attributes:
        preset: name of the preset that the other values started from.
        gate: for which text experts work.
        experts: what is trained, and where.
        routing: how routers choose among several experts (`HybridMoe`); None: one expert works wherever the gate is
            open.
    """

    preset: str = "single"
    gate: GateConfig = field(default_factory=GateConfig)
    experts: ExpertsConfig = field(default_factory=ExpertsConfig)
    routing: RoutingConfig | None = None

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise ConfigError([f"moe.{problem}" for problem in problems])

    @classmethod
    def from_preset(cls, preset: str, **overrides: Mapping[str, Any]) -> "MoeConfig":
        """The settings of `preset`, with changes on top: of `gate`, `experts` and `routing`, values by key.

        Raises:
            ConfigError: an unknown preset, bad values, or routing of a preset that has none.
        """
        if preset not in PRESETS:
            raise ConfigError(f"moe.preset: {preset!r} is not one of {', '.join(PRESETS)}")
        start, changes = PRESETS[preset], {part: values for part, values in overrides.items() if values}
        if preset == "pack" and changes.get("experts", {}).get("type") == "full":
            raise ConfigError(
                "moe.experts.type: preset pack has low-rank experts; for a full one take moe.preset single"
            )
        if start.routing is None and (idle := changes.get("routing")):
            raise ConfigError(
                [f"moe.routing.{key}: preset {preset} has no routers; leave it out, or use causal" for key in idle]
            )
        return replace(start, **{part: replace(getattr(start, part), **values) for part, values in changes.items()})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "MoeConfig":
        """Read the `moe` entry of a config.json; unknown keys and values of another type are errors."""
        found = values if isinstance(values, dict) else {}
        gate = found.get("gate")
        if found.keys() & {"domain_gate", "num_token_experts"}:
            raise ConfigError(
                "moe: written before its settings were in three parts (gate, experts, routing); train it anew, or use "
                f"it with the version that wrote it (the last is commit {_BEFORE_THREE})"
            )
        if isinstance(gate, dict) and gate.get("languages") and "pairs" not in gate:
            raise ConfigError(
                "moe.gate: written while the gate read states instead of tokens; fit it anew (`multipl-moe upcycle`), "
                f"or use the model with the version that wrote it (the last is commit {_BEFORE_PAIRS})"
            )
        problems: list[str] = []
        parts = _read(cls, values, "moe", problems)
        if problems:
            raise ConfigError(problems)
        return cls(**parts)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict that `from_dict` reads back."""
        return asdict(self)

    @property
    def layers(self) -> list[int]:
        """Indices of the decoder layers that have experts, ascending."""
        return self.experts.layers

    @property
    def is_routed(self) -> bool:
        """Whether routers choose experts, or one expert works wherever the gate is open."""
        return self.routing is not None

    @property
    def num_trained_experts(self) -> int:
        """Trained experts of a layer, of all kinds."""
        return 1 if self.routing is None else self.routing.num_trained_experts

    @property
    def most_experts_per_token(self) -> int:
        """Most trained experts that a token can visit."""
        return 1 if self.routing is None else self.routing.most_experts_per_token

    @property
    def mean_experts_per_token(self) -> float:
        """Trained experts that the mean token visits, of text for which they work."""
        return 1 if self.routing is None else self.routing.mean_experts_per_token

    @property
    def starts_at_base(self) -> bool:
        """Whether the layer is the frozen block as long as all experts are copies of it."""
        return self.routing is None or self.routing.fusion == "normalized"

    @property
    def is_causal(self) -> bool:
        """Whether a token's output depends on nothing after it and on no other sequence in evaluation."""
        routing = self.routing
        if routing is None or not routing.routes_segments:
            return True
        return routing.has_thresholds and not routing.segment_lookahead

    @property
    def routes_segments(self) -> bool:
        """Whether there is a segment router."""
        return self.routing is not None and self.routing.routes_segments

    @property
    def has_choice(self) -> bool:
        """Whether a router has several experts to choose from, so that there is a balance to judge.

        The last token expert is the shared one. A lone segment expert's gate is 1 for every segment, so that none
        is told from another.
        """
        routing = self.routing
        return routing is not None and (routing.num_token_experts > 2 or routing.num_segment_experts > 1)

    @property
    def stores_routing(self) -> bool:
        """Whether routers choose by something stored, which is calibrated on text: thresholds or biases."""
        return self.routing is not None and (self.routing.has_thresholds or self.routing.has_token_bias)

    def _problems(self) -> Iterator[str]:
        for name, part in (("gate", self.gate), ("experts", self.experts), ("routing", self.routing)):
            for key, wanted in _types(type(part)).items() if part is not None else ():
                choices = get_args(wanted) if get_origin(wanted) is Literal else ()
                value = getattr(part, key)
                if choices and value not in choices:
                    yield f"{name}.{key}: {value!r} is not one of {', '.join(choices)}"
                if wanted is float and not isfinite(value):
                    yield f"{name}.{key}: {value} must be a finite number"
        yield from (f"gate.{problem}" for problem in self.gate.problems())
        if self.gate.first_dropout and (self.is_routed or self.experts.type != "lora"):
            yield "gate.first_dropout: is for low-rank experts without routers, as of preset pack; leave it out"
        yield from (f"experts.{problem}" for problem in self.experts.problems(is_routed=self.is_routed))
        if self.routing is not None:
            yield from (f"routing.{problem}" for problem in self.routing.problems(self.gate.stride))


def common_settings(packs: Mapping[str, MoeConfig]) -> MoeConfig:
    """What `moe` says of a model of several packs: the languages and layers of all, and else what the first has.

    Raises:
        ConfigError: they cannot work in one model; all reasons are told.
    """
    problems, (name_of_first, first) = [], next(iter(packs.items()))
    for name, moe in packs.items():
        if moe.is_routed or not moe.gate.languages:
            lack = "routers, which know no pack" if moe.is_routed else "no domain gate, so it leaves no room for others"
            problems.append(f"packs: {name} has {lack}; leave it out")
        if moe.gate.stride != first.gate.stride:
            strides = f"{name_of_first} has {first.gate.stride}, {name} {moe.gate.stride}"
            problems.append(f"packs: moe.gate.stride: {strides}; their gates must decide at the same tokens")
        if moe.experts.type != first.experts.type:
            types = f"{name_of_first} has {first.experts.type} experts, {name} {moe.experts.type}"
            problems.append(f"packs: {types}; cut the full ones to a rank")
    if problems:
        raise ConfigError(problems)
    languages = dict.fromkeys(language for moe in packs.values() for language in moe.gate.languages)
    layers = {layer for moe in packs.values() for layer in moe.layers}
    return replace(
        first,
        gate=replace(first.gate, languages=list(languages)),
        experts=replace(first.experts, layers=sorted(layers)),
    )


def _types(kind: type) -> dict[str, Any]:
    return {part.name: part.type for part in fields(kind)}


def _read(kind: type, values: Any, where: str, problems: list[str]) -> dict[str, Any]:
    """Values of a part by key, those that are parts themselves read as well; what is wrong is added to `problems`."""
    if not isinstance(values, dict):
        problems.append(f"{where}: {values!r} must be an object with settings")
        return {}
    types = _types(kind)
    problems += [f"{where}.{key}: unknown key" for key in sorted(values.keys() - types.keys())]
    read = {}
    for key, value in values.items():
        wanted = types.get(key)
        part: Any = next((one for one in (wanted, *get_args(wanted)) if is_dataclass(one)), None)
        if part is not None and (value is not None or wanted is part):
            inner = _read(part, value, f"{where}.{key}", problems)
            read[key] = None if problems else part(**inner)
        elif wanted in _TYPE_NAMES and not _is_of_type(value, wanted):
            problems.append(f"{where}.{key}: {value!r} must be {_TYPE_NAMES[wanted]}")
        else:
            read[key] = value
    return read


def _is_of_type(value: Any, wanted: Any) -> bool:
    """Whether a value out of JSON is what a setting takes: true and false are no numbers, and 1 is a fraction too."""
    if get_origin(wanted) is list:
        return isinstance(value, list) and all(type(item) is get_args(wanted)[0] for item in value)
    return type(value) is wanted or (wanted is float and type(value) is int)


_BY_SEGMENTS = GateConfig(stride=16)

PRESETS: dict[str, MoeConfig] = {
    "causal": MoeConfig("causal", _BY_SEGMENTS, routing=RoutingConfig()),
    "paper": MoeConfig(
        "paper",
        GateConfig(stride=64),
        routing=RoutingConfig(
            segment_lookahead=True,
            segment_selection="expert_choice",
            segment_centered=False,
            segment_gate_scale="window",
            fusion="fixed",
            router_aux_loss_coef=0.01,
            router_aux_loss_scope="all",
            token_bias_rate=0.0,
        ),
    ),
    "token-only": MoeConfig(
        "token-only", _BY_SEGMENTS, routing=RoutingConfig(num_segment_experts=0, segment_weight=0.0)
    ),
    "single": MoeConfig(),
    "pack": MoeConfig(
        "pack",
        GateConfig(first_share=0.58, first_dropout=0.5),
        ExpertsConfig(type="lora", rank=64, alpha=64.0, targets="all"),
    ),
}
