"""Native exports in transformers and in llama.cpp: how far they are from the hybrid, how large, and how fast.

    python benchmarks/serving.py [--quick] [--trained RUN] [--threads N] [--output FILE.json] [--page docs/native.md]

Hybrids of preset token-only, on tiny random bases of two families and on SmolLM2-135M (whose tokenizer all have), with
routers and experts made unlike each other, not trained: differences and speed hardly depend on that. Files are compared
by the perplexity of a text of Python. Target: llama.cpp decodes a hybrid of SmolLM2 at 0.8 or more of the speed that
active parameters predict from its base, both in bfloat16.

With --trained, the model of a demo's folder is merged into a dense one too, which is measured against its base.
Target: its smallest file is at most 0.4 of the hybrid in bfloat16.

Writes its two tables into the page, between the comments that name this script.
"""

import inspect
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from harness import Target, Timing, interleave, median_ratio, options_parser, print_table, record
from llama_cpp_reader import LlamaCppModel
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from multipl_moe import MoeConfig, MultiplMoeConfig, MultiplMoeForCausalLM
from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.demo.recipe import DEMO_RECIPE
from multipl_moe.errors import ConfigError
from multipl_moe.export.folder import ExportReport, ExportSettings, export_model
from multipl_moe.export.llama_cpp import QUANTISED
from multipl_moe.export.native import native_config, require_native
from multipl_moe.model.families import FAMILIES
from multipl_moe.model.parameters import count_parameters
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.upcycle.convert import upcycle

_PAGE = Path(__file__).parents[1] / "docs" / "native.md"
_PRESET = "token-only"
_MEASURED = ("llama", "qwen2")
_HIDDEN, _NUM_LAYERS = 256, 4
_LAYERS = "last:8"
_TEXT_TOKENS = 400
_NEW_TOKENS = 24
_MIN_SHARE_OF_PREDICTED = 0.8
_MAX_SHARE_OF_SIZE = 0.4
# Without a bias on logits, which no architecture has.
_SETTINGS = {"token_bias_rate": 0.0}


@dataclass(frozen=True)
class Row:
    """One way to serve one model: the difference from the hybrid, as logits or as perplexity, size and speed."""

    model: str
    preset: str
    way: str
    difference: str
    num_bytes: int
    decode: Timing

    @property
    def cells(self) -> list[str]:
        speed = _NEW_TOKENS / self.decode.median_s
        return [self.model, self.preset, self.way, self.difference, f"{self.num_bytes / 1e6:,.0f} MB", f"{speed:,.0f}"]


def homes() -> list[list[str]]:
    """Of every family, with experts in all layers, the architecture or the reason why there is none."""
    rows = []
    for family in FAMILIES:
        config = tiny_config(family)
        try:
            require_native(config)
            home = f"`{native_config(config).model_type}`"
        except ConfigError as error:
            home = str(error).removeprefix("--native: ")
        rows.append([f"`{family}`", home])
    return rows


def tiny_config(family: str, vocab_size: int = 256) -> MultiplMoeConfig:
    """A hybrid of a few small layers, all of them with experts."""
    sizes = {"hidden_size": _HIDDEN, "intermediate_size": 2 * _HIDDEN, "num_hidden_layers": _NUM_LAYERS}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": _HIDDEN // 4, "sliding_window": None}
    base = AutoConfig.for_model(family, vocab_size=vocab_size, pad_token_id=0, eos_token_id=0, **sizes, **heads)
    moe = MoeConfig.from_preset(_PRESET, experts={"layers": list(range(_NUM_LAYERS))}, routing=_SETTINGS)
    return MultiplMoeConfig(text_config=base, moe=moe.to_dict())


def save_tiny(folder: Path, family: str, tokenizer: Any) -> None:
    """A random model of `tiny_config`, of unit gain, with a tokenizer."""
    model: Any = MultiplMoeForCausalLM(tiny_config(family, len(tokenizer)))
    _unlike(model, 1.0)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_upcycled(folder: Path) -> None:
    """A hybrid of the demo's base with experts and routers that differ."""
    settings = {"upcycle.verify": False, "moe.preset": _PRESET, "moe.experts.layers": _LAYERS, "moe.gate.languages": []}
    upcycle(load_recipe(None, DEMO_RECIPE | settings | {"moe.routing.token_bias_rate": 0.0}), folder)
    model = load_hybrid(folder)
    _unlike(model, 0.1)
    model.save_pretrained(folder)


@torch.no_grad()
def _unlike(model: MultiplMoeForCausalLM, share: float) -> None:
    """Move weights towards random ones of unit gain, routers all the way; with a share below 1, only experts."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if "norm" not in name and (share == 1 or "experts." in name or "router" in name):
            noise = torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5
            parameter.lerp_(noise.to(parameter.dtype), 1.0 if "router" in name else share)


def measure(name: str, hybrid: Path, out: Path, repeats: int) -> tuple[list[Row], ExportReport]:
    """Every way to serve one hybrid as a native model, timed in turn."""
    report = export_model(hybrid, out, ExportSettings(native=True, gguf=True, quantise=tuple(QUANTISED)))
    return _timed_ways(name, _PRESET, f"`{report.native}`", f"{report.difference:.1e}", report, repeats), report


def measure_merged(run: Path, out: Path, repeats: int) -> tuple[list[Row], dict[str, Any]]:
    """Every way to serve the model of a run as the dense model that it is with its gate open."""
    model, recipe = run / "model", load_recipe(run / "recipe.yaml")
    settings = ExportSettings(
        torch.bfloat16, corpus=run / "corpus", recipe=recipe, gguf=True, quantise=tuple(QUANTISED), anyway=True
    )
    report = export_model(model, out, settings)
    assert report.merge_cost is not None
    means = report.merge_cost.from_base.means
    changes = ", ".join(f"{role} {means[role].change:+.1%}" for role in ("learn", "keep"))
    hybrid_bytes = 2 * count_parameters(load_hybrid(model).config).total
    (smallest,) = (file for file in report.gguf if "Q4_K_M" in file.name)
    sizes = {"hybrid_bytes": hybrid_bytes, "q4_share": smallest.stat().st_size / hybrid_bytes}
    preset = recipe.moe.preset
    stored = {role: mean.to_json() for role, mean in means.items()} | sizes
    return _timed_ways("SmolLM2-135M, trained", preset, "`--merge`", changes, report, repeats), stored


def _timed_ways(name: str, preset: str, way: str, difference: str, report: ExportReport, repeats: int) -> list[Row]:
    """What was exported in transformers, and its GGUF files in llama.cpp."""
    out = report.output
    native: Any = AutoModelForCausalLM.from_pretrained(out).eval()
    native.generation_config.eos_token_id = None
    text = inspect.getsource(json.decoder)
    tokens = AutoTokenizer.from_pretrained(out).encode(text)[:_TEXT_TOKENS]
    with torch.no_grad():
        loss = native.float()(input_ids=torch.tensor([tokens]), labels=torch.tensor([tokens])).loss.item()
    native.to(report.dtype)
    prompt = torch.tensor([tokens[:16]])
    num_bytes = sum(file.stat().st_size for file in out.glob("*.safetensors"))
    settings = {"max_new_tokens": _NEW_TOKENS, "do_sample": False, "pad_token_id": 0}
    steps: dict[str, Any] = {"native": lambda: native.generate(prompt, attention_mask=prompt > -1, **settings)}
    readers = {file: LlamaCppModel(file, _TEXT_TOKENS + 64) for file in report.gguf}
    for file, reader in readers.items():
        steps[file.name] = lambda reader=reader: reader.greedy(tokens[:16], _NEW_TOKENS)
    timings = interleave(steps, repeats=repeats)
    ways = [Row(name, preset, way, difference, num_bytes, timings["native"])]
    for file, reader in readers.items():
        change = reader.perplexity(tokens) / torch.tensor(loss).exp().item() - 1
        kind = file.stem.rpartition("-")[2]
        ways.append(Row(name, preset, f"GGUF {kind}", f"{change:+.2%}", file.stat().st_size, timings[file.name]))
        reader.__exit__()
    return ways


def base_and_hybrid(base: Path, hybrid: Path, gguf: Path, out: Path, repeats: int) -> dict[str, float]:
    """Speed of the hybrid in llama.cpp as a share of its base's, measured in turn, and by active parameters."""
    (dense,) = export_model(base, out, ExportSettings(gguf=True)).gguf
    with LlamaCppModel(dense) as one, LlamaCppModel(gguf) as other:
        prompt = list(range(1, 17))
        steps = {"base": lambda: one.greedy(prompt, _NEW_TOKENS), "hybrid": lambda: other.greedy(prompt, _NEW_TOKENS)}
        timings = interleave(steps, repeats=repeats)
    counts = count_parameters(load_hybrid(hybrid).config)
    num_base = sum(parameter.numel() for parameter in AutoModelForCausalLM.from_pretrained(base).parameters())
    return {"measured": median_ratio(timings["base"], timings["hybrid"]), "predicted": num_base / counts.active}


def write_page(page: Path, homes: list[list[str]], rows: list[Row]) -> None:
    """Put the two tables between the page's comments."""
    for name, columns, cells in (
        ("homes", ["family", _PRESET], homes),
        ("ways", list(_COLUMNS), [row.cells for row in rows]),
    ):
        begin, end = f"<!-- {name}: written by benchmarks/serving.py -->", f"<!-- end of {name} -->"
        text = page.read_text(encoding="utf-8")
        head, rest = text.split(begin)
        lines = ["| " + " | ".join(cells) + " |" for cells in (columns, ["---"] * len(columns), *cells)]
        page.write_text("\n".join([head + begin, "", *lines, "", end]) + rest.split(end)[1], encoding="utf-8")


_COLUMNS = ("model", "preset", "way", "logits, or perplexity", "size", "tokens/s")


def main() -> None:
    parser = options_parser(__doc__, quick="two repeats and no SmolLM2")
    parser.add_argument("--threads", type=int, default=1, help="PyTorch threads; llama.cpp gets one")
    parser.add_argument("--trained", type=Path, metavar="RUN", help="folder of a demo, whose model is merged")
    parser.add_argument("--page", type=Path, help=f"page whose tables are written anew, such as {_PAGE.name}")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    repeats = 2 if options.quick else 5
    base = resolve_base(load_recipe(None, DEMO_RECIPE).base)
    tokenizer, rows, speed, merged = AutoTokenizer.from_pretrained(base), [], {}, {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for family in _MEASURED:
            save_tiny(work / "hybrid" / family, family, tokenizer)
            found, _ = measure(f"tiny {family}", work / "hybrid" / family, work / family, repeats)
            rows += found
        if not options.quick:
            save_upcycled(work / "upcycled")
            found, report = measure("SmolLM2-135M", work / "upcycled", work / "native", repeats)
            rows += found
            speed = base_and_hybrid(base, work / "upcycled", report.gguf[0], work / "base", repeats)
        if options.trained is not None:
            found, merged = measure_merged(options.trained, work / "merged", repeats)
            rows += found
    print_table("Ways to serve", list(_COLUMNS), [row.cells for row in rows])
    targets = []
    if speed:
        share = speed["measured"] / speed["predicted"]
        targets.append(Target("speed in llama.cpp over predicted", share, _MIN_SHARE_OF_PREDICTED))
    if merged:
        targets.append(
            Target("Q4_K_M over the hybrid in bfloat16", merged["q4_share"], _MAX_SHARE_OF_SIZE, at_least=False)
        )
    results = {"rows": [asdict(row) for row in rows], "speed": speed, "merged": merged}
    record("serving", results, targets, repeats=repeats, options=options)
    if options.page is not None:
        write_page(options.page, homes(), rows)


if __name__ == "__main__":
    main()
