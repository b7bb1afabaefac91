"""A dry run of a training step, on tensors with shapes but no storage: what memory it would hold, how much it computes.

The model's own forward and backward pass run in PyTorch's FakeTensorMode, so whatever the model saves for the backward
pass is counted, in its dtype, under every method, attention and form of experts, without a second description of it.
"""

import weakref
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from accelerate.utils.operations import convert_outputs_to_fp32
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakIdKeyDictionary
from transformers import PreTrainedModel

from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.decoder import MultiplMoeModel, MultiplMoeModelOutput, decoder_of
from multipl_moe.model.hybrid import HybridMoe, takes_places
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.model.routing_pass import RoutingPass
from multipl_moe.model.segments import SegmentPlan, pool_windows
from multipl_moe.model.token_moe import route_tokens
from multipl_moe.train.setup import TrainingSetup


@dataclass(frozen=True)
class StepCost:
    """What an optimiser step needs beside weights and optimiser state, the optimiser's own work left out.

    Attributes:
        activation_bytes: most that activations, logits and temporary tensors take at a time, gradients of parameters
            left out.
        flops: floating-point operations of matrix products, forward, recomputed and backward.
        moved_bytes: read and written by all other operations.
    """

    activation_bytes: int
    flops: int
    moved_bytes: int


def dry_run_step(model: PreTrainedModel, setup: TrainingSetup, device: str) -> StepCost:
    """Run forward and backward as the training loop does, without data and with equal loads of the experts.

    Args:
        model: on the meta device, prepared for training; used up.
        device: "cpu" or "cuda", whose rules of precision hold.
    """
    train, dtype = setup.train, setup.dtype
    ledger = _Ledger(is_fake=True, working_rows=_working_rows(model, torch.device(device)))
    mixed = dtype != torch.float32
    setup.use_checkpointing(model)
    model.train()
    _decide_routing(model)
    with FakeTensorMode():
        _leave_meta(model, device)
        ledger.ignore(model)
        forward = torch.autocast(device, dtype)(model.forward) if mixed else model.forward
        forward = convert_outputs_to_fp32(forward) if mixed else forward
        shape = (train.batch_sequences, train.sequence_tokens)
        inputs = {name: torch.zeros(shape, dtype=torch.long, device=device) for name in ("input_ids", "labels")}
        inputs["position_ids"] = torch.arange(shape[1], device=device).expand(shape)
        count = torch.tensor(shape[0] * shape[1], device=device)
        with ledger:
            arguments = {"skip_logits": True} if hasattr(model, "hybrid_layers") else {}
            forward(**inputs, **arguments, num_items_in_batch=count, use_cache=False)["loss"].backward()
    passes = train.accumulation_steps
    return StepCost(ledger.peak_bytes, passes * ledger.flops, passes * ledger.moved_bytes)


class _Ledger(TorchDispatchMode):
    """Adds up the storages that are alive, and the work of each operation.

    Args:
        is_fake: whether tensors have no values.
        working_rows: share of the rows of a grouped matmul that lie in a group; the others cost memory alone.
    """

    def __init__(self, *, is_fake: bool = False, working_rows: float = 1.0) -> None:
        super().__init__()
        self._is_fake, self._working_rows = is_fake, working_rows
        self.flops = self.moved_bytes = self.peak_bytes = 0
        self._bytes = Counter[str]()  # of what is alive: `all` of it, and the gradients `of parameters`
        self._known = WeakIdKeyDictionary()

    def ignore(self, model: nn.Module) -> None:
        """Leave out the model's own tensors, and tell its gradients from what else is alive."""
        for tensor in [*model.parameters(), *model.buffers()]:
            self._known[tensor.untyped_storage()] = True
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(self._note_gradient)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        is_grouped = func._overloadpacket is torch.ops.aten._grouped_mm
        result = _grouped_mm(*args, **kwargs) if is_grouped and self._is_fake else func(*args, **kwargs)
        self._count_work(func, args, kwargs, result)
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._hold(tensor.untyped_storage())
        return result

    def _hold(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known[storage] = True
        self._count_while_alive("all", storage)
        self.peak_bytes = max(self.peak_bytes, self._bytes["all"] - self._bytes["of parameters"])

    def _note_gradient(self, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self._count_while_alive("of parameters", parameter.grad.untyped_storage())

    def _count_while_alive(self, kind: str, storage: torch.UntypedStorage) -> None:
        size = {kind: storage.nbytes()}
        self._bytes.update(size)
        weakref.finalize(storage, self._bytes.subtract, size).atexit = False

    def _count_work(self, func: Any, args: tuple, kwargs: dict[str, Any], result: Any) -> None:
        operation = func._overloadpacket
        if operation is torch.ops.aten._grouped_mm:
            left, right = args[:2]  # (R, K) and (E, K, N), a row by the matrix of its group, or (K, R) and (R, N)
            self.flops += round(self._working_rows * 2 * left.numel() * right.shape[-1])
        elif operation in flop_registry:
            self.flops += flop_registry[operation](*args, **kwargs, out_val=result)
        elif not func.is_view and func.namespace != "prim":  # which asks a fake tensor for its device
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
            self.moved_bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _grouped_mm(left: Tensor, right: Tensor, offs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The result without values, in any dtype: PyTorch's own knows bfloat16 alone."""
    groups = () if right.ndim == 3 else offs.shape
    return left.new_empty(*groups, left.shape[0], right.shape[-1])


def _decide_routing(model: nn.Module) -> None:
    """Let each hybrid block visit as many experts as it does on average: without data there is nothing to route by."""
    for module in model.modules():
        if isinstance(module, MultiplMoeModel):
            module.forward = cast(Any, partial(_without_plan, module))
            for block in module.hybrid_layers.values():
                block.forward = cast(Any, partial(_visit_evenly, block))


def _without_plan(decoder: MultiplMoeModel, **kwargs: Any) -> MultiplMoeModelOutput:
    """The decoder's output in shape: where segments lie is told by values, which there are none of.

    A domain gate, which would ask, is open in training.
    """
    outputs = decoder.base_decoder(routing=RoutingPass(cast(Any, None), as_in_training=True), **kwargs)
    return MultiplMoeModelOutput(last_hidden_state=outputs.last_hidden_state)


def _visit_evenly(block: HybridMoe, x_BTH: Tensor) -> Tensor:
    moe, x_NH = block.moe, x_BTH.reshape(-1, x_BTH.shape[-1])
    num_rows = round(x_NH.shape[0] * _rows_a_token(moe, x_NH.device))
    weights_R = x_NH.new_zeros(num_rows, dtype=torch.float32)
    if moe.num_token_experts > 1:
        weights_R = weights_R + route_tokens(block.token_router(x_NH), moe).gates.sum()
    if moe.routes_segments:
        pooled_VH = pool_windows(x_NH, _evenly_cut(x_BTH, block), block.segment_start)
        weights_R = weights_R + block.segment_logits(pooled_VH).float().softmax(dim=-1).sum()
    token_R = x_NH.new_zeros(num_rows, dtype=torch.long)
    counts_E = x_NH.new_zeros(moe.num_trained_experts, dtype=torch.long)
    loads = [len(part_R) for part_R in token_R.tensor_split(moe.num_trained_experts)]
    counts_E.tolist = lambda: loads  # read where experts are visited in a loop; without storage there are no values
    shared_NH = block.shared_expert(x_NH)
    shared_NH = shared_NH * x_NH.new_zeros(len(x_NH), dtype=torch.float32)[:, None].to(shared_NH.dtype)
    return block.add_experts(shared_NH, x_NH, token_R, weights_R, counts_E).view_as(x_BTH)


def _rows_a_token(moe: MoeConfig | RoutingConfig, device: torch.device) -> float:
    """Rows of the trained experts that are held for a token: those that work, or all places where it has fixed ones."""
    return moe.most_experts_per_token if takes_places(device) else moe.mean_experts_per_token


def _working_rows(model: nn.Module, device: torch.device) -> float:
    if decoder_of(model) is None:
        return 1.0
    moe = cast(MultiplMoeConfig, model.config).moe_config
    return moe.mean_experts_per_token / _rows_a_token(moe, device)


def _evenly_cut(x_BTH: Tensor, block: HybridMoe) -> SegmentPlan:
    """The shapes of the segments of rows that hold one document each."""
    num_rows, row_tokens, _ = x_BTH.shape
    num_segments = num_rows * -(-row_tokens * block.num_blocks // block.moe.segment_window)
    return SegmentPlan(
        real_tokens=None,
        segment_of_token=x_BTH.new_zeros(num_rows * row_tokens, dtype=torch.long),
        is_first=x_BTH.new_zeros(num_rows * row_tokens, dtype=torch.bool),
        window_segments=x_BTH.new_zeros(num_segments, block.num_blocks, dtype=torch.long),
        row_of_segment=x_BTH.new_zeros(num_segments, dtype=torch.long),
        first_segments=x_BTH.new_zeros(num_segments, dtype=torch.long),
        num_rows=num_rows,
    )


def _leave_meta(model: nn.Module, device: str) -> None:
    """Put tensors of the current FakeTensorMode in the place of those on the meta device; tied ones stay tied."""
    replaced: dict[int, Any] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                if id(parameter) not in replaced:
                    replaced[id(parameter)] = nn.Parameter(_like(parameter, device), parameter.requires_grad)
                module._parameters[name] = replaced[id(parameter)]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = _like(buffer, device)


def _like(tensor: Tensor, device: str) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
