"""The processes that train on other rows of the same batch, and what the routers need to know of them.

Thresholds and the load-balancing loss are taken over the whole data-parallel batch, so that several processes train as
one would on all rows. Layers communicate only in training and only within `over_ranks`; an evaluation or calibration
inside a distributed program never does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Ranks:
    """Sums and gathers over the processes of a group; without a group there is one process and nothing is sent.

    Every process of the group must call the same methods in the same order, also one without tokens or segments.

    Args:
        group: of its own, not the one that gradients are reduced in: the two kinds of communication interleave
            differently on each process when gradient checkpointing recomputes a layer.
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        self._group = group
        self.count = 1 if group is None else group.size()

    def total(self, values: Tensor) -> Tensor:
        """Sum over the processes of what each has, in its dtype and without gradient."""
        total = values.detach().clone()
        if self._group is not None:
            dist.all_reduce(total, group=self._group)
        return total

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the processes of what each has, without gradient."""
        return self.total(values) / self.count

    def gather(self, rows: Tensor) -> tuple[Tensor, slice]:
        """The rows of all processes in the order of their ranks, without gradient, and where the own ones lie.

        Args:
            rows: (V, ...), any number V on each process, all else alike.
        """
        if self._group is None:
            return rows.detach(), slice(0, rows.shape[0])
        count = torch.tensor([rows.shape[0]], device=rows.device)
        counts = [torch.empty_like(count) for _ in range(self.count)]
        dist.all_gather(counts, count, group=self._group)
        sizes = torch.cat(counts).tolist()
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: rows.shape[0]] = rows.detach()
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded, group=self._group)
        begin = sum(sizes[: self._group.rank()])
        everyone = torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
        return everyone, slice(begin, begin + rows.shape[0])


ALONE = Ranks()


@contextmanager
def over_ranks(model: nn.Module, group: dist.ProcessGroup | None) -> Iterator[None]:
    """Let the hybrid layers of `model` train over all processes of `group` while the block runs; None changes nothing.

    The gradients of a loss must then be averaged over the processes, as DistributedDataParallel and fully_shard do.
    """
    ranks = ALONE if group is None else Ranks(group)
    modules: list[Any] = [module for module in model.modules() if isinstance(getattr(module, "ranks", None), Ranks)]
    previous = [module.ranks for module in modules]
    for module in modules:
        module.ranks = ranks
    try:
        yield
    finally:
        for module, before in zip(modules, previous, strict=True):
            module.ranks = before
