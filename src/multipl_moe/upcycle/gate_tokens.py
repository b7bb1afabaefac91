"""What the domain gate must know of a tokenizer: which tokens are white space or fences, and names of languages."""

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from multipl_judge.languages.entry import Language
from multipl_moe.errors import ConfigError
from multipl_moe.model.domain_gate import NUM_NAMES
from multipl_moe.model.gate_reading import CLOSES, FENCE, HALF, LINE, OTHER_HALF, SPACE, WORD

_OTHERS = (  # names after a fence for which a gate stays shut, beside those of languages that the package knows
    "bash", "bat", "c", "c++", "clojure", "cmake", "console", "cs", "csharp", "css", "csv", "dart", "diff",
    "dockerfile", "elm", "erlang", "fortran", "graphql", "groovy", "hcl", "html", "http", "ini", "javascript", "js",
    "json", "jsonc", "jsx", "kotlin", "latex", "lisp", "makefile", "matlab", "mermaid", "nim", "nix", "objc",
    "pascal", "php", "plaintext", "powershell", "proto", "protobuf", "py", "python3", "scala", "scheme", "scss", "sh",
    "shell", "sql", "svg", "swift", "tcl", "tex", "toml", "ts", "tsx", "txt", "typescript", "vim", "vue", "xml",
    "yaml", "yml", "zig", "zsh",
)  # fmt: skip


def token_kinds(tokenizer: PreTrainedTokenizerBase, vocabulary: int) -> Tensor:
    """(vocabulary,) int8: whether each token is a word, white space, white space with a line's end, or of a fence.

    A fence whose token holds a line's end names no language. Some tokenizers split that into two tokens.
    """
    kinds = torch.full((vocabulary,), WORD, dtype=torch.int8)
    known = min(vocabulary, len(tokenizer))
    special = set(tokenizer.all_special_ids)
    for number, text in enumerate(tokenizer.batch_decode([[token] for token in range(known)])):
        text = text or str(tokenizer.convert_ids_to_tokens(number)).replace("\u2581", " ")  # some strip a lone space
        bare, ends_line = text.strip(), text.rstrip(" \t").endswith("\n")
        if number in special:
            continue
        if not bare:
            kinds[number] = LINE if "\n" in text else SPACE
        elif bare == "```":
            kinds[number] = CLOSES if ends_line else FENCE
        elif bare in ("`", "``") and text.startswith("`"):
            kinds[number] = HALF if text == "``" else OTHER_HALF if bare == "`" and ends_line else WORD
    return kinds


def fence_names(
    tokenizer: PreTrainedTokenizerBase, kinds: Tensor, learn: list[str], table: dict[str, Language]
) -> Tensor:
    """(NUM_NAMES, 3) int32, as in `DomainGate`: names of the languages to learn first, then of others.

    A name that begins with the same two tokens as one of another language tells nothing, and is left out.

    Raises:
        ConfigError: the languages to learn have more names than there is room for.
    """
    found: dict[tuple[int, int], set[int]] = {}

    def add(written: str, language: int) -> None:
        fence, *tokens = tokenizer(f"```{written}\n", add_special_tokens=False)["input_ids"]
        if max([fence, *tokens]) >= len(kinds):
            return
        words = [token for token in tokens if kinds[token] == WORD]
        if kinds[fence] == FENCE and words:
            found.setdefault((words[0], words[1] if len(words) > 1 else -1), set()).add(language)

    others = [name for name in table if name not in learn]
    for language, name in [*enumerate(learn), *((len(learn), name) for name in others)]:
        for written in _written(name, table[name]) if name in table else [name]:
            add(written, language)
        if language < len(learn) and len(found) > NUM_NAMES:
            raise ConfigError(f"moe.gate.languages: they have {len(found)} names, and a gate holds {NUM_NAMES}")
    learnt = {written for name in learn if name in table for written in _written(name, table[name])}
    for written in _OTHERS:
        if written not in learnt:
            add(written, len(learn))
    sure = [(*tokens, languages.pop()) for tokens, languages in found.items() if len(languages) == 1][:NUM_NAMES]
    names = torch.full((NUM_NAMES, 3), -2, dtype=torch.int32)
    names[: len(sure)] = torch.tensor(sure, dtype=torch.int32).view(-1, 3)
    return names


def _written(name: str, language: Language) -> list[str]:
    """What people write after a fence for a language."""
    endings = [ending.removeprefix(".") for ending in language.extensions]
    return list(dict.fromkeys([name, name.capitalize(), *language.other_names, *endings]))
