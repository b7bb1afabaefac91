"""Cost of one hybrid layer, forward and backward: against dense matmuls, other blocks, one-hot dispatch, and in tokens.

    python benchmarks/layer.py [--quick] [--threads N] [--output FILE.json]

The layer has the size of SmolLM2-135M's feed-forward block, preset `causal`, 6 token experts (top 2) and 6 segment
experts, rows of 512 tokens, the shared expert frozen, parameters in the type of the input. Active FLOPs: forward, input
gradient and weight gradient of each routed row; forward and input gradient of each token in the shared expert. Dense is
one matrix for all experts; beside it stands the most that the layer could reach, its matmuls alone with a matrix an
expert. Blocks of transformers are compared with preset `token-only`, where a token visits as many experts, all trained.
Targets hold with freed memory kept, as the commands of this package do; the same without is printed beside.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from harness import (
    Target,
    Timing,
    console,
    in_fresh_process,
    interleave,
    median_ratio,
    options_parser,
    peak_memory_bytes,
    print_table,
    record,
)
from moe_blocks import moe_blocks
from one_hot import OneHotMoe
from torch import Tensor, nn
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaMLP

from multipl_moe.model.hybrid import HybridMoe
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.model.routing_pass import RoutingPass
from multipl_moe.model.segments import SegmentPlan, plan_segments
from multipl_moe.system.allocator import keep_freed_memory

_HIDDEN, _INTERMEDIATE, _ROW_TOKENS = 576, 1536, 512
_BASE = LlamaConfig(hidden_size=_HIDDEN, intermediate_size=_INTERMEDIATE, num_attention_heads=9, num_key_value_heads=3)
_DTYPES = ("float32", "bfloat16")
_SIZES = (2048, 4096, 8192, 16384)

_MIN_EFFICIENCY = {"float32": 0.9, "bfloat16": 0.85}
_MAX_TIME_OF_BLOCKS = 1.0
_MIN_SPEEDUP = 10.0
_MAX_GROWTH = 1.15  # of time or memory per token, from the fewest to the most tokens


class Setup(NamedTuple):
    """One case of the benchmark; crosses process borders."""

    tokens: int
    dtype: str
    repeats: int
    threads: int
    keep_freed_memory: bool = True

    def enter(self) -> None:
        """Apply what holds for a whole process."""
        torch.set_num_threads(self.threads)
        torch.manual_seed(0)
        if self.keep_freed_memory:
            keep_freed_memory()


class Bench(NamedTuple):
    """A layer in training mode, its (B, T, H) inputs and the segments of that; the same of each for every class."""

    layer: HybridMoe
    inputs: Tensor
    plan: SegmentPlan

    def route(self) -> RoutingPass:
        """What one pass is called with, and leaves its decisions in."""
        return RoutingPass(self.plan, as_in_training=True)

    def step(self) -> Callable[[], None]:
        """One forward and backward pass."""
        return block_step(self.layer, self.inputs, lambda x_BTH: self.layer(x_BTH, self.route()))


def build_layer(tokens: int, dtype: str, *, preset: str = "causal", layer_class: type[HybridMoe] = HybridMoe) -> Bench:
    """A layer whose shared expert is frozen."""
    torch.manual_seed(0)
    moe = MoeConfig.from_preset(preset)
    layer = layer_class(LlamaMLP(_BASE), moe, _BASE).to(getattr(torch, dtype)).train()
    layer.shared_expert.requires_grad_(False)
    num_rows = max(tokens // _ROW_TOKENS, 1)
    plan = plan_segments(
        torch.arange(tokens // num_rows).expand(num_rows, -1),
        None,
        window=layer.moe.segment_window,
        stride=moe.gate.stride,
        lookahead=layer.moe.segment_lookahead,
    )
    x_BTH = torch.randn(num_rows, tokens // num_rows, _HIDDEN, dtype=getattr(torch, dtype), requires_grad=True)
    return Bench(layer, x_BTH, plan)


def block_step(block: nn.Module, x_BTH: Tensor, forward: Callable[[Tensor], Tensor]) -> Callable[[], None]:
    """One forward and backward pass; gradients are not accumulated."""
    grad_BTH = torch.randn_like(x_BTH)

    def step() -> None:
        x_BTH.grad = None
        block.zero_grad(set_to_none=True)
        forward(x_BTH).backward(grad_BTH)

    return step


def count_rows(bench: Bench) -> list[int]:
    """Rows that each trained expert processes for this input."""
    routing = bench.route()
    with torch.no_grad():
        bench.layer(bench.inputs, routing)
    tokens, segments = routing.routed[bench.layer.index]
    assert tokens is not None
    assert segments is not None
    chosen_NE = torch.cat([tokens.chosen[:, :-1], segments.chosen[bench.plan.segment_of_token]], dim=1)
    return chosen_NE.sum(dim=0).tolist()


def matmul_step(trained_rows: list[int], frozen_rows: int, dtype: str) -> Callable[[], None]:
    """The layer's matmuls alone, without activation or autograd, with a matrix for each of the groups of rows."""
    randn = partial(torch.randn, dtype=getattr(torch, dtype))
    groups = [
        (
            [randn(rows, size) for size in (_HIDDEN, 2 * _INTERMEDIATE, _INTERMEDIATE)],
            (randn(2 * _INTERMEDIATE, _HIDDEN), randn(_HIDDEN, _INTERMEDIATE)),
        )
        for rows in (frozen_rows, *trained_rows)
    ]

    def step() -> None:
        for (x_RH, hidden_RU, hidden_RI), (up_UH, down_HI) in groups:
            torch.mm(x_RH, up_UH.t())
            torch.mm(hidden_RI, down_HI.t())
            torch.mm(x_RH, down_HI)
            torch.mm(hidden_RU, up_UH)
        for (x_RH, hidden_RU, hidden_RI), _ in groups[1:]:
            torch.mm(hidden_RU.t(), x_RH)
            torch.mm(x_RH.t(), hidden_RI)

    return step


def active_flops(trained_rows: int, frozen_rows: int) -> int:
    """Matmul FLOPs of one forward and backward pass."""
    forward = 2 * 3 * _HIDDEN * _INTERMEDIATE
    return forward * (3 * trained_rows + 2 * frozen_rows)


def measure_efficiency(setup: Setup) -> dict[str, Any]:
    """The layer, matmuls of the same active FLOPs by one matrix each, and by one an expert, interleaved."""
    setup.enter()
    bench = build_layer(setup.tokens, setup.dtype)
    rows_E = count_rows(bench)
    steps = {
        "layer": bench.step(),
        "dense": matmul_step([sum(rows_E)], setup.tokens, setup.dtype),
        "grouped": matmul_step(rows_E, setup.tokens, setup.dtype),
    }
    timings = interleave(steps, repeats=setup.repeats)
    flops = active_flops(sum(rows_E), setup.tokens)
    return setup._asdict() | {
        "trained_rows": sum(rows_E),
        "active_flops": flops,
        "gflop_per_s": {name: flops / timing.median_s / 1e9 for name, timing in timings.items()},
        "efficiency": median_ratio(timings["dense"], timings["layer"]),
        "efficiency_of_grouped": median_ratio(timings["dense"], timings["grouped"]),
        "timings": timings,
    }


def measure_blocks(setup: Setup) -> dict[str, Any]:
    """The layer and blocks of transformers in which a token visits as many experts, interleaved."""
    setup.enter()
    bench = build_layer(setup.tokens, setup.dtype, preset="token-only")
    bench.layer.requires_grad_(True)
    steps = {"layer": bench.step()}
    for name, block in moe_blocks(bench.layer.moe, _HIDDEN, _INTERMEDIATE).items():
        block = block.to(bench.inputs.dtype).train()
        steps[name] = block_step(block, bench.inputs, block)
    timings = interleave(steps, repeats=setup.repeats)
    ratios = {name: median_ratio(timings["layer"], timing) for name, timing in timings.items() if name != "layer"}
    return setup._asdict() | {"time_of_blocks": ratios, "timings": timings}


def measure_speedup(setup: Setup) -> dict[str, Any]:
    """The layer and its one-hot formulation, preset `paper`, interleaved."""
    setup.enter()
    steps, outputs = {}, []
    for name, layer_class in (("layer", HybridMoe), ("one_hot", OneHotMoe)):
        bench = build_layer(setup.tokens, setup.dtype, preset="paper", layer_class=layer_class)
        steps[name] = bench.step()
        with torch.no_grad():
            outputs.append(bench.layer(bench.inputs, bench.route()).float())
    difference = ((outputs[1] - outputs[0]).norm() / outputs[0].norm()).item()
    assert difference < 0.02, f"the one-hot layer computes something else: relative difference {difference:.2g}"
    timings = interleave(steps, repeats=setup.repeats)
    return setup._asdict() | {
        "relative_difference": difference,
        "speedup": median_ratio(timings["one_hot"], timings["layer"]),
        "timings": timings,
    }


def measure_times(setup: Setup, sizes: tuple[int, ...]) -> dict[int, Timing]:
    """Time of one pass for each number of tokens, interleaved."""
    setup.enter()
    steps = {str(size): build_layer(size, setup.dtype).step() for size in sizes}
    return {int(size): timing for size, timing in interleave(steps, repeats=setup.repeats).items()}


def measure_memory(setup: Setup) -> int:
    """Peak memory of one pass beyond parameters and input: activations and all gradients."""
    setup.enter()
    build_layer(64, setup.dtype).step()()
    return peak_memory_bytes(build_layer(setup.tokens, setup.dtype).step())


class Extent(NamedTuple):
    """How much is measured."""

    quick: bool
    threads: int

    @property
    def repeats(self) -> int:
        """Repeats of the smallest case."""
        return 3 if self.quick else 15

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of tokens, rising."""
        return _SIZES[:2] if self.quick else _SIZES

    def setup(self, tokens: int, dtype: str, keep: bool = True) -> Setup:
        """As much work in a large case as in a small one, but no fewer than 3 repeats for a median."""
        return Setup(tokens, dtype, max(3, self.repeats * _SIZES[0] // tokens), self.threads, keep)


def judge_efficiency(extent: Extent) -> tuple[list[dict[str, Any]], list[Target]]:
    """Against dense matmuls: results, printed, and their targets."""
    ends = (extent.sizes[0], extent.sizes[-1])
    cases = [(n, dtype, keep) for n in ends for dtype in _DTYPES for keep in (True, False)]
    results = [in_fresh_process(measure_efficiency, extent.setup(*case)) for case in cases]
    print_table(
        f"Active FLOPs per second against dense matmuls, {extent.threads} thread(s)",
        ["tokens", "type", "freed memory", "layer", "dense", "GFLOP/s", "dense GFLOP/s", "ratio", "matmuls alone"],
        [
            [
                f"{r['tokens']:,}",
                r["dtype"],
                "kept" if r["keep_freed_memory"] else "returned",
                r["timings"]["layer"].text(),
                r["timings"]["dense"].text(),
                *(f"{r['gflop_per_s'][name]:.0f}" for name in ("layer", "dense")),
                f"{r['efficiency']:.3f}",
                f"{r['efficiency_of_grouped']:.3f}",
            ]
            for r in results
        ],
    )
    return results, [
        Target(f"FLOP rate / dense, {r['tokens']:,} tokens, {r['dtype']}", r["efficiency"], _MIN_EFFICIENCY[r["dtype"]])
        for r in results
        if r["keep_freed_memory"]
    ]


def judge_blocks(extent: Extent) -> tuple[list[dict[str, Any]], list[Target]]:
    """Against blocks of transformers: results, printed, and their targets."""
    sizes = (2048,) if extent.quick else (2048, 8192)
    results = [in_fresh_process(measure_blocks, extent.setup(n, dtype)) for n in sizes for dtype in _DTYPES]
    rows = [(r, name, ratio) for r in results for name, ratio in r["time_of_blocks"].items()]
    print_table(
        "Against transformers' blocks, grouped_mm (preset token-only, all trained)",
        ["tokens", "type", "block", "layer", "block's time", "ratio"],
        [
            [
                f"{r['tokens']:,}",
                r["dtype"],
                name,
                *(r["timings"][k].text() for k in ("layer", name)),
                f"{ratio:.3f}",
            ]
            for r, name, ratio in rows
        ],
    )
    return results, [
        Target(f"time / {name}, {r['tokens']:,} tokens, {r['dtype']}", ratio, _MAX_TIME_OF_BLOCKS, at_least=False)
        for r, name, ratio in rows
    ]


def judge_speedup(extent: Extent) -> tuple[list[dict[str, Any]], list[Target]]:
    """Against one-hot dispatch: results, printed, and their targets."""
    tokens = extent.sizes[0] if extent.quick else 8192
    results = [in_fresh_process(measure_speedup, extent.setup(tokens, dtype)) for dtype in _DTYPES]
    print_table(
        "Against one-hot dispatch (preset paper)",
        ["tokens", "type", "layer", "one-hot", "times as fast"],
        [
            [
                f"{r['tokens']:,}",
                r["dtype"],
                *(r["timings"][k].text() for k in ("layer", "one_hot")),
                f"{r['speedup']:.1f}",
            ]
            for r in results
        ],
    )
    return results, [
        Target(f"times as fast as one-hot, {r['tokens']:,} tokens, {r['dtype']}", r["speedup"], _MIN_SPEEDUP)
        for r in results
    ]


def measure_growth(extent: Extent, dtype: str) -> list[dict[str, Any]]:
    """Time and memory of each size, and per token as ratios to the smallest."""
    sizes = extent.sizes
    times = in_fresh_process(measure_times, extent.setup(sizes[1], dtype), sizes)
    memory = {n: in_fresh_process(measure_memory, extent.setup(n, dtype, keep=False)) for n in sizes}
    return [
        {
            "tokens": n,
            "dtype": dtype,
            "timing": times[n],
            "memory_bytes": memory[n],
            "time_per_token_ratio": times[n].median_s / n / (times[sizes[0]].median_s / sizes[0]),
            "memory_per_token_ratio": memory[n] / n / (memory[sizes[0]] / sizes[0]),
            "memory_bytes_per_added_token": (memory[n] - memory[fewer]) / (n - fewer) if fewer else None,
        }
        for fewer, n in zip((None, *sizes), sizes, strict=False)
    ]


def judge_growth(extent: Extent) -> tuple[list[dict[str, Any]], list[Target]]:
    """From the fewest to the most tokens: results, printed, and their targets."""
    results = [row for dtype in _DTYPES for row in measure_growth(extent, dtype)]
    print_table(
        f"Growth with tokens (ratios per token, to {extent.sizes[0]:,})",
        ["tokens", "type", "time", "time ratio", "memory", "memory ratio", "per added token"],
        [
            [
                f"{r['tokens']:,}",
                r["dtype"],
                r["timing"].text(),
                f"{r['time_per_token_ratio']:.3f}",
                f"{r['memory_bytes'] / 2**20:,.0f} MiB",
                f"{r['memory_per_token_ratio']:.3f}",
                f"{r['memory_bytes_per_added_token'] / 2**10:.1f} KiB" if r["memory_bytes_per_added_token"] else "",
            ]
            for r in results
        ],
    )
    worst = {what: max(r[f"{what}_per_token_ratio"] for r in results) for what in ("time", "memory")}
    return results, [
        Target(f"growth of {what} per token, worst", ratio, _MAX_GROWTH, at_least=False)
        for what, ratio in worst.items()
    ]


def main() -> None:
    """Measure, print, store."""
    parser = options_parser(__doc__, quick="fewer repeats and sizes, no one-hot comparison above 2048")
    parser.add_argument("--threads", type=int, default=1, help="1 is timed in processor time, more in wall time")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    extent = Extent(options.quick, options.threads)

    judged = {
        "efficiency": judge_efficiency(extent),
        "blocks": judge_blocks(extent),
        "one_hot": judge_speedup(extent),
        "scaling": judge_growth(extent),
    }
    results = {question: found for question, (found, _) in judged.items()}
    targets = [target for _, wanted in judged.values() for target in wanted]
    record("layer", results, targets, repeats=extent.repeats, options=options)
    console.print(f"{sum(t.met for t in targets)} of {len(targets)} targets met")


if __name__ == "__main__":
    main()
