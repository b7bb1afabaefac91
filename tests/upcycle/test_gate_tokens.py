"""What the domain gate knows of a tokenizer: white space, fences, and what languages are called."""

from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from multipl_judge.languages.table import LANGUAGES
from multipl_moe.errors import ConfigError
from multipl_moe.model.domain_gate import NUM_NAMES, DomainGate
from multipl_moe.model.gate_reading import CLOSES, FENCE, HALF, LINE, OTHER_HALF, SPACE, WORD
from multipl_moe.model.moe_config import GateConfig
from multipl_moe.model.segments import plan_segments
from multipl_moe.upcycle import gate_tokens
from multipl_moe.upcycle.gate_tokens import fence_names, token_kinds
from tests.train.tiny import World


@pytest.fixture(scope="module")
def tokenizer(world: World) -> PreTrainedTokenizerBase:
    """A tokenizer with words that those of real bases have."""
    tokenizer = AutoTokenizer.from_pretrained(world.base)
    tokenizer.add_tokens(
        ["```", " ```", "``", "`\n", "```\n", "rust", "Rust", "rs", "r", "uby", "python", "zig", "\n\n", "    "]
    )
    return tokenizer


def test_tokens_are_words_white_space_or_fences(tokenizer: PreTrainedTokenizerBase):
    kinds = token_kinds(tokenizer, len(tokenizer) + 3)
    expected = {"```": FENCE, " ```": FENCE, "`\n": OTHER_HALF, "``": HALF, "```\n": CLOSES} | {
        "rust": WORD,
        "\n\n": LINE,
        "    ": SPACE,
    }
    for text, kind in expected.items():
        assert kinds[tokenizer.convert_tokens_to_ids(text)] == kind, text
    assert kinds[tokenizer.all_special_ids].tolist() == [WORD] * len(tokenizer.all_special_ids)
    assert kinds[-3:].tolist() == [WORD] * 3


@pytest.mark.parametrize(
    ("text", "p"),
    [
        ("```rust\n", 1.0),
        ("a\n```rs\n", 1.0),
        (" ```rust\n", 1.0),
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
def test_a_fence_opens_for_a_language_by_each_of_its_names_and_shuts_for_others(
    tokenizer: PreTrainedTokenizerBase, text: str, p: float | None
):
    learn = ["rust", "ruby"]
    gate = DomainGate(GateConfig(learn, start=0.5, stride=1), len(tokenizer))
    gate.reset_buffers()
    gate.token_kinds.copy_(token_kinds(tokenizer, len(tokenizer)))
    gate.names.copy_(fence_names(tokenizer, gate.token_kinds, learn, LANGUAGES))
    ids = torch.tensor([*tokenizer(text, add_special_tokens=False)["input_ids"], 5])
    plan = plan_segments(torch.arange(len(ids))[None], None, window=None, stride=1, lookahead=False)
    said = float(gate(ids, plan)[-1])
    assert said == p if p is not None else 0.4 < said < 0.6


def test_more_names_than_there_is_room_for_are_refused(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
):
    kinds = token_kinds(tokenizer, len(tokenizer))
    assert (fence_names(tokenizer, kinds, ["rust"], LANGUAGES)[:, 0] >= 0).sum() <= NUM_NAMES
    monkeypatch.setattr(gate_tokens, "NUM_NAMES", 1)
    with pytest.raises(ConfigError, match=r"moe\.gate\.languages: they have \d names, and a gate holds 1"):
        fence_names(tokenizer, kinds, ["rust", "ruby"], LANGUAGES)


def test_a_tokenizer_without_a_fence_names_nothing(world: World):
    tokenizer: Any = AutoTokenizer.from_pretrained(world.base)
    kinds = token_kinds(tokenizer, len(tokenizer))
    assert (fence_names(tokenizer, kinds, ["rust"], LANGUAGES) == -2).all()
