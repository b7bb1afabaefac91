"""The processes that train on other rows of the same batch, and what the routers need to know of them.

Thresholds and the load-balancing loss are taken over the whole data-parallel batch, so that several processes train as
one would on all rows. Layers communicate only in training and only within `over_ranks`; an evaluation or calibration
inside a distributed program never does.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Ranks:
    """Sums and gathers over the processes of a group; without a group there is one process and nothing is sent.

    Every process of the group must call the same methods in the same order, also one without tokens or segments. The
    group is not the one that gradients are reduced in: the two kinds of communication interleave differently on each
    process when gradient checkpointing recomputes a layer.
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

    def counts(self, num_rows: int, device: torch.device) -> list[int]:
        """How many rows each of several processes has, by rank."""
        count = torch.tensor([num_rows], device=device)
        counts = [torch.empty_like(count) for _ in range(self.count)]
        dist.all_gather(counts, count, group=self._group)
        return torch.cat(counts).tolist()

    def gather(self, rows: Tensor, counts: list[int]) -> Tensor:
        """The rows (V, ...) of several processes in the order of ranks, without gradient; `counts` is the V of each."""
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: rows.shape[0]] = rows.detach()
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded, group=self._group)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    def own_rows(self, counts: list[int]) -> slice:
        """Where the own rows lie among those of all processes."""
        assert self._group is not None
        rank = self._group.rank()
        begin = sum(counts[:rank])
        return slice(begin, begin + counts[rank])


ALONE = Ranks()


@contextmanager
def over_ranks(model: nn.Module, group: dist.ProcessGroup | None) -> Iterator[None]:
    """Let the hybrid layers of `model` train over all processes of `group` while the block runs; None changes nothing.

    The gradients of a loss must then be averaged over the processes, as DistributedDataParallel and fully_shard do.
    """
    ranks = ALONE if group is None else Ranks(group)
    modules: list[Any] = [module for module in model.modules() if "ranks" in vars(module)]
    with ExitStack() as after:
        for module in modules:
            after.callback(setattr, module, "ranks", module.ranks)
            module.ranks = ranks
        yield
