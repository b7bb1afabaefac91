"""What a pack costs: its layer over the base's block, and its training over LoRA's, here and by TRL's trainer.

    OMP_NUM_THREADS=1 python benchmarks/packs.py [--quick] [--output FILE.json]

On the demo's base. *Layer*: a feed-forward block with a full expert, and with low-rank ones, while the gate is open,
over the base's block; forward alone, and forward and backward against the same block training. *Training*: seconds a
step of whole loops, from the end of a step to the end of the next, of packs of rank 16, of this project's LoRA
(`train.method: lora`, all linear layers), and of trl's SFTTrainer with peft if trl is installed; the same rows of
random tokens, 1,024 a step, in the same precision.

Targets: a full expert's forward at most 1.05 of the block's, its step 1.03; a pack trains as many tokens a second as
this project's LoRA does, and 1.4 times those of TRL.
"""

import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from harness import Target, Timing, in_fresh_process, interleave, median_ratio, options_parser, print_table, record
from random_tokens import RandomTokens
from torch import Tensor, nn
from transformers import TrainerCallback

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.demo.recipe import DEMO_RECIPE
from multipl_moe.model.routing_pass import RoutingPass, carry_routing
from multipl_moe.model.segments import plan_segments
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.system.allocator import keep_freed_memory
from multipl_moe.train.loop import fit
from multipl_moe.train.methods import load_for_training, prepare
from multipl_moe.train.setup import TrainingSetup
from multipl_moe.upcycle.convert import upcycle

_ROWS, _ROW_TOKENS, _RANK, _LAYER = 4, 256, 16, 10
_UNGATED = {"moe.gate.languages": [], "upcycle.verify": False}
_PACKS = {
    "full expert": {"moe.preset": "single"},
    f"low-rank, {_RANK}": {"moe.experts.rank": _RANK, "moe.experts.alpha": _RANK, "moe.experts.targets": "ffn"},
    f"low-rank, {_RANK}, attention too": {"moe.experts.rank": _RANK, "moe.experts.alpha": _RANK},
}
_LORA, _TRL = "LoRA, this project", "LoRA, TRL"
_FORWARD, _STEP, _OVER_LORA, _OVER_TRL = 1.05, 1.03, 1.0, 1.4


def recipe_for(settings: dict[str, Any], steps: int = 1) -> Recipe:
    """A recipe of some steps of 1,024 tokens."""
    shape = {"train.sequence_tokens": _ROW_TOKENS, "train.batch_sequences": _ROWS, "train.learning_rate": 1e-4}
    tokens = {"train.tokens": steps * _ROWS * _ROW_TOKENS, "train.save_every_steps": 10**6}
    return load_recipe(None, DEMO_RECIPE | _UNGATED | shape | tokens | settings)


class OpenBlock(nn.Module):
    """A layer's block as it runs while the gate of its pack is open."""

    def __init__(self, block: nn.Module, *, as_in_training: bool) -> None:
        super().__init__()
        self.layer = nn.Sequential(block)  # in the place of a decoder layer
        carry_routing(self.layer)
        plan = plan_segments(torch.arange(_ROW_TOKENS).expand(_ROWS, -1), None, stride=8)
        self.routing = RoutingPass(plan, as_in_training=as_in_training)
        if not as_in_training:
            self.routing.tell({"pack": torch.ones(plan.num_segments)})

    def forward(self, x_BTH: Tensor) -> Tensor:
        return self.layer(x_BTH, routing=self.routing)


def measure_layers(folders: dict[str, Path], repeats: int) -> dict[str, Any]:
    """Blocks in turn, in this process, float32."""
    keep_freed_memory()
    base: Any = load_dense(resolve_base(recipe_for({}).base)).float()
    x_BTH = torch.randn(_ROWS, _ROW_TOKENS, base.config.hidden_size, requires_grad=True)
    forwards, steps = {}, {}
    for name, folder in {"base": None, **folders}.items():
        model: Any = base if folder is None else load_hybrid(folder, torch.float32)
        block = model.model.layers[_LAYER].mlp
        for part, parameter in block.named_parameters():
            parameter.requires_grad_(folder is None or "adapters" in part or part.startswith("experts."))
        inside, training = (
            block if folder is None else OpenBlock(block, as_in_training=trains) for trains in (False, True)
        )
        forwards[name] = torch.no_grad()(lambda inside=inside: inside(x_BTH))
        steps[name] = lambda training=training: training(x_BTH).sum().backward()
    return {"forward": interleave(forwards, repeats=repeats), "step": interleave(steps, repeats=repeats)}


class StepClock(TrainerCallback):
    """Processor seconds from the end of each step to the end of the next."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.ends.append(time.process_time())

    @property
    def timing(self) -> Timing:
        """Of all steps but the first two, which warm up."""
        return Timing(tuple(after - before for before, after in zip(self.ends[1:], self.ends[2:], strict=False)))


def train_here(settings: dict[str, Any], start: Path, steps: int, work: Path) -> Timing:
    """Steps of this project's loop."""
    keep_freed_memory()
    recipe, clock = recipe_for(settings, steps), StepClock()
    setup, model = TrainingSetup.of(recipe), load_for_training(recipe.train, start)
    setup.use_attention(model)
    prepare(model, recipe)
    setup.unify_dtype(model)
    vocabulary = model.config.get_text_config().vocab_size
    fit(setup, model, RandomTokens(steps * _ROWS, _ROW_TOKENS, vocabulary), work / "checkpoints", [clock])
    return clock.timing


def train_by_trl(base: Path, steps: int, work: Path) -> Timing:
    """Steps of trl's SFTTrainer with peft, on the same tokens."""
    import datasets
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer  # pyright: ignore[reportMissingImports]

    keep_freed_memory()
    recipe, clock = recipe_for({}, steps), StepClock()
    model: Any = load_dense(base)
    rows = RandomTokens(steps * _ROWS, _ROW_TOKENS, model.config.vocab_size).rows.tolist()
    arguments = SFTConfig(
        output_dir=str(work / "trl"),
        per_device_train_batch_size=_ROWS,
        max_steps=steps,
        learning_rate=1e-4,
        max_length=_ROW_TOKENS,
        bf16=TrainingSetup.of(recipe).dtype == torch.bfloat16,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
    )
    SFTTrainer(
        model,
        arguments,
        train_dataset=datasets.Dataset.from_dict({"input_ids": rows}),
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=LoraConfig(r=_RANK, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        callbacks=[clock],
    ).train()
    return clock.timing


def measure_training(folders: dict[str, Path], steps: int, work: Path) -> dict[str, Timing]:
    """Whole loops, each in a process of its own."""
    base = resolve_base(recipe_for({}).base)
    lora = {"train.method": "lora", "train.lora_rank": _RANK}
    timings = {
        name: in_fresh_process(train_here, _PACKS[name], folder, steps, work / name) for name, folder in folders.items()
    }
    timings[_LORA] = in_fresh_process(train_here, lora, base, steps, work / "lora")
    if find_spec("trl"):
        timings[_TRL] = in_fresh_process(train_by_trl, base, steps, work / "by-trl")
    return timings


def main() -> None:
    options = options_parser(__doc__, quick="few repeats and steps").parse_args()
    repeats, steps = (3, 4) if options.quick else (60, 24)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        folders = {name: work / f"hybrid-{number}" for number, name in enumerate(_PACKS)}
        for name, hybrid in folders.items():
            upcycle(recipe_for(_PACKS[name]), hybrid)
        layers = in_fresh_process(measure_layers, folders, repeats)
        training = measure_training(folders, steps, work)
    ratios = {
        kind: {name: median_ratio(timings[name], timings["base"]) for name in _PACKS}
        for kind, timings in layers.items()
    }
    speeds = {name: _ROWS * _ROW_TOKENS / timing.median_s for name, timing in training.items()}
    rows = [[name, *(f"{ratios[kind][name]:.3f}" for kind in layers), f"{speeds[name]:,.0f}"] for name in _PACKS]
    rows += [[name, "", "", f"{speed:,.0f}"] for name, speed in speeds.items() if name not in _PACKS]
    print_table("Packs", ["what", "open block: forward", "forward and backward", "training, tokens/s"], rows)
    best = max(speeds[name] for name in _PACKS if name != "full expert")
    targets = [
        Target(
            "forward of an open full expert over the block", ratios["forward"]["full expert"], _FORWARD, at_least=False
        ),
        Target("its forward and backward over the block's", ratios["step"]["full expert"], _STEP, at_least=False),
        Target("tokens/s of a low-rank pack over this project's LoRA", best / speeds[_LORA], _OVER_LORA),
    ]
    if _TRL in speeds:
        targets.append(Target("tokens/s of a low-rank pack over TRL's LoRA", best / speeds[_TRL], _OVER_TRL))
    results = {"layers": layers, "ratios": ratios, "training": training, "tokens_per_s": speeds}
    record("packs", results, targets, repeats=repeats, options=options)


if __name__ == "__main__":
    main()
