"""Two processes with parts of a batch train as one process with all of it: routing, thresholds, losses, gradients.

Seen to fail for each of: `elsewhere` left out in segment_moe.py, the moving average over the own gates in hybrid.py,
the balancing loss from the own counts in token_moe.py, and its share of a batch from the own labels in modeling.py.
"""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from multipl_moe.model.data_parallel import ALONE, Ranks, over_ranks
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.statistics import observe_routing
from tests.conftest import random_tokens, tiny_hybrid
from tests.distributed import run_processes

_LENGTHS = [22, 9, 17, 22]  # real tokens of the rows
_WIDTH = 22


@dataclass(frozen=True)
class _Case:
    """How many of the four rows the first process has, and what is special."""

    rows: int = 1
    preset: str = "causal"
    checkpointing: bool = False
    empty: tuple[int, ...] = ()  # rows of padding alone


_CASES = {
    "one row against three": _Case(),
    "two rows each": _Case(rows=2),
    "gradient checkpointing": _Case(checkpointing=True),
    "first process without tokens": _Case(empty=(0,)),
    "other rows only elsewhere": _Case(empty=(1, 2)),
    "paper": _Case(preset="paper"),
    "token-only": _Case(preset="token-only"),
}


def _batch(case: _Case) -> dict[str, Tensor]:
    tokens = random_tokens(4, _WIDTH, seed=1)
    lengths = torch.tensor([0 if row in case.empty else length for row, length in enumerate(_LENGTHS)])
    mask = (torch.arange(_WIDTH) < lengths[:, None]).long()
    return {"input_ids": tokens, "attention_mask": mask, "labels": tokens.masked_fill(mask == 0, -100)}


def _train_step(case: _Case, group: dist.ProcessGroup | None) -> dict[str, Any]:
    """Loss, gradients and thresholds of one step over all rows, and the own rows' logits."""
    model = tiny_hybrid(case.preset).train()
    if case.checkpointing:
        model.gradient_checkpointing_enable()
    batch, count = _batch(case), 1 if group is None else group.size()
    num_labels = (batch["labels"][:, 1:] != -100).sum()
    if group is not None:
        own = slice(0, case.rows) if group.rank() == 0 else slice(case.rows, 4)
        batch = {key: value[own] for key, value in batch.items()}
    with over_ranks(model, group), observe_routing(model) as statistics:
        output = model(**batch, num_items_in_batch=num_labels)
        (count * output.loss).backward()
        health = {index: layer.over(model.model.ranks).summary() for index, layer in statistics.items()}
    assert model.model.ranks is ALONE  # again, after the block
    ranks = ALONE if group is None else Ranks(group)
    gradients = {name: ranks.mean(p.grad) for name, p in model.named_parameters() if p.grad is not None}
    for layer in model.hybrid_layers.values():
        layer.follow_noted()
    thresholds = {
        name: buffer for name, buffer in model.named_buffers() if name.endswith(("segment_threshold", "token_bias"))
    }
    aux = ranks.mean(output.aux_loss) if output.aux_loss is not None else torch.zeros(())
    scalars = {"loss": ranks.total(output.loss), "aux_loss": aux}
    return {"logits": output.logits.detach(), "health": health} | {"tensors": gradients | thresholds | scalars}


def _group() -> dist.ProcessGroup:
    dist.init_process_group("gloo")
    group = dist.new_group()
    assert isinstance(group, dist.ProcessGroup)
    return group


def _all_cases() -> dict[str, dict[str, Any]]:
    group = _group()
    return {name: _train_step(case, group) for name, case in _CASES.items()}


@pytest.fixture(scope="module")
def of_two() -> list[dict[str, dict[str, Any]]]:
    return run_processes(_all_cases)


@pytest.mark.parametrize("name", _CASES)
def test_two_processes_take_the_step_that_one_takes_with_all_rows(name: str, of_two):
    case, parts = _CASES[name], [results[name] for results in of_two]
    whole = _train_step(case, None)
    mask = _batch(case)["attention_mask"].bool()
    logits = torch.cat([part["logits"] for part in parts])
    torch.testing.assert_close(logits[mask], whole["logits"][mask], rtol=1e-5, atol=1e-5)
    for part in parts:
        torch.testing.assert_close(part["tensors"], whole["tensors"], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(part["health"], whole["health"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["one row against three", "two rows each"])
def test_every_process_holds_bit_for_bit_the_same_thresholds(name: str, of_two):
    first, second = (results[name]["tensors"] for results in of_two)
    thresholds = [key for key in first if key.endswith(("segment_threshold", "token_bias"))]
    assert len(thresholds) == 4
    assert all(torch.equal(first[key], second[key]) for key in thresholds)


def test_rows_elsewhere_matter():
    """The parts alone would choose other thresholds, so that the tests above can fail."""
    whole = _train_step(_Case(), None)["tensors"]
    model = tiny_hybrid().train()
    model(**{key: value[:1] for key, value in _batch(_Case()).items()})
    layer = model.hybrid_layers[1]
    layer.follow_noted()
    assert (layer.segment_threshold - whole["model.layers.1.mlp.segment_threshold"]).abs().max() > 1e-4


def _gathered(counts: list[int]) -> Any:
    group = _group()
    ranks, rank = Ranks(group), group.rank()
    own = torch.arange(counts[rank] * 2).view(-1, 2) + 100 * rank
    sizes = ranks.counts(len(own), own.device)
    rows = ranks.gather(own, sizes)
    return rows, torch.equal(rows[ranks.own_rows(sizes)], own), ranks.total(own.sum()), ranks.mean(own.sum())


def test_rows_are_gathered_in_the_order_of_ranks_however_many_each_has():
    for results in run_processes(_gathered, [2, 0, 1], num_processes=3):
        assert results[0].tolist() == [[0, 1], [2, 3], [200, 201]]
        assert results[1:] == (True, 407, pytest.approx(407 / 3))


class _Silent(Ranks):
    """Fails where anything would be told to other processes."""

    def total(self, values: Tensor) -> Tensor:
        raise AssertionError("communication")

    def gather(self, rows: Tensor, counts: list[int]) -> Tensor:
        raise AssertionError("communication")


def test_only_training_communicates(monkeypatch: pytest.MonkeyPatch):
    model: MultiplMoeForCausalLM = tiny_hybrid()
    batch = _batch(_Case())
    with over_ranks(model, None):
        monkeypatch.setattr(model.model, "ranks", _Silent())
        assert model.eval()(**batch).loss.isfinite()
        with pytest.raises(AssertionError, match="communication"):
            model.train()(**batch)
