"""Builders that tests of several folders share."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from multipl_moe.model.moe_config import ExpertsConfig, GateConfig
from multipl_moe.model.routing_config import RoutingConfig

NUM_TOKENS = 257


def moe_section(preset: str = "pack", **settings: Any) -> dict[str, Any]:
    """A recipe's `moe` of settings by the keys of its parts, which are of different names; Nones are left out.

    Those of routing are left out where there is none, so that one set of them goes with every preset.
    """
    section: dict[str, Any] = {"preset": preset}
    for name, part in (("gate", GateConfig), ("experts", ExpertsConfig), ("routing", RoutingConfig)):
        keys = {key.name for key in fields(part)} & settings.keys()
        section[name] = {key: settings[key] for key in keys if settings[key] is not None}
        settings = {key: value for key, value in settings.items() if key not in keys}
    assert not settings, settings
    return section | ({"routing": {}} if preset in ("pack", "single") else {})


def known_speed(dtype: Any, *, num_rows: int, hidden_size: int, intermediate_size: int) -> Any:
    """In place of `measure_speed`; imported here, as few tests need what trains."""
    from multipl_moe.train.machine import MachineSpeed

    return MachineSpeed(flops_per_s=1e10, bytes_per_s=1e10)


def byte_level(splitter: pre_tokenizers.PreTokenizer | None = None, pieces: Iterable[str] = (), merges=()) -> Tokenizer:
    """A BPE of these pieces, each with its number in their order, and merges; without pieces, to be trained."""
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, list(merges)))
    tokenizer.pre_tokenizer = splitter or pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def save_tokenizer(folder: Path) -> None:
    """A tokenizer of one token per byte and an end-of-text token."""
    tokenizer = byte_level(pieces=sorted(pre_tokenizers.ByteLevel.alphabet()))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(folder)


def add_tokens(folder: Path, *texts: str) -> None:
    """Give a folder's tokenizer tokens that, as Qwen's of fill in the middle, do not count as special."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(list(texts))
    tokenizer.save(str(folder / "tokenizer.json"))


def trained_tokenizer(texts: Iterable[str], splitter: pre_tokenizers.PreTokenizer | None = None) -> Tokenizer:
    """A byte-level tokenizer of 300 tokens at most, trained on texts, with an end-of-text token."""
    tokenizer = byte_level(splitter)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_trained_tokenizer(folder: Path, texts: Iterable[str]) -> int:
    """Save a tokenizer that is trained on texts; returns its size."""
    tokenizer = trained_tokenizer(texts)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(folder)
    return tokenizer.get_vocab_size()


CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message.role == 'robot' %}{{ raise_exception('no robots') }}{% endif %}"
    "<|im_start|>{{ message.role }}\n{{ message.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def save_chat_tokenizer(folder: Path) -> None:
    """The tokenizer of `save_tokenizer` with the marks of turns and a chat template."""
    save_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)


def save_stripping_tokenizer(folder: Path, words: list[str]) -> dict[str, int]:
    """A tokenizer in the manner of Llama 2, whose decoder leaves out a text's first space; returns its vocabulary."""
    tokens = ["<s>", "</s>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", *words]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    space = decoders.Replace("\u2581", " ")
    tokenizer.decoder = decoders.Sequence([space, decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    return vocabulary


def save_beginning_texts(source: Path, folder: Path, start: str = "<s>", template: str = "{} $A") -> int:
    """The tokenizer of a folder with a token in front of every text, as Llama 3's has; returns the token's id."""
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.add_special_tokens({"bos_token": start})
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        template.format(start), special_tokens=[(start, tokenizer.bos_token_id)]
    )
    tokenizer.save_pretrained(folder)
    return tokenizer.bos_token_id


def interrupt(*args: Any, **kwargs: Any) -> Any:
    """Stands for a function in which Ctrl-C is pressed."""
    raise KeyboardInterrupt


def killed_at_work(file: Path, num_lines: int, work: Callable[..., object], *args: Any) -> None:
    """Do some work in a process that is killed as soon as a file has so many lines."""
    process = multiprocessing.get_context("fork").Process(target=work, args=args)
    process.start()
    deadline = time.monotonic() + 120
    while not file.is_file() or file.read_bytes().count(b"\n") < num_lines:
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def tree(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder, by relative path; folders have none."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }
