"""Folding a hybrid into a dense model of the base's own architecture, for programs that know no hybrid layer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.tensors import CheckpointReader, TensorPlan, write_checkpoint
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.eval.models import evaluate_models
from multipl_moe.export.weights import cast_finite
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.expert_use import EXPERT_USE_FILE, ExpertUse, expert_names
from multipl_moe.model.families import family_of
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.recipe.recipe import Recipe

_SHARED_KEY = re.compile(r"^(?P<prefix>.*layers\.(?P<layer>\d+)\.mlp\.)shared_expert\.(?P<part>.+)\.(?P<kind>[^.]+)$")
_TRAINED_KEY = re.compile(r"layers\.\d+\.mlp\.(experts\.|token_|segment_)")


@dataclass(frozen=True)
class MergeReport:
    """What was folded.

    Attributes:
        languages: those whose measured use decided the weights.
        weights: by layer, the mean weight of each expert by its name.
    """

    languages: list[str]
    weights: dict[int, dict[str, float]]

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return {"languages": self.languages, "layers": self.weights}


def merge_to_dense(
    model: Path, output_staging: Path, *, languages: list[str] | None, dtype: torch.dtype | None
) -> MergeReport:
    """Write a dense model (config.json and safetensors) whose feed-forward blocks are means of a hybrid's experts.

    With m_e the mean weight of expert e on text of `languages` and M the sum of the m_e, the shared expert's included,
    each matrix (and bias) of a hybrid layer becomes

        W = W_shared + sum over trained experts of m_e / M * (W_e - W_shared)

    and the matrix and the bias that lead back to the hidden size are then multiplied by M, which is 1 with `normalized`
    fusion: a `fixed` fusion whose weights do not sum to 1 keeps its scale. Where all experts are copies, the base comes
    out to the bit. The mean of functions that are not linear is not the function of the mean: `merge_cost` measures
    what is lost. (Twice the differences, in the manner of task arithmetic, fit training text of the new languages
    better, but held-out text worse.)

    Tensors are read one at a time, the stacked experts of one layer being the largest.

    Args:
        model: folder of a trained hybrid.
        output_staging: existing folder to write into; the tokenizer and other companions are the caller's.
        languages: whose use of the experts counts; None takes all that were measured.
        dtype: of the result; None keeps the checkpoint's.

    Raises:
        BaseModelError: `model` is no hybrid, or was never trained.
        ConfigError: a language was not measured.
        OutputError: a value is too large for `dtype`.
    """
    config = load_config(model)
    if not isinstance(config, MultiplMoeConfig):
        raise BaseModelError(f"model: {model} is no hybrid ({config.model_type}); only a hybrid can be merged")
    base, moe = config.base_config, config.moe_config
    use = _expert_use(model, moe, languages)
    merge = _Merge(CheckpointReader(model, "model"), base, moe, use.mean(), dtype)
    write_checkpoint(merge.tensors(), output_staging, lambda name: None)
    base.architectures = [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[base.model_type]]
    base.dtype = dtype or config.dtype
    base.save_pretrained(output_staging)
    names = expert_names(moe)
    weights = {index: dict(zip(names, mean.tolist(), strict=True)) for index, mean in use.mean().items()}
    return MergeReport(list(use.languages), weights)


def merge_cost(recipe: Recipe, hybrid: Path, dense: Path, corpus: Path) -> dict[str, Any]:
    """What merging costs: bits per byte of the hybrid and of the merged model on the corpus' held-out files.

    Args:
        recipe: languages, eval and seed are used.
        hybrid, dense: folders of both models, with their tokenizer.
        corpus: folder that `build_corpus` wrote.

    Returns:
        JSON-ready: `languages` with bpb_hybrid, bpb_merged, and the relative change with its 95% interval; `means` of
        the change over the languages to learn and to keep.
    """
    result = evaluate_models(recipe, dense, corpus, against=str(hybrid))
    names = {"bpb_before": "bpb_hybrid", "bpb_after": "bpb_merged"}
    languages = {
        language: {names.get(key, key): value for key, value in scores.items()}
        for language, scores in result["languages"].items()
    }
    return {"languages": languages, "means": result["means"]}


class _Merge:
    """The tensors of the dense model, planned from those of the hybrid."""

    def __init__(
        self,
        reader: CheckpointReader,
        base: PreTrainedConfig,
        moe: MoeConfig,
        use: dict[int, Tensor],
        dtype: torch.dtype | None,
    ) -> None:
        self.reader, self.moe, self.use, self.dtype = reader, moe, use, dtype
        self.family = family_of(base)

    def tensors(self) -> list[TensorPlan]:
        """Every tensor to write, in the hybrid's order."""
        plans = []
        for key, shape in self.reader.shapes.items():
            dtype = self.dtype or self.reader.dtype(key)
            if match := _SHARED_KEY.match(key):
                name = f"{match['prefix']}{match['part']}.{match['kind']}"
                plans.append(TensorPlan(name, shape, dtype, partial(self._merged, match, name, dtype)))
            elif not _TRAINED_KEY.search(key):
                plans.append(TensorPlan(key, shape, dtype, partial(self._copy, key, dtype)))
        return plans

    def _copy(self, key: str, dtype: torch.dtype) -> list[Tensor]:
        return [cast_finite(key, self.reader.read(key), dtype)]

    def _merged(self, key: re.Match[str], name: str, dtype: torch.dtype) -> list[Tensor]:
        """One matrix or bias of a layer's block, over all its experts; the differences add up in float32."""
        prefix, part, kind = key["prefix"], key["part"], key["kind"]
        use = self.use[int(key["layer"])]
        merged = shared = self.reader.read(key.string).float()
        differences = self._differences(prefix, part, kind, shared)
        for weight, difference in zip((use[:-1] / use.sum()).tolist(), differences, strict=True):
            merged = merged + weight * difference
        if part == self.family.down and self.moe.fusion == "fixed":
            merged = merged * use.sum().item()
        return [cast_finite(name, merged, dtype)]

    def _differences(self, prefix: str, part: str, kind: str, shared: Tensor) -> Iterator[Tensor]:
        """Each expert's difference from the shared expert in this matrix or bias, in float32."""
        if self.moe.expert_type == "full":
            suffix = "_bias" if kind == "bias" else ""
            yield from (expert.float() - shared for expert in self._stacked(prefix, part, suffix))
        elif kind == "bias":
            yield from (torch.zeros_like(shared) for _ in range(self.moe.num_trained_experts))
        else:
            a_name = "down_proj" if part == self.family.down else self.family.up_name
            factors = self._stacked(prefix, part, "_b"), self.reader.read(f"{prefix}experts.{a_name}_a")
            yield from (b.float() @ a.float() for b, a in zip(*factors, strict=True))

    def _stacked(self, prefix: str, part: str, suffix: str) -> Tensor:
        """(E, ...) the rows of this part in a stacked tensor; an upper one shares its tensor with the other parts."""
        if part == self.family.down:
            return self.reader.read(f"{prefix}experts.down_proj{suffix}")
        stacked = self.reader.read(f"{prefix}experts.{self.family.up_name}{suffix}")
        return stacked.chunk(len(self.family.up), dim=1)[self.family.up.index(part)]


def _expert_use(model: Path, moe: MoeConfig, languages: list[str] | None) -> ExpertUse:
    use = ExpertUse.load(model)
    if use is None:
        raise BaseModelError(f"model: {model} has no {EXPERT_USE_FILE}, which `train` writes; train the hybrid first")
    wanted = list(use.languages) if languages is None else languages
    if unknown := [name for name in wanted if name not in use.languages]:
        raise ConfigError(
            f"languages: {', '.join(unknown)} not measured in {model}; measured: {', '.join(use.languages)}"
        )
    if not wanted:
        raise ConfigError(f"languages: name at least one of {', '.join(use.languages)}")
    chosen = ExpertUse({name: use.languages[name] for name in wanted})
    chosen.require_fit(model, moe)
    return chosen
