"""The machine that trains: how much memory it has, and how fast it computes, measured."""

import importlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import psutil
import torch
from transformers import PreTrainedConfig

from multipl_moe.data.training_data import training_data
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.device import move_to_best_device
from multipl_moe.train.methods import prepare
from multipl_moe.train.quantised import quantise_frozen
from multipl_moe.train.setup import TrainingSetup

_WARM_UP_CALLS = 3  # not timed: caches and threads start cold
_REPEATS = 7  # timed calls, of which the median counts
_WARM_UP_STEPS = 1  # not timed: the first step allocates
_TIMED_STEPS = 3  # of which the median counts
_BUSY_SHARE = 0.25  # of all processors
_STREAMED_ELEMENTS = 2**24  # more than caches hold, as the activations of a step


def runtime_bytes() -> int:
    """Resident bytes of this process with all that training imports, on a CPU; it should have done nothing else."""
    for module in ("multipl_moe.train.trainer", "torch._dynamo"):  # PyTorch's optimisers import the second
        importlib.import_module(module)
    return 0 if torch.cuda.is_available() else psutil.Process().memory_info().rss


def usable_bytes() -> int:
    """What a run may use: the free memory of the GPU, or where there is none of the machine."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0]
    return psutil.virtual_memory().available + psutil.Process().memory_info().rss


def busy_note() -> str | None:
    """A sentence where other programs have this machine compute, so that what is measured now is too slow."""
    if (share := others_share()) <= _BUSY_SHARE:
        return None
    return (
        f"this machine is busy (other programs use {share:.0%} of its processors): the times are those of now; plan "
        "again when it has nothing else to do"
    )


def others_share() -> float:
    """Which part of all processors' time, 0 to 1, other programs use during a second; this one sleeps."""
    return psutil.cpu_percent(1.0) / 100


def leave_busy_processors() -> str | None:
    """Let PyTorch use only as many threads as processors are free, one at least; a sentence where others use many.

    Threads of one matrix product wait for each other: beside programs that use all processors, two train at a tenth of
    the speed of one. On a GPU nothing changes.
    """
    if torch.cuda.is_available() or (share := others_share()) <= _BUSY_SHARE:
        return None
    free = max(round((1 - share) * (psutil.cpu_count() or 1)), 1)
    told = f"other programs use {share:.0%} of this machine's processors"
    if free >= torch.get_num_threads():
        return f"{told}, so all takes longer than it else would"
    torch.set_num_threads(free)
    threads = "one thread" if free == 1 else f"{free} threads"
    return f"{told}: {threads} here, as more would wait for them"


@dataclass(frozen=True)
class MachineSpeed:
    """What a training step is made of: operations of matrix products, and bytes that all others read and write."""

    flops_per_s: float
    bytes_per_s: float


def measure_speed(dtype: torch.dtype, *, num_rows: int, hidden_size: int, intermediate_size: int) -> MachineSpeed:
    """Time a matrix product in the shape of a feed-forward block, and a product of many elements, in a dtype.

    On a CPU it tells training's speed only after `allocator.keep_freed_memory`, which training calls too.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x_NH = torch.randn(num_rows, hidden_size, device=device).to(dtype)
    weight_IH = torch.randn(intermediate_size, hidden_size, device=device).to(dtype)
    y_NI = x_NH @ weight_IH.t()
    product_s = _median_seconds(lambda: torch.mm(x_NH, weight_IH.t(), out=y_NI))
    elements = torch.ones(_STREAMED_ELEMENTS, device=device, dtype=dtype)
    elements_s = _median_seconds(lambda: torch.mul(elements, elements.flip(0)))
    return MachineSpeed(
        flops_per_s=2 * num_rows * hidden_size * intermediate_size / product_s,
        bytes_per_s=5 * elements.numel() * elements.element_size() / elements_s,
    )


def speed_of(recipe: Recipe, config: PreTrainedConfig) -> Callable[[torch.dtype], MachineSpeed]:
    """Speed of this machine at a dtype, for the shapes of a recipe's batches; measured when it is asked for."""
    base = config.get_text_config()
    rows = recipe.train.batch_sequences * recipe.train.sequence_tokens
    sizes = {"hidden_size": base.hidden_size, "intermediate_size": base.intermediate_size}
    return cache(partial(measure_speed, num_rows=rows, **sizes))


def measure_throughput(recipe: Recipe, model: MultiplMoeForCausalLM, corpus: Path) -> float:
    """Tokens per second of a few real steps on a hybrid, which is of no use afterwards."""
    setup = TrainingSetup.of(recipe)
    setup.use_attention(model)
    prepare(model, recipe)
    if setup.train.quantise is not None:
        quantise_frozen(model, setup.dtype)
    move_to_best_device(model)
    setup.unify_dtype(model)
    setup.use_checkpointing(model)
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.0, fused=True)
    num_steps, rows = _WARM_UP_STEPS + _TIMED_STEPS, recipe.train.batch_sequences
    data = training_data(recipe, corpus, num_steps * rows)

    def train_on(batch: dict[str, torch.Tensor]) -> None:
        with torch.autocast(model.device.type, setup.dtype, enabled=setup.dtype != torch.float32):
            loss = model(**batch, skip_logits=True).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    seconds = []
    for step in range(num_steps):
        items = [data[step * rows + row] for row in range(rows)]
        batch = {key: torch.stack([item[key] for item in items]).to(model.device) for key in items[0]}
        seconds.append(seconds_of(partial(train_on, batch)))
    return rows * recipe.train.sequence_tokens / statistics.median(seconds[_WARM_UP_STEPS:])


def _median_seconds(step: Callable[[], object]) -> float:
    for _ in range(_WARM_UP_CALLS):
        step()
    return statistics.median(seconds_of(step) for _ in range(_REPEATS))


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds until `work` is done.

    A GPU is given its work and computes on while the program goes on, so it is waited for: before, as what it was given
    earlier is not `work`, and after, as only then is it done.
    """
    _wait_for_gpu()
    begin = time.perf_counter()
    work()
    _wait_for_gpu()
    return time.perf_counter() - begin


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
