"""What the domain gate must know of a tokenizer: white space, fences and turns of chats, names of languages, and
what of a text is in its language."""

import re
from collections.abc import Collection, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from multipl_judge.languages.answers import parts_of
from multipl_judge.languages.entry import Language
from multipl_moe.corpus.documents import TextFile
from multipl_moe.errors import ConfigError
from multipl_moe.model.domain_gate import NUM_MENTIONS, NUM_NAMES
from multipl_moe.model.gate_reading import (
    CLOSES,
    COMMENT,
    FENCE,
    HALF,
    LAST,
    LINE,
    OTHER_HALF,
    OWN_COMMENT,
    SPACE,
    SPECIAL,
    TURN,
    WORD,
)

_OTHERS = (  # names after a fence for which a gate stays shut, beside those of languages that the package knows
    "bash", "bat", "c", "c++", "clojure", "cmake", "console", "cs", "csharp", "css", "csv", "dart", "diff",
    "dockerfile", "elm", "erlang", "fortran", "graphql", "groovy", "hcl", "html", "http", "ini", "javascript", "js",
    "json", "jsonc", "jsx", "kotlin", "latex", "lisp", "makefile", "matlab", "mermaid", "nim", "nix", "objc",
    "pascal", "php", "plaintext", "powershell", "proto", "protobuf", "py", "python3", "scala", "scheme", "scss", "sh",
    "shell", "sql", "svg", "swift", "tcl", "tex", "toml", "ts", "tsx", "txt", "typescript", "vim", "vue", "xml",
    "yaml", "yml", "zig", "zsh",
)  # fmt: skip
_TITLES = (  # of languages in prose that the package does not know; without those that programs in others read or write
    "Ada", "Bash", "C#", "C++", "C", "Clojure", "COBOL", "Dart", "Elixir", "Erlang", "F#", "Fortran", "Groovy", "Java",
    "JavaScript", "Kotlin", "Lisp", "MATLAB", "Nim", "Objective-C", "Pascal", "Perl", "PHP", "PowerShell", "Prolog",
    "Python", "Scala", "Swift", "TypeScript", "VHDL", "Verilog", "Zig",
)  # fmt: skip
_FENCED = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*([^\s`]*)[^\n`]*\n(.*?)(?:^[ \t]*\1|\Z)", re.MULTILINE | re.DOTALL)
_NAMED, _ASKED = 0, 1
_BEFORE_ASKED, _BEFORE_SMALL = ("in", "In", "into", "to", "using"), ("in", "using")
_AFTER = ("function", "program", "script", "class", "code")
# What begins a line's comment, and its kind. Lisps differ by comments, so theirs say a little. Other marks were not
# measured, and # is one of so many kinds of text that comments tell them apart (docs/domain-gate.md)
_MARKS = {"--": OWN_COMMENT, ";": COMMENT}
_SHORT = 2  # letters of a name that is a word or a letter by itself, as Go and C are


def written_in(file: TextFile, name: str, table: dict[str, Language]) -> str:
    """What of a text of a language is written in it: of a chat the code in its answers, or answers without a fence.

    The template and the questions of chats are the same in all languages. Blocks whose fence names another language, or
    none beside some that name this one, such as a program's output, are left out.
    """
    parts = parts_of(file.text, file.cuts)
    if len(parts) == 1 or len(parts) % 2 == 0:  # a file, or an answer to no chat
        return file.text
    said = "\n".join(parts[1::2])
    if not table[name].is_code or not (blocks := _FENCED.findall(said)):
        return said
    own = {written.casefold() for written in _written(name, table[name])}
    named = "".join(code for _, mark, code in blocks if mark.casefold() in own)
    return named or "".join(code for _, mark, code in blocks if not mark)


def own_marks(learn: Collection[str], names: Collection[str], table: dict[str, Language]) -> dict[str, int]:
    """The `_MARKS` that, of the languages of these names, those to learn have and no other one."""
    found = {}
    for mark, kind in _MARKS.items():
        having = {name for name in names if table[name].is_code and (table[name].line_comment or "").startswith(mark)}
        if having and having <= {*learn}:
            found[mark] = kind
    return found


def token_kinds(tokenizer: PreTrainedTokenizerBase, vocabulary: int, marks: Mapping[str, int]) -> Tensor:
    """(vocabulary,) int8: whether each token is a word, ends a line, is white space, of a fence, of a turn, or begins a
    comment: // or one of `marks`, by kind, also with its last character more than once.

    A fence whose token holds a line's end names no language. Some tokenizers split that into two tokens. Turns begin
    and end with the special tokens that the chat template writes.
    """
    kinds = torch.full((vocabulary,), WORD, dtype=torch.int8)
    known = min(vocabulary, len(tokenizer))
    added = tokenizer.added_tokens_decoder
    special = set(tokenizer.all_special_ids) | {number for number, token in added.items() if token.special}
    template = str(tokenizer.chat_template or "")
    for number, text in enumerate(tokenizer.batch_decode([[token] for token in range(known)])):
        text = text or str(tokenizer.convert_ids_to_tokens(number)).replace("\u2581", " ")  # some strip a lone space
        bare, ends_line = text.strip(), text.rstrip(" \t").endswith("\n")
        if number in special:
            kinds[number] = TURN if str(tokenizer.convert_ids_to_tokens(number)) in template else SPECIAL
            continue
        if not bare:
            kinds[number] = LINE if "\n" in text else SPACE
        elif bare == "```":
            kinds[number] = CLOSES if ends_line else FENCE
        elif bare in ("`", "``") and text.startswith("`"):
            kinds[number] = HALF if text == "``" else OTHER_HALF if bare == "`" and ends_line else WORD
        elif ends_line:
            kinds[number] = LAST
        elif re.fullmatch(r"//+!?", text.strip(" \t")):
            kinds[number] = COMMENT
        else:
            own = (kind for mark, kind in marks.items() if bare.startswith(mark) and not bare.strip(mark[-1]))
            kinds[number] = next(own, WORD)
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
        for written in _written(name, table[name]):
            add(written, language)
        if language < len(learn) and len(found) > NUM_NAMES:
            raise ConfigError(f"moe.gate.languages: they have {len(found)} names, and a gate holds {NUM_NAMES}")
    learnt = {written for name in learn for written in _written(name, table[name])}
    for written in _OTHERS:
        if written not in learnt:
            add(written, len(learn))
    sure = [(*tokens, languages.pop()) for tokens, languages in found.items() if len(languages) == 1][:NUM_NAMES]
    return F.pad(torch.tensor(sure, dtype=torch.int32).view(-1, 3), (0, 0, 0, NUM_NAMES - len(sure)), value=-2)


def prose_names(
    tokenizer: PreTrainedTokenizerBase, kinds: Tensor, learn: list[str], table: dict[str, Language]
) -> Tensor:
    """(NUM_MENTIONS, 5) int32, as `DomainGate.mentions`: what prose calls the languages to learn, and others.

    "Rust" and "rust code" name it, "in Rust" and "in rust" ask for it; "Go" alone does not. A name of more than three
    tokens is left out, and so is one that is also another's, and one not to learn with which a name to learn begins
    (C, of C++).
    """
    found: dict[tuple[int, int, int], set[tuple[int, int]]] = {}
    beginnings: set[tuple[int, ...]] = set()

    def add(written: str, language: int, how: int) -> None:
        tokens = tokenizer(written, add_special_tokens=False)["input_ids"]
        if max(tokens) >= len(kinds):
            return
        words = tuple(token for token in tokens if kinds[token] != SPACE)
        if language < len(learn):
            beginnings.update(words[:number] for number in range(1, len(words)))
        if len(words) <= 3 and (language < len(learn) or words not in beginnings):
            padded = (*[-1] * (3 - len(words)), *words)
            found.setdefault((padded[0], padded[1], padded[2]), set()).add((language, how))

    known = [*enumerate(learn), *((len(learn), name) for name in table if name not in learn and table[name].is_code)]
    titles = [(language, table[name].title, table[name].other_names) for language, name in known]
    learnt = {title for language, title, _ in titles if language < len(learn)}
    titles += [(len(learn), title, ()) for title in _TITLES if title not in learnt]
    for language, title, others in titles:
        for name in dict.fromkeys([title, *others, *(other.capitalize() for other in others)]):
            plain = [f" a {name}"] if len(name) <= _SHORT else [f" {name}", name]
            for written in [*plain, *(f" {form} {word}" for word in _AFTER for form in (name, name.lower()))]:
                add(written, language, _NAMED)
            for written, words in {name: _BEFORE_ASKED, name.lower(): _BEFORE_SMALL}.items():
                for word in words:
                    add(f" {word} {written}", language, _ASKED)
    sure = [(*tokens, *told.pop()) for tokens, told in found.items() if len(told) == 1]
    sure = sorted(sure[:NUM_MENTIONS], key=lambda row: -row[:3].count(-1))  # the longest last
    return F.pad(torch.tensor(sure, dtype=torch.int32).view(-1, 5), (0, 0, 0, NUM_MENTIONS - len(sure)), value=-2)


def _written(name: str, language: Language) -> list[str]:
    """What people write after a fence for a language."""
    endings = [ending.removeprefix(".") for ending in language.extensions]
    return list(dict.fromkeys([name, name.capitalize(), *language.other_names, *endings]))
