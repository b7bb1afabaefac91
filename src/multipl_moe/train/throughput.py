"""How fast this machine trains, measured on a few real steps, to fit a run into a time budget."""

import statistics
from functools import partial
from pathlib import Path

import torch

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.data.training_data import training_data
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.device import move_to_best_device
from multipl_moe.train.methods import prepare
from multipl_moe.train.settings import attention_implementation, compute_dtype, unify_dtype
from multipl_moe.train.timing import seconds_of

_WARM_UP_STEPS, _TIMED_STEPS = 1, 3


def measure_throughput(recipe: Recipe, model_folder: Path, corpus: Path) -> float:
    """Tokens per second of stage 1: forward, backward and optimiser step, on a copy of the model that is dropped."""
    model = load_hybrid(model_folder)
    move_to_best_device(model)
    model.set_attn_implementation(attention_implementation(model, recipe))
    prepare(model, recipe)
    unify_dtype(model, recipe)
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.0, fused=True)
    dtype, rows = compute_dtype(recipe), recipe.train.batch_sequences
    num_steps = _WARM_UP_STEPS + _TIMED_STEPS
    data = training_data(recipe, corpus, num_steps * rows)

    def train_on(batch: dict[str, torch.Tensor]) -> None:
        with torch.autocast(model.device.type, dtype, enabled=dtype != torch.float32):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    seconds = []
    for step in range(num_steps):
        items = [data[step * rows + row] for row in range(rows)]
        batch = {key: torch.stack([item[key] for item in items]).to(model.device) for key in items[0]}
        seconds.append(seconds_of(partial(train_on, batch)))
    return rows * recipe.train.sequence_tokens / statistics.median(seconds[_WARM_UP_STEPS:])
