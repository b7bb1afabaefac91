"""Trackers of experiments, through transformers' own callbacks; nothing leaves the machine unless asked to.

What is set in the environment (WANDB_MODE, TRACKIO_DIR and the like) wins over the defaults here.
"""

import importlib.util
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate.utils import patch_environment
from transformers.integrations.integration_utils import get_reporting_integration_callbacks

from multipl_judge.extras import install_hint
from multipl_moe.errors import ConfigError

PROJECT = "multipl-moe"
_DEFAULTS = {
    "tensorboard": {"TENSORBOARD_LOGGING_DIR": "{output}/tensorboard"},
    "trackio": {"TRACKIO_DIR": "{output}/trackio"},
    "wandb": {"WANDB_MODE": "offline", "WANDB_PROJECT": PROJECT, "WANDB_DIR": "{output}"},
}


def require_trackers(names: Collection[str]) -> None:
    """Raise ConfigError when the package of a tracker is not installed; all of them at once."""
    if missing := [name for name in names if importlib.util.find_spec(name) is None]:
        raise ConfigError([f"train.trackers: {name} is not installed; {install_hint('trackers')}" for name in missing])


@contextmanager
def tracking(names: Collection[str], output: Path) -> Iterator[list[Any]]:
    """The callbacks of some trackers for one run, writing into its folder; the next run of the process has its own.

    trackio alone, which looks for its folder when it is imported, keeps to that of the first; runs have names there.
    """
    settings = {key: value.format(output=output) for name in names for key, value in _DEFAULTS[name].items()}
    with patch_environment(**{key: value for key, value in settings.items() if key not in os.environ}):
        wandb = importlib.import_module("wandb") if "wandb" in names else None
        begins = wandb is not None and wandb.run is None  # a run that is there already is the caller's
        try:
            yield get_reporting_integration_callbacks(names)
        finally:
            if wandb is not None and begins:  # transformers leaves its run open, and wandb's process its folder
                wandb.finish()
                wandb.teardown()
