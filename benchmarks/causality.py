"""What routing leaks of the future: the loss with a whole window in view against the loss step by step.

    python benchmarks/causality.py CORPUS NAME=MODEL [...] --work FOLDER [--windows N] [--quick] [--output FILE.json]

Tokens of held-out windows are scored three times: teacher-forced alone (`one`), teacher-forced in a batch beside
windows of other languages (`rows`), and step by step (`step`): the model sees the tokens before it only, so routing is
computed from these alone, as in generation without a cache. The leak is the step-by-step loss minus a teacher-forced
one, in nats per token; 0 up to rounding where routing is causal. Intervals: 95%, bootstrap over windows. In float32.

A forward pass a scored token, every fourth of a window: 28 windows take about 5 minutes a model of 135M parameters on
2 cores. FOLDER keeps each batch of windows that is done; a run started again, or with more windows, goes on from there.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import Target, console, options_parser, record
from leak import COMPARISONS, SEGMENT_TOKENS, leak_plot, print_leak, summarise
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.corpus.documents import documents_path, read_documents
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.runs.folder import write_text
from multipl_moe.system.device import fastest_attention

_FIGURE = Path(__file__).parents[1] / "docs" / "images" / "causality.png"
_MAX_ROUNDING = 1e-3  # nats of one token, as in promise 2 of docs/design.md
_ROWS, _WINDOW_TOKENS = 4, 256  # as in the demo's training
_STRIDE = 4  # one token in so many is scored; which one of them rotates from window to window of a language


@dataclass(frozen=True)
class Window:
    """A stretch of a held-out file: the model's input, and one token more to predict.

    Attributes:
        number: of the window among those of its language.
    """

    language: str
    number: int
    path: str
    begin: int
    tokens: list[int]

    @property
    def places(self) -> range:
        """Inputs whose prediction is scored."""
        return range(self.number % _STRIDE, len(self.tokens) - 1, _STRIDE)


class Replay(nn.Module):
    """Stands for the layers below the first hybrid one: dense, so that a prefix has a prefix of their output."""

    def __init__(self, hidden_1TH: Tensor) -> None:
        super().__init__()
        self.hidden_1TH = hidden_1TH

    def forward(self, hidden_states: Tensor, **_: Any) -> Tensor:
        return self.hidden_1TH[:, : hidden_states.shape[1]]


@contextmanager
def lower_layers_replayed(model: MultiplMoeForCausalLM, tokens_1T: Tensor) -> Iterator[None]:
    """Within it the layers below the first hybrid one are not computed again for prefixes of the tokens."""
    layers, first = model.model.layers, min(model.hybrid_layers)
    captured: list[Tensor] = []
    hook = layers[first].register_forward_pre_hook(lambda layer, args: captured.append(args[0]))
    model(input_ids=tokens_1T, logits_to_keep=1)
    hook.remove()
    replaced = list(layers[:first])
    for index in range(first):
        layers[index] = Replay(captured[0])
    try:
        yield
    finally:
        for index, layer in enumerate(replaced):
            layers[index] = layer


def losses(logits_NV: Tensor, targets_N: Tensor) -> Tensor:
    """(N,) nats; the sum over the vocabulary runs over contiguous memory, else float32 loses four digits of it."""
    return F.cross_entropy(logits_NV.contiguous(), targets_N, reduction="none")


def teacher_forced_losses(model: MultiplMoeForCausalLM, tokens_BT: Tensor) -> Tensor:
    """(B, T-1) nats of each token but the first of each row, all inputs of the batch in view of the routers."""
    logits = model(input_ids=tokens_BT[:, :-1]).logits
    return losses(logits.flatten(0, 1), tokens_BT[:, 1:].flatten()).view_as(tokens_BT[:, 1:])


def step_loss(model: MultiplMoeForCausalLM, tokens_1T: Tensor, place: int) -> Tensor:
    """(1,) nats of the token after the input at `place`, only the inputs up to there in view."""
    logits = model(input_ids=tokens_1T[:, : place + 1], logits_to_keep=1).logits
    return losses(logits[:, -1], tokens_1T[:, place + 1])


def choose_windows(tokenizer: PreTrainedTokenizerBase, corpus: Path, size: int, per_language: int) -> list[Window]:
    """A window at a random place of each of the first held-out files that are long enough; languages take turns."""
    by_language = []
    for documents in sorted(documents_path(corpus, "validation", "*").parent.glob("*.jsonl.gz")):
        language, windows = documents.name.removesuffix(".jsonl.gz"), []
        for number, file in enumerate(read_documents(corpus, "validation", language)):
            tokens = tokenizer(file.text, add_special_tokens=False)["input_ids"]
            if len(tokens) > size and len(windows) < per_language:
                begin = int(np.random.default_rng(number).integers(len(tokens) - size))
                windows.append(Window(language, len(windows), file.path, begin, tokens[begin : begin + size + 1]))
        by_language.append(windows)
    return [windows[turn] for turn in range(per_language) for windows in by_language if turn < len(windows)]


def weights_digest(folder: Path) -> str:
    """SHA-256 over a model's weights, so that batches of a model that was trained anew are not taken for its own."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def read_batches(file: Path, settings: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The batches that an earlier run finished; the file is begun, or cut after its last whole line."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.is_file() else []
    whole = [line for line in lines if line.endswith("\n")] or [json.dumps(settings) + "\n"]
    if json.loads(whole[0]) != settings:
        raise SystemExit(f"{file} is of another run, {whole[0].strip()}; choose another --work folder")
    write_text(file, "".join(whole))
    return [json.loads(line) for line in whole[1:]]


@torch.no_grad()
def measure_batch(model: MultiplMoeForCausalLM, batch: list[Window]) -> list[dict[str, Any]]:
    """Losses of each window at its places, ready for JSON; and how far replayed layers are off, at the middle one."""
    tokens_BT = torch.tensor([window.tokens for window in batch])
    together_BT = teacher_forced_losses(model, tokens_BT)
    rows = []
    for window, tokens_1T, together_T in zip(batch, tokens_BT.split(1), together_BT, strict=True):
        places = list(window.places)
        middle = len(places) // 2
        with lower_layers_replayed(model, tokens_1T):
            step = [step_loss(model, tokens_1T, place).item() for place in places]
        rows.append(
            {
                "language": window.language,
                "path": window.path,
                "begin": window.begin,
                "places": places,
                "step": step,
                "one": teacher_forced_losses(model, tokens_1T)[0, places].tolist(),
                "rows": together_T[places].tolist(),
                "replay_error": abs(step_loss(model, tokens_1T, places[middle]).item() - step[middle]),
            }
        )
    return rows


def measure(name: str, folder: Path, corpus: Path, work: Path, size: int, per_language: int) -> dict[str, Any]:
    """The leak of one model over all windows in whole batches, summarised."""
    model, tokenizer = load_hybrid(folder, torch.float32).eval(), AutoTokenizer.from_pretrained(folder)
    model.set_attn_implementation(fastest_attention(model))
    windows = choose_windows(tokenizer, corpus, size, per_language)
    batches = [windows[begin : begin + _ROWS] for begin in range(0, len(windows) - _ROWS + 1, _ROWS)]
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"{name}.jsonl"
    settings = {
        "model": str(folder.resolve()),
        "weights_sha256": weights_digest(folder),
        "corpus": str(corpus.resolve()),
        "window_tokens": size,
    }
    done = read_batches(file, settings)[: len(batches)]
    columns = TextColumn(name), BarColumn(), MofNCompleteColumn(), TextColumn("batches"), TimeRemainingColumn()
    with Progress(*columns, console=console) as bar, file.open("a", encoding="utf-8") as lines:
        task = bar.add_task(name, total=len(batches), completed=len(done))
        for batch in batches[len(done) :]:
            done.append(measure_batch(model, batch))
            lines.write(json.dumps(done[-1]) + "\n")
            lines.flush()
            bar.advance(task)
    rows = [row for batch in done for row in batch]
    error = max(row["replay_error"] for row in rows)
    return {"is_causal": model.config.moe_config.is_causal, "replay_error": error, **summarise(rows)}


def targets_of(name: str, summary: dict[str, Any]) -> list[Target]:
    """What must be 0 up to rounding."""
    checks = {"replayed lower layers": summary["replay_error"]}
    if summary["is_causal"]:
        checks |= {
            f"step by step to teacher-forced {COMPARISONS[kind]}": difference
            for kind, difference in summary["largest_difference"].items()
        }
    return [
        Target(f"{name}, largest difference of a token: {what}", value, _MAX_ROUNDING, at_least=False)
        for what, value in checks.items()
    ]


def main() -> None:
    """Measure, print, draw, store."""
    parser = options_parser(__doc__, quick="two short windows a language")
    parser.add_argument("corpus", type=Path, help="folder that `multipl-moe corpus` wrote")
    parser.add_argument(
        "models", nargs="+", metavar="NAME=MODEL", help="what to call a hybrid checkpoint, and its folder"
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for finished windows")
    parser.add_argument("--windows", type=int, default=4, help="windows a language")
    options = parser.parse_args()
    size, per_language = (SEGMENT_TOKENS + 8, 2) if options.quick else (_WINDOW_TOKENS, options.windows)
    summaries, targets = {}, []
    for name, _, folder in (argument.partition("=") for argument in options.models):
        summaries[name] = measure(name, Path(folder), options.corpus, options.work, size, per_language)
        print_leak(name, summaries[name])
        targets += targets_of(name, summaries[name])
    results = {"window_tokens": size, "batch_windows": _ROWS, "scored": f"1 token in {_STRIDE}", "models": summaries}
    if record("causality", results, targets, repeats=1, options=options):
        figure = options.output.with_suffix(".png") if options.output else _FIGURE
        leak_plot(summaries).savefig(figure, dpi=150)
        console.print(f"written: {figure}")


if __name__ == "__main__":
    main()
