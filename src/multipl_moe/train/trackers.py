"""Trackers of experiments, through transformers' own callbacks; nothing leaves the machine unless asked to.

What is set in the environment (WANDB_MODE, WANDB_PROJECT, WANDB_DIR, TRACKIO_DIR) wins over the defaults here.
"""

import importlib.util
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from accelerate.utils import patch_environment
from transformers import TrainerCallback
from transformers.integrations.integration_utils import TensorBoardCallback, get_reporting_integration_callbacks

from multipl_moe.errors import ConfigError

PROJECT = "multipl-moe"
_DEFAULTS = {
    "trackio": {"TRACKIO_DIR": "{output}/trackio"},
    "wandb": {"WANDB_MODE": "offline", "WANDB_PROJECT": PROJECT, "WANDB_DIR": "{output}"},
}


def require_trackers(names: Collection[str]) -> None:
    """Raise ConfigError when the package of a tracker is not installed; all of them at once."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            [f"train.trackers: {name} is not installed; pip install -e '.[trackers]'" for name in missing]
        )


@contextmanager
def tracking(names: Collection[str], output: Path) -> Iterator[list[TrainerCallback]]:
    """The callbacks of some trackers for one run, writing into its folder; the next run of the process has its own.

    trackio alone, which looks for its folder when it is imported, keeps to that of the first; runs have names there.
    """
    settings = {key: value for name in names for key, value in _DEFAULTS.get(name, {}).items() if key not in os.environ}
    patched = patch_environment(**{key: value.format(output=output) for key, value in settings.items()})
    with patched, _wandb_run() if "wandb" in names else nullcontext():
        yield [_callback(name, output) for name in names]


def _callback(name: str, output: Path) -> TrainerCallback:
    (callback,) = get_reporting_integration_callbacks([name])
    return _TensorBoard(output) if name == "tensorboard" else callback()


@contextmanager
def _wandb_run() -> Iterator[None]:
    """Ends the run that transformers begins but does not end, and wandb's own process, which keeps to its folder.

    A run that is there already belongs to the caller.
    """
    wandb = importlib.import_module("wandb")
    theirs = wandb.run
    try:
        yield
    finally:
        if theirs is None and wandb.run is not None:
            wandb.finish()
            wandb.teardown()


class _TensorBoard(TensorBoardCallback):
    """Writes into OUTPUT/tensorboard; a resumed run takes the place of what came after its checkpoint."""

    def __init__(self, output: Path) -> None:
        super().__init__()
        self.logging_dir = str(output / "tensorboard")

    def on_train_begin(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            self.tb_writer = self._SummaryWriter(self.logging_dir, purge_step=state.global_step + 1)
        super().on_train_begin(args, state, control, **kwargs)
