"""Problems and completers for the tests of this folder."""

from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from multipl_judge.problems.problem import Problem
from multipl_moe import MultiplMoeConfig, MultiplMoeForCausalLM
from multipl_moe.codegen.completer import Completion, Finish, Request
from multipl_moe.recipe.codegen import CodegenSection
from tests.conftest import randomise, tiny_base_config, tiny_dense, tiny_moe
from tests.fixtures import NUM_TOKENS, byte_level

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


def tiny_model(preset: str | None = "causal", family: str = "llama", **base: Any) -> Any:
    """A random model of bytes; dense without a preset."""
    values = {"vocab_size": NUM_TOKENS, "eos_token_id": NUM_TOKENS - 1} | base
    if preset is None:
        return tiny_dense(family, **values)
    config = tiny_base_config(family, **values)
    model: Any = MultiplMoeForCausalLM(MultiplMoeConfig(text_config=config, moe=tiny_moe(preset).to_dict()))
    randomise(model)
    return model.eval()


def merging_tokenizer(*words: str) -> PreTrainedTokenizerFast:
    """Bytes, whole words as tokens of their own (to decode, not to encode), and an end-of-text token."""
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    spelled = [splitter.pre_tokenize_str(word)[0][0] for word in words]
    tokenizer = byte_level(splitter, dict.fromkeys([*sorted(splitter.alphabet()), *spelled]))
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
