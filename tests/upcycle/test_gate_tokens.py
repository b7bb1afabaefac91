"""What the domain gate knows of a tokenizer: white space, fences, and what languages are called."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from multipl_judge.languages.answers import cuts_of
from multipl_judge.languages.table import LANGUAGES
from multipl_moe.corpus.documents import TextFile
from multipl_moe.errors import ConfigError
from multipl_moe.model import gate_reading as kind_of
from multipl_moe.model.domain_gate import NUM_NAMES, DomainGate
from multipl_moe.model.gate_reading import pair_places
from multipl_moe.model.moe_config import GateConfig
from multipl_moe.model.segments import plan_segments
from multipl_moe.upcycle import gate_tokens
from multipl_moe.upcycle.gate_tokens import fence_names, own_marks, prose_names, token_kinds, written_in
from tests.train.tiny import World

_LEARN = ["rust", "ruby"]


@pytest.mark.parametrize(
    ("parts", "written"),
    [
        (["fn f() {\n"], "fn f() {\n"),
        (["fn f() {\n", "    1\n}\n"], "fn f() {\n    1\n}\n"),
        (["Ask: ", "In words alone.", "<end>"], "In words alone."),
        (["Ask: ", "one", "<end>", "two", "<end>"], "one\ntwo"),
        (["```\nno\n```", "So:\n```Rust\nf\n```\nor\n\t~~~ rs\ng\n\t~~~\n", "<end>"], "f\ng\n"),
        (["Ask: ", "````rust\na\n```\nb\n````\n```text\nno\n```\n```\nits output\n```", "<end>"], "a\n```\nb\n"),
        (["Ask: ", "First:\n```bash\ncargo run\n```\nthen\n```\nf", "<end>"], "f"),
        (["Ask: ", "```bash\ncargo run\n```", "<end>"], ""),
        (["Ask: ", "```f``` it is:\n```\ng\n```", "<end>"], "g\n"),
    ],
)
def test_of_chats_the_code_in_their_answers_is_in_the_language(parts: list[str], written: str):
    file = TextFile("a", "".join(parts), "MIT", tuple(cuts_of(parts)))
    assert written_in(file, "rust", LANGUAGES) == written
    if len(parts) == 3:
        assert written_in(file, "english", LANGUAGES) == parts[1], "all that is said is in a language that is no code"


@pytest.fixture(scope="module")
def tokenizer(world: World) -> PreTrainedTokenizerBase:
    """A tokenizer with words that those of real bases have."""
    tokenizer = AutoTokenizer.from_pretrained(world.base)
    tokenizer.add_tokens(["```", " ```", "``", "`\n", "```\n", "//", " ///", "//\n", "http://", "\n\n", "    "])
    tokenizer.add_tokens(["--", " ---", "-->", " ;;"])
    tokenizer.add_tokens(["rust", "Rust", "rs", "r", "uby", "python", "zig"])
    tokenizer.add_tokens([" Rust", " rust", " Ru", " ru", "by", " Python", " Cython"])
    tokenizer.add_tokens([" in", " to", " function", " Zig"])
    tokenizer.chat_template = f"{{{{ messages }}}}{tokenizer.eos_token}"
    return tokenizer


def test_tokens_are_words_white_space_fences_or_slashes(tokenizer: PreTrainedTokenizerBase):
    kinds = token_kinds(tokenizer, len(tokenizer) + 3, {"--": kind_of.OWN_COMMENT, ";": kind_of.COMMENT})
    expected = {
        kind_of.FENCE: ["```", " ```"],
        kind_of.HALF: ["``"],
        kind_of.OTHER_HALF: ["`\n"],
        kind_of.CLOSES: ["```\n"],
        kind_of.WORD: ["rust", "http://", "-->"],
        kind_of.LINE: ["\n\n"],
        kind_of.SPACE: ["    "],
        kind_of.LAST: ["//\n"],
        kind_of.COMMENT: ["//", " ///", " ;;"],
        kind_of.OWN_COMMENT: ["--", " ---"],
    }
    for kind, texts in expected.items():
        assert {text: int(kinds[tokenizer.convert_tokens_to_ids(text)]) for text in texts} == dict.fromkeys(texts, kind)
    special = {
        number: kind_of.TURN if number == tokenizer.eos_token_id else kind_of.SPECIAL
        for number in tokenizer.all_special_ids
    }
    assert {number: int(kinds[number]) for number in special} == special, "only what the chat template writes is a turn"
    assert kinds[-3:].tolist() == [kind_of.WORD] * 3
    assert [kind_of.COMMENT, kind_of.SPECIAL, kind_of.LAST, kind_of.OWN_COMMENT] == [8, 9, 10, 11], "packs hold these"
    plain = token_kinds(tokenizer, len(tokenizer), {})
    assert plain[tokenizer.convert_tokens_to_ids("--")] == kind_of.WORD


@pytest.mark.parametrize(
    ("learn", "keep", "marks"),
    [
        (["lua"], ["python", "english"], {"--": kind_of.OWN_COMMENT}),
        (["lua"], ["haskell"], {}),
        (["racket", "lua"], ["python", "ocaml"], {";": kind_of.COMMENT, "--": kind_of.OWN_COMMENT}),
        (["ruby", "rust", "ocaml"], ["java"], {}),
    ],
)
def test_marks_of_comments_are_those_of_languages_to_learn_alone(learn, keep, marks):
    assert own_marks(learn, [*learn, *keep], LANGUAGES) == marks


@pytest.mark.parametrize(
    ("text", "p"),
    [
        ("```rust\n", 1.0),
        ("a\n ```rs\n", 1.0),
        ("```ruby\n", 1.0),
        ("```python\n", 0.0),
        ("```zig\n", 0.0),
        ("```r\n", 0.0),
        ("```\n", None),
        ("rust\n", None),
        ("```rust\na\n```\n", None),
        ("```rust\na\n``" + "`\n", None),
        ("```Rust\n", 1.0),
        ("use `a`\nrust a", None),
        ("```\nrust a", None),
        ("```rust\n// `a`\nb", 1.0),
        ("```python\na\n```\nrust a", None),
    ],
)
def test_a_fence_opens_for_a_language_by_each_of_its_names_and_shuts_for_others(tokenizer, text, p):
    gate = _gate_of_fences(tokenizer, stride=1)
    ids = torch.tensor([*tokenizer(text, add_special_tokens=False)["input_ids"], 5])
    plan = plan_segments(torch.arange(len(ids))[None], None, stride=1)
    said = float(gate(ids, plan)[-1])
    assert said == p if p is not None else 0.4 < said < 0.6


@pytest.mark.parametrize(
    ("question", "is_open"),
    [
        ("a a a a", False),
        ("a Rust a a", True),
        ("a rust a a", False),
        ("a in rust a", True),
        ("a rust function a", True),
        ("a Ruby a", True),
        ("a in ruby a", True),
        ("Rust a", True),
        ("a Python a", False),
        ("a Rust function to a Python a", True),
        ("a Python function a Rust a", False),
        ("a Python function in Rust a", True),
        ("a Rust function to Python a", False),
        ("a Rust function to Zig a", False),
        ("a Rust to Python to Rust a", True),
        ("a Rust a a ```python a ```", True),
        ("a ```python a in Rust a ```", False),
        ("a Cython a Rust a", True),
        ("a Go function a", False),
    ],
)
def test_the_answer_to_a_question_that_names_a_language_is_open_and_nothing_before(tokenizer, gates, question, is_open):
    asked = tokenizer(f"a a a a a a a a {question}", add_special_tokens=False)["input_ids"]
    turn: Any = tokenizer.eos_token_id
    said = gates[1].p_of_text([*asked, turn, *asked[:8]])
    assert said[8 : len(asked) + 1].max() < 0.5
    assert (said[len(asked) + 1 :] > 0.5).tolist() == [is_open] * 9


@pytest.fixture(scope="module")
def gates(tokenizer: PreTrainedTokenizerBase) -> dict[int, DomainGate]:
    """By stride; to read texts changes nothing in one."""
    return {stride: _gate(tokenizer, stride) for stride in (1, 8)}


def _gate_of_fences(tokenizer: PreTrainedTokenizerBase, stride: int) -> DomainGate:
    """A gate for Rust and Ruby that knows names after fences alone."""
    gate = DomainGate(GateConfig(_LEARN, start=0.5, stride=stride), len(tokenizer))
    gate.reset_buffers()
    gate.token_kinds.copy_(token_kinds(tokenizer, len(tokenizer), {}))
    gate.names.copy_(fence_names(tokenizer, gate.token_kinds, _LEARN, LANGUAGES))
    return gate


def _gate(tokenizer: PreTrainedTokenizerBase, stride: int) -> DomainGate:
    """One that knows names in prose, too; all text is prose, but for `c`, which is other code."""
    gate = _gate_of_fences(tokenizer, stride)
    gate.mentions.copy_(prose_names(tokenizer, gate.token_kinds, _LEARN, LANGUAGES))
    gate.calibration.copy_(torch.tensor([[0.0, -1.0], [1.0, 0.3]]))
    code: Any = tokenizer.convert_tokens_to_ids("c")
    gate.pair_scores[0, pair_places(torch.tensor(code), torch.tensor(code), gate.pair_scores.shape[1]), -1] = -127
    gate.pair_scores[1] = gate.pair_scores[0]
    return gate


@pytest.mark.parametrize("marks", ["#", "##a#"])  # as ChatML ends a turn, as Llama 3 does
@pytest.mark.parametrize(
    ("turns", "is_open"),
    [
        (["a a a a a a to Rust"], True),
        (["a Rust function a a a a a a a a a a a a a"], True),
        (["to Rust c c c c c c c c c c c c c c c c c c c c"], True),
        (["a a a a a a c c c c c c c c c c c c c c c c c c c c c c"], False),
        (["a Rust function a a a a", "a a a a a a a a", "a a a a a a a a a"], False),
        (["a Rust function a a a a", "a a a a a a a a", "a a a a a Python function a a a"], False),
        (["a Rust function a a a a", "a a a a a a a a", "a a a a a to Rust a a a"], True),
        (["a a a a a", "a a a a a a a a"], False),
    ],
)
def test_wherever_its_segments_lie_a_question_opens_its_own_answer(tokenizer, gates, turns, is_open, marks):
    ids = {"#": tokenizer.eos_token_id, "a": tokenizer.convert_tokens_to_ids("a")}
    mark: Any = [ids[one] for one in marks]
    for shift in range(0, 8, 3):
        tokens: list[int] = tokenizer("a" * (20 + shift), add_special_tokens=False)["input_ids"]
        for text in turns:
            tokens += [*mark, *tokenizer(f" {text}", add_special_tokens=False)["input_ids"]]
        said = gates[8].p_of_text([*tokens, *mark, *tokens[:8]])
        assert (said[-1] > 0.5) == is_open, shift  # a segment later at the most


def test_a_language_of_ones_own_is_named_by_its_title_and_room_for_names_is_for_those_to_learn(tokenizer, monkeypatch):
    kinds, table = token_kinds(tokenizer, len(tokenizer), {}), {"lang": replace(LANGUAGES["rust"], title="Cython")}
    title = tokenizer.convert_tokens_to_ids(" Cython")
    names = prose_names(tokenizer, kinds, ["lang"], table).tolist()
    assert [-1, -1, title, 0, 0] in names
    monkeypatch.setattr(gate_tokens, "NUM_MENTIONS", 3)
    assert {language for *_, language, _ in prose_names(tokenizer, kinds, ["lang"], table).tolist()} == {0}


def test_more_names_than_there_is_room_for_are_refused(tokenizer: PreTrainedTokenizerBase, monkeypatch):
    kinds = token_kinds(tokenizer, len(tokenizer), {})
    assert (fence_names(tokenizer, kinds, ["rust"], LANGUAGES)[:, 0] >= 0).sum() <= NUM_NAMES
    monkeypatch.setattr(gate_tokens, "NUM_NAMES", 1)
    with pytest.raises(ConfigError, match=r"moe\.gate\.languages: they have \d names, and a gate holds 1"):
        fence_names(tokenizer, kinds, ["rust", "ruby"], LANGUAGES)


def test_a_tokenizer_without_a_fence_names_nothing(world: World):
    tokenizer: Any = AutoTokenizer.from_pretrained(world.base)
    kinds = token_kinds(tokenizer, len(tokenizer), {})
    assert (fence_names(tokenizer, kinds, ["rust"], LANGUAGES) == -2).all()
