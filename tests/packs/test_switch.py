"""`export --switch`: in llama.cpp itself text is read by the base to the bit, and by a pack where its tokens say so."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader, TokenType
from safetensors.torch import load_file, save_file

from benchmarks.llama_cpp_reader import LlamaCppModel
from multipl_moe.checkpoints.loading import load_config
from multipl_moe.errors import BaseModelError, ConfigError, OutputError
from multipl_moe.export.gguf import write_gguf
from multipl_moe.packs.adapters import write_adapter_gguf
from multipl_moe.packs.canary import load_canaries
from multipl_moe.packs.switch import control_tokens, export_switch
from tests.export.test_gguf import LLAMA3_ROPE
from tests.packs.conftest import pack_of
from tests.packs.test_adapters import llama_cpp_base
from tests.upcycle.conftest import save_base

TURNS = 20
CACHES: list[dict[str, Any]] = [
    {"cache": "float32"},
    {"cache": "float16"},
    {"cache": "float16", "flash_attention": True},  # llama-server's own
]
NUM_TOKENS = 300  # that the base has


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base, three packs and all of them as GGUF; one.gguf has as many packs as there may be."""
    root = tmp_path_factory.mktemp("switch")
    base, tokenizer = llama_cpp_base(root, "llama", vocab_size=NUM_TOKENS + 1, tie_word_embeddings=True)
    assert tokenizer.get_vocab_size() == NUM_TOKENS
    weights = load_file(base / "model.safetensors")  # tied as they are, each token would be sure to come again
    weights["model.embed_tokens.weight"] *= 0.3
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    for seed, (name, targets) in enumerate({"rust": "all", "ocaml": "ffn", "lua": "all"}.items(), 1):
        layers = [0, 1, 2] if targets == "all" else [1, 2]
        pack = pack_of(root, base, name, seed, size=0.5, targets=targets, rank=4 * seed, layers=layers)
        write_adapter_gguf(pack, load_config(base), root / f"{name}.gguf")
    write_gguf(base, root / "base.gguf")
    folders = {"rust": "rust", "ocaml": "ocaml", "lua": "lua", "four": "rust", "five": "ocaml", "six": "lua"}
    files = export_switch({name: root / folder for name, folder in folders.items()}, root / "one", str(base), ("Q8_0",))
    assert [file.relative_to(root).as_posix() for file in files] == ["one/one-F32.gguf", "one/one-Q8_0.gguf"]
    return root


def test_text_without_control_token_is_the_bases_to_the_bit(made: Path):
    tokens = list(range(NUM_TOKENS))
    for cache in CACHES:
        with (
            LlamaCppModel(made / "one/one-F32.gguf", **cache) as one,
            LlamaCppModel(made / "base.gguf", **cache) as base,
        ):
            (control,) = one.tokenise(control_tokens("rust")[0])
            expected = base.logits(tokens)[:, :NUM_TOKENS]
            assert np.array_equal(one.logits(tokens)[:, :NUM_TOKENS], expected)
            before = one.logits([*tokens[:-1], control])[:-1, :NUM_TOKENS]
            assert np.array_equal(before, expected[:-1])


@pytest.mark.parametrize("cache", CACHES, ids=lambda cache: "-".join(map(str, cache.values())))
def test_packs_switched_off_and_on_are_their_adapters_on_the_base(made: Path, cache: dict[str, Any]):
    """The reference puts llama.cpp's own adapter on and takes it off between parts of a text, over one cache."""
    bound = 1e-4 if cache["cache"] == "float32" else 0.02  # rounding to float16 makes much of little
    with LlamaCppModel(made / "one/one-F32.gguf", **cache) as one, LlamaCppModel(made / "base.gguf", **cache) as base:
        line_break, text = base.tokenise("\n"), base.tokenise("let x = 12 in f x")
        for name, folder in (("rust", "rust"), ("ocaml", "ocaml"), ("six", "lua")):
            first, off, on = (one.tokenise(token)[0] for token in control_tokens(name))
            adapter, position = (made / f"{folder}.gguf", 1.0), len(text)
            off_rows = base.logits(text)[:, :NUM_TOKENS]
            assert np.array_equal(one.logits(text)[:, :NUM_TOKENS], off_rows)
            for turn in range(TURNS):
                for control, adapters in ((on if turn else first, [adapter]), (off, [])):
                    base.adapt(*adapters)
                    part = text[turn % 5 : turn % 5 + 2]
                    expected = base.decode([*line_break, *part], position)[:, :NUM_TOKENS]
                    found = one.decode([control, *part], position)[:, :NUM_TOKENS]
                    assert np.abs(found - expected).max() < bound, (name, turn)
                    position += 1 + len(part)
            base.adapt(adapter)
            assert np.abs(base.logits(text)[:, :NUM_TOKENS] - off_rows).max() > 20 * bound
            base.adapt()


def test_canaries_tell_what_llama_cpp_says_with_and_without_the_control_token(made: Path):
    with LlamaCppModel(made / "one/one-F32.gguf", cache="float32") as one:
        for name, canaries in load_canaries(made / "one/canary.json").items():
            for canary in canaries:
                assert canary.control == control_tokens(name)[0]
                assert canary.prompt.startswith("\n")
                for prompt, expected in (
                    (canary.prompt, canary.base),
                    (canary.control + canary.prompt[1:], canary.adapter),
                ):
                    logits = one.logits(one.tokenise(prompt))[-1, :NUM_TOKENS].astype("float64")
                    (token,) = one.tokenise(canary.token)
                    assert logits[token] - np.log(np.exp(logits).sum()) == pytest.approx(expected, abs=0.01)


def test_control_tokens_are_no_text_and_are_never_sampled(made: Path):
    first, off, on = control_tokens("lua")
    with LlamaCppModel(made / "one/one-F32.gguf") as one, LlamaCppModel(made / "base.gguf") as base:
        tokens = one.tokenise(f"x{first}y{off}z{on}")
        assert base.tokenise("x") == tokens[:1]
        assert base.tokenise("y") == tokens[2:3]
        assert base.tokenise("z") == tokens[4:5]
        assert one.tokenise(first, parse_special=False) == base.tokenise(first)
        num_tokens = one.vocab_size
    fields = GGUFReader(made / "one/one-F32.gguf").fields
    kinds = fields["tokenizer.ggml.token_type"].contents()
    assert {kinds[token] for token in tokens[1::2]} == {TokenType.CONTROL}
    assert fields["tokenizer.ggml.suppress_tokens"].contents() == list(range(NUM_TOKENS, num_tokens))


def test_on_a_quantised_base_packs_stay_whole_and_the_card_names_it_with_all_tokens(made: Path):
    readers = (GGUFReader(made / f"one/one-{kind}.gguf") for kind in ("F32", "Q8_0"))
    whole, small = ({one.name: one.data for one in reader.tensors if "lora" in one.name} for reader in readers)
    assert len(whole) == 3 * 7 * 2
    assert all(np.array_equal(small[name], values) for name, values in whole.items())
    with LlamaCppModel(made / "one/one-Q8_0.gguf") as one:
        assert one.logits(one.tokenise(control_tokens("rust")[0] + "let x = 12")).std() > 0.1
    card = (made / "one/README.md").read_text()
    assert "llama-server -m one/one-Q8_0.gguf" in card
    assert "| lua | Lua | `<\\|lua\\|>` | `<\\|lua:off\\|>` | `<\\|lua:on\\|>` |\n" in card
    assert "**One pack a text.**" in card
    assert str(made) not in card


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        ("qwen2", {}, "base: it is qwen2, not llama or mistral; export with --adapter"),
        ("llama", {"attention_bias": True}, "it has biases"),
        ("llama", {"mlp_bias": False, "rope_parameters": LLAMA3_ROPE}, "its rotary embedding is scaled by llama3"),
    ],
)
def test_bases_that_llama_cpp_cannot_switch_on_are_refused(made: Path, tmp_path: Path, family, settings, message):
    base = save_base(tmp_path / "base", family, **settings)
    with pytest.raises(BaseModelError, match=message):
        export_switch({"rust": made / "rust"}, tmp_path / "out", str(base))
    assert not (tmp_path / "out").exists()


def test_packs_that_cannot_be_in_one_file_are_refused(made: Path, tmp_path: Path):
    base, rust = str(made / "base"), made / "rust"
    with pytest.raises(ConfigError, match=r"7 packs; llama\.cpp tells up to 6"):
        export_switch({f"p{index}": rust for index in range(7)}, tmp_path / "out", base)
    with pytest.raises(BaseModelError, match=r"a token <\|endoftext\|>; give the pack another name"):
        export_switch({"endoftext": rust}, tmp_path / "out", base)
    with pytest.raises(BaseModelError, match="other weights"):
        export_switch({"rust": rust}, tmp_path / "out", str(save_base(tmp_path / "other", mlp_bias=False, seed=5)))
    bare = shutil.copytree(made / "base", tmp_path / "bare", ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(BaseModelError, match="bare has no tokenizer that can be read"):
        export_switch({"rust": rust}, tmp_path / "out", str(bare))
    with pytest.raises(OutputError, match="one exists"):
        export_switch({"rust": rust}, made / "one", base)
    assert not (tmp_path / "out").exists()
