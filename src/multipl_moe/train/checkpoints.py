"""Checkpoints of a training run: what they hold, written whole or not at all, and which of them stay.

A checkpoint holds what training changes: trained weights and buffers, optimiser, schedule, random state, position.
Frozen weights are those of the model that the run started from.
"""

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from multipl_moe.checkpoints.tensors import holds_no_number, not_finite
from multipl_moe.errors import DiskError, OutputError, TrainingError
from multipl_moe.system.disk_errors import disk_errno
from multipl_moe.system.staging import require_space
from multipl_moe.train.setup import TrainingSetup

_PREFIX = "checkpoint-"
_WEIGHTS_FILE = "trained.safetensors"
_ADAM_COPIES = 3  # a weight and its two moments


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint after so many steps is."""
    return folder / f"{_PREFIX}{step}"


def saved_checkpoints(folder: Path) -> dict[int, Path]:
    """The checkpoints in a folder by step, oldest first."""
    steps = {path.name.removeprefix(_PREFIX): path for path in folder.glob(f"{_PREFIX}*")}
    return {int(step): steps[step] for step in sorted(filter(str.isdecimal, steps), key=int)}


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; what killed saves left behind is removed."""
    for leftover in folder.glob(f".{_PREFIX}*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)
    return next(reversed(saved_checkpoints(folder).values()), None)


def remove_checkpoints(folder: Path, kept: Collection[int]) -> None:
    """Remove all checkpoints but those of the steps to keep; each goes at once, by a rename."""
    for step, path in saved_checkpoints(folder).items():
        if step not in kept:
            shutil.rmtree(path.rename(path.with_name(f".{path.name}.partial")), ignore_errors=True)


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """The tensors that training changes, by name: parameters that require gradients, and persistent buffers."""
    persistent = model.state_dict().keys()
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    return trained | {name: buffer for name, buffer in model.named_buffers() if name in persistent}


def require_finite(model: nn.Module, checkpoints: Path) -> None:
    """Raise TrainingError where a weight or buffer that training changes is not finite, so that none is written."""
    if (name := not_finite(trained_state(model).items())) is None:
        return
    last = next(reversed(saved_checkpoints(checkpoints).values()), None)
    good = f"{last} is good" if last is not None else "there is no checkpoint"
    raise TrainingError(
        f"train: after the last step {holds_no_number(name)}, so the weights are not written; {good}: start anew with "
        "a lower train.learning_rate"
    )


def save_trained(model: nn.Module, checkpoint: Path) -> None:
    """Write what training changed into a checkpoint's folder; raises as `require_finite` does."""
    require_finite(model, checkpoint.parent)
    tensors = {name: tensor.detach().contiguous() for name, tensor in trained_state(model).items()}
    save_file(tensors, checkpoint / _WEIGHTS_FILE)


@torch.no_grad()
def load_trained(model: nn.Module, checkpoint: Path) -> None:
    """Put the weights and buffers of a checkpoint into the model that the run started from.

    Raises:
        OutputError: the checkpoint is gone, or of a run that trained other parameters.
    """
    if not (checkpoint / _WEIGHTS_FILE).is_file():
        raise OutputError(f"output: {checkpoint} is missing or of another version; start anew in another folder")
    saved, ours = load_file(checkpoint / _WEIGHTS_FILE), trained_state(model)
    if {name: tensor.shape for name, tensor in saved.items()} != {name: tensor.shape for name, tensor in ours.items()}:
        raise OutputError(
            f"output: {checkpoint} holds other parameters than this run trains; go on with the recipe and the model "
            "that it was started with"
        )
    for name, tensor in ours.items():
        tensor.copy_(saved[name])


def require_checkpoint_space(setup: TrainingSetup, model: nn.Module, folder: Path, model_bytes: int) -> None:
    """Raise OutputError when the disk cannot hold the checkpoints that will exist at once and the trained model.

    What a run to go on with has in the folder of checkpoints already is taken into account.
    """
    train, steps = setup.train, setup.steps
    num_saves = steps if train.save_every_minutes is not None else -(-steps // train.save_every_steps)
    if train.keep_best and train.eval_every_steps is not None:
        num_saves += -(-steps // train.eval_every_steps)
    at_once = min(train.keep_checkpoints + train.keep_best + 1, num_saves)  # one more while it is being written
    one = sum((_ADAM_COPIES if tensor.requires_grad else 1) * tensor.nbytes for tensor in trained_state(model).values())
    present = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    require_space(folder, max(at_once * one + model_bytes - present, 0))


@contextmanager
def full_disk_explained(folder: Path) -> Iterator[None]:
    """Turn a write that the disk refused into one line that names the checkpoint to go on from.

    Raises:
        DiskError: the disk under `folder`, that of the checkpoints, is full or takes no more for another reason.
    """
    try:
        yield
    except Exception as error:  # of the libraries that write, each has its own
        if (number := disk_errno(error)) is None:
            raise
        last = last_checkpoint(folder)
        ready = f"{last} is whole" if last is not None else "there is no checkpoint yet"
        raise DiskError(
            f"output: {folder} cannot be written ({os.strerror(number)}); {ready}: free some space or mend the disk, "
            "and go on (`train` with --resume)"
        ) from error
