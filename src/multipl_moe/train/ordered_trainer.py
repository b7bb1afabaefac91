"""The Trainer: the order of its data, steps that are not finite, logs by language, and checkpoints."""

import math
from collections.abc import Sized
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.utils.data import Dataset, SequentialSampler
from transformers import PreTrainedModel, Trainer

from multipl_moe.errors import OutputError, TrainingError
from multipl_moe.runs.folder import read_json, write_json
from multipl_moe.system.device import dtype_name
from multipl_moe.system.staging import staged_folder
from multipl_moe.train.checkpoints import (
    checkpoint_path,
    load_trained,
    remove_checkpoints,
    save_trained,
    saved_checkpoints,
)
from multipl_moe.train.held_out import HeldOut
from multipl_moe.train.language_losses import LANGUAGE_KEY, LanguageLosses, WithLanguage
from multipl_moe.train.progress import LOSS_PREFIX
from multipl_moe.train.setup import TrainingSetup, batch_arguments
from multipl_moe.train.sharding import is_sharded, load_sharded, save_sharded

_RUN_FILE = "run.json"
_SHARDS_FOLDER = "sharded"
_SCHEDULER_FILE = "scheduler.pt"


class OrderedTrainer(Trainer):
    """Trainer that keeps the order of its dataset, which is already mixed and shuffled by the seed.

    It writes checkpoints whole or not at all and without frozen weights, measures the loss on held-out text and of each
    language, and stops before a step that is not finite reaches the weights.

    Of several processes each takes the next rows in turn, so that all together take those that one would with as many
    rows. A model that `shard` divided is trained and saved in its parts.

    Args:
        frozen_sha256: of what does not learn; a checkpoint goes with it.
        order_sha256: of the sequences and their order; a checkpoint goes with it, and its step tells how many of them
            were read.
    """

    model: Any
    optimizer: Any
    lr_scheduler: Any

    def __init__(
        self,
        *,
        setup: TrainingSetup,
        model: PreTrainedModel,
        train_dataset: Dataset,
        held_out: HeldOut | None,
        frozen_sha256: str,
        order_sha256: str | None = None,
        **kwargs: Any,
    ) -> None:
        rows = WithLanguage(train_dataset, setup.languages)
        super().__init__(model=model, train_dataset=rows, eval_dataset=cast(Any, held_out), **kwargs)
        self.language_losses = LanguageLosses(rows.languages)
        self._train, self._held_out = setup.train, held_out
        self._run = {
            "frozen_sha256": frozen_sha256,
            "order_sha256": order_sha256,
            "compute_dtype": dtype_name(setup.dtype),
            "quantise": setup.train.quantise,
        }
        self._step_losses: list[Tensor] = []
        self._is_sharded = is_sharded(model)
        # Trainer's own name for it: the model reduces its gradients itself, so it is not wrapped again.
        self.is_distributed_loading_by_transformers = self._is_sharded

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return Path(cast(str, self.args.output_dir))

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> SequentialSampler:
        dataset = train_dataset if train_dataset is not None else self.train_dataset
        return SequentialSampler(cast(Sized, dataset))

    def _move_model_to_device(self, model: nn.Module, device: torch.device) -> None:
        if not is_sharded(model):  # which is where it belongs
            super()._move_model_to_device(model, device)

    # Steps

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Forward and backward pass of one batch."""
        inputs = dict(inputs)
        self.language_losses.rows = inputs.pop(LANGUAGE_KEY)
        arguments = batch_arguments(self.model, inputs)
        loss = super().training_step(model, inputs | arguments, num_items_in_batch)
        self._step_losses.append(loss)
        return loss

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        """Clip; a step that is not finite ends the run before the optimiser takes it."""
        norm: Any = super()._clip_grad_norm(model)
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm  # of shards, until accelerate 1.16
        loss = cast(Tensor, self.accelerator.reduce(torch.stack(self._step_losses).sum(), "mean"))
        self._step_losses.clear()
        for name, value in {"loss": loss, "gradient's norm": norm}.items():
            if not math.isfinite(value):
                last = next(reversed(saved_checkpoints(self.checkpoints).values()), None)
                good = f"{last} is good, but the same steps come after it" if last else "there is no checkpoint yet"
                raise TrainingError(
                    f"step {self.state.global_step + 1}: the {name} is {float(value)}; start anew with a lower "
                    f"train.learning_rate ({good})"
                )
        return norm

    # Logs

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """As in Trainer; with the loss goes that of each language."""
        if "loss" in logs:
            sums = self.accelerator.reduce(self.language_losses.take().to(self.args.device), "sum")
            means = self.language_losses.means(cast(Tensor, sums))
            logs |= {f"{LOSS_PREFIX}{name}": mean for name, mean in means.items()}
        super().log(logs, start_time)

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> Any:
        """The loss on held-out text: by language, and their mean, by which the best checkpoint is chosen."""
        assert self._held_out is not None
        losses = self._held_out.losses(self.model)
        metrics = {f"{metric_key_prefix}_loss": sum(losses.values()) / len(losses)}
        metrics |= {f"{metric_key_prefix}_{LOSS_PREFIX}{name}": loss for name, loss in losses.items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        is_best = super()._determine_best_metric(metrics, trial)
        if is_best and self._train.keep_best:
            self.control.should_save = True
        return is_best

    # Checkpoints

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        self.store_flos()
        target = checkpoint_path(self.checkpoints, self.state.global_step)
        saves = self.args.should_save
        with staged_folder(target) if saves else nullcontext(target.with_name(f".{target.name}.partial")) as folder:
            self.accelerator.wait_for_everyone()
            self.save_model(str(folder), _internal_call=True)
            self._save_optimizer_and_scheduler(str(folder))
            self._save_scaler(str(folder))
            self._save_rng_state(str(folder))
            if saves:
                write_json(folder / _RUN_FILE, self._run)
                self.state.save_to_json(str(folder / "trainer_state.json"))
            self.accelerator.wait_for_everyone()
        if saves:
            last = list(saved_checkpoints(self.checkpoints))[-self._train.keep_checkpoints :]
            best = [] if self.best_step is None else [self.best_step]
            remove_checkpoints(self.checkpoints, {*last, *best})

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """What training changed, into a checkpoint's folder; the trained model is saved after calibration.

        The weights of a sharded model go with its optimiser.
        """
        assert output_dir is not None, "only checkpoints are saved by the Trainer"
        if self.args.should_save and not self._is_sharded:
            save_trained(self.model, Path(output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        checkpoint = Path(resume_from_checkpoint)
        if not self._is_sharded:
            load_trained(model or self.model, checkpoint)
        run, dtype = read_json(checkpoint / _RUN_FILE), self._run["compute_dtype"]
        differs = {
            "frozen_sha256": "that started from another model; go on with that one",
            "order_sha256": "that read another corpus; go on with that one",
            "quantise": f"with train.quantise {run.get('quantise')}; go on with the same",
            "compute_dtype": f"that computed in {run['compute_dtype']}, but train.compute_dtype means {dtype} on this "
            f"machine; go on where it means {run['compute_dtype']}, or start anew in another folder",
        }
        for key, told in differs.items():
            if run.get(key) != self._run[key]:
                raise OutputError(f"output: {checkpoint} is of a run {told}")

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self._is_sharded:
            return super()._save_optimizer_and_scheduler(output_dir)
        folder = Path(output_dir)
        save_sharded(self.model, self.optimizer.optimizer, folder / _SHARDS_FOLDER)
        if self.args.should_save:
            torch.save(self.lr_scheduler.state_dict(), folder / _SCHEDULER_FILE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not self._is_sharded or checkpoint is None:
            return super()._load_optimizer_and_scheduler(checkpoint)
        folder = Path(checkpoint)
        load_sharded(self.model, self.optimizer.optimizer, folder / _SHARDS_FOLDER)
        self.lr_scheduler.load_state_dict(torch.load(folder / _SCHEDULER_FILE, weights_only=True))

    @property
    def best_step(self) -> int | None:
        """The step with the least held-out loss so far, where the recipe keeps it."""
        return self.state.best_global_step if self._train.keep_best else None
