"""Problems and completers for the tests of this folder."""

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from multipl_judge.problems.problem import Problem
from multipl_moe import MultiplMoeConfig, MultiplMoeForCausalLM
from multipl_moe.codegen.completer import Completion, Finish, Request
from multipl_moe.recipe.codegen import CodegenSection
from tests.conftest import randomise, tiny_base_config, tiny_moe
from tests.fixtures import NUM_TOKENS, save_tokenizer

PROMPTS = [
    "fn main() {",
    "x",
    "def add(a, b):\n    return",
    "// a far longer prompt than the others\n" * 2,
    "puts 1\n",
]


def problem(number: int, prompt: str = "fn", language: str = "rust", stop: tuple[str, ...] = ()) -> Problem:
    return Problem("tiny", f"p/{number}", language, prompt, "", "plain", stop)


def problems(stop: tuple[str, ...] = (), num_problems: int = 5) -> list[Problem]:
    return [problem(number, PROMPTS[number % len(PROMPTS)] + "a" * number, stop=stop) for number in range(num_problems)]


def settings(**values: Any) -> CodegenSection:
    return CodegenSection.model_validate({"max_new_tokens": 24} | values)


def byte_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """One token for each byte, and an end-of-text token."""
    save_tokenizer(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def tiny_model(preset: str | None = "causal", family: str = "llama", **base: Any) -> Any:
    """A random model of bytes; dense without a preset."""
    values = {"vocab_size": NUM_TOKENS, "eos_token_id": NUM_TOKENS - 1} | base
    config = tiny_base_config(family, **values)
    if preset is None:
        model: Any = AutoModelForCausalLM.from_config(config)
    else:
        model = MultiplMoeForCausalLM(MultiplMoeConfig(text_config=config, moe=tiny_moe(preset).to_dict()))
    randomise(model)
    return model.eval()


def merging_tokenizer(*words: str) -> PreTrainedTokenizerFast:
    """Bytes, whole words as tokens of their own (to decode, not to encode), and an end-of-text token."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    spelled = [byte_level.pre_tokenize_str(word)[0][0] for word in words]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys([*sorted(alphabet), *spelled]))}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = byte_level
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")


def spacing_tokenizer(*words: str) -> PreTrainedTokenizerFast:
    """Words that carry the space before them, which decoding takes off the first word, as Llama 2 does."""
    vocabulary = {word: index for index, word in enumerate(["<unk>", "\u2581", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken("<s>", special=True)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>")


class Echo:
    """Completes each prompt with its key, sample and seed; counts its batches and fails at one of them."""

    def __init__(self, name: str = "echo", fail_at: int | None = None, error: BaseException | None = None) -> None:
        self.name, self.identity = name, {"of": name}
        self.batches: list[list[Request]] = []
        self._fail_at, self._error = fail_at, error or KeyboardInterrupt()

    def complete(self, batch: list[Request], settings: CodegenSection) -> list[Completion]:
        if len(self.batches) == self._fail_at:
            raise self._error
        self.batches.append(batch)
        return [Completion(f"{request.key} {request.seed}\u2028é\n", Finish.end) for request in batch]
