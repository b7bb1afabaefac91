"""Generation from a prompt: the streamed text is that of the tokens, and bad input is refused."""

import copy

import pytest
import torch
from tokenizers import processors
from transformers import AutoTokenizer

from multipl_moe.errors import ConfigError
from multipl_moe.generate.text import CallbackStreamer, TextGenerator, decoding_context, told_language
from tests.codegen.problems import tiny_model
from tests.fixtures import NUM_TOKENS, save_stripping_tokenizer

PROMPT = "fn main() {"


def generator_of(tokenizer, preset="causal"):
    return TextGenerator(tiny_model(preset), tokenizer)


@pytest.mark.parametrize("preset", ["causal", "paper"])
def test_the_streamed_text_is_that_of_the_new_tokens_which_are_the_likeliest_ones(tokenizer, preset):
    generator, pieces = generator_of(tokenizer, preset), []
    prompt = generator.encode(PROMPT, chat=False)
    written = generator.generate(prompt, pieces.append, max_new_tokens=20)
    new = written[prompt.shape[1] :]
    assert "".join(pieces) == generator.tokenizer.decode(new, skip_special_tokens=True)
    expected = prompt
    for _ in range(len(new)):
        logits = generator.model(input_ids=expected).logits[:, -1]
        expected = torch.cat([expected, logits.argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(written, expected[0])


def test_a_seed_fixes_what_is_drawn_and_what_is_too_cold_to_divide_by_takes_the_likeliest_token(tokenizer):
    generator = generator_of(tokenizer)
    prompt = generator.encode(PROMPT, chat=False)

    def draw(seed=1, temperature=1.0, **settings):
        settings |= {"max_new_tokens": 20, "temperature": temperature, "seed": seed}
        return generator.generate(prompt, lambda text: None, **settings).tolist()

    assert draw(1) == draw(1) != draw(2)
    greedy = generator.generate(prompt, lambda text: None, max_new_tokens=20).tolist()
    assert draw(top_p=1e-6) == greedy
    assert [draw(temperature=cold) for cold in (1e-300, 1e-40, 1e-5)] == [greedy] * 3


def test_the_language_of_a_text_opens_the_gate_or_shuts_it(tokenizer):
    generator, plain = generator_of(tokenizer, "gated"), generator_of(tokenizer, "causal")
    prompt = generator.encode(PROMPT, chat=False)

    def written(of, language=None):
        known = told_language(of.model.config, language)
        return of.generate(prompt, lambda text: None, max_new_tokens=20, **known).tolist()

    usual = written(plain)
    assert written(generator, language="one") == written(generator, language="One") == usual
    shut, settings = written(generator, language="Python"), {"max_new_tokens": 20, "do_sample": False}
    assert shut == generator.model.generate(prompt, open_share=0.0, **settings)[0].tolist() != usual
    with pytest.raises(ConfigError, match="language: this model has no domain gate"):
        written(plain, language="one")
    with pytest.raises(ConfigError, match="'pyhton' is not known; the gate opens for one, other"):
        written(generator, language="pyhton")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("// src/one.rs\nfn main() {", 0.0),
        ("<|file_sep|>a/b.py\nx", 0.0),
        ("# Path: a.mine\nx", None),
        ("fn main() {\n// src/one.rs\n", None),
        ("", None),
    ],
)
def test_a_file_s_name_in_the_head_says_the_language_where_none_is_told(text, told):
    gated, plain = (tiny_model(kind).config for kind in ("gated", "causal"))
    assert told_language(gated, None, text) == ({} if told is None else {"open_share": told})
    assert told_language(gated, "one", text) == {"open_share": 1.0}
    assert told_language(plain, None, text) == {}
    gated.moe["gate"]["languages"][0] = "rust"
    assert told_language(gated, None, text) == ({} if told is None else {"open_share": float(".rs" in text)})


def gap_generator(tokenizer):
    generator = generator_of(copy.deepcopy(tokenizer))
    generator.tokenizer.add_special_tokens({"extra_special_tokens": ["<fim_prefix>", "<fim_middle>", "<fim_suffix>"]})
    return generator


def test_a_gap_is_asked_for_in_the_form_psm_and_what_is_around_it_is_data(tokenizer):
    generator = gap_generator(tokenizer)
    before, after = "fn f() { <|endoftext|>", " <fim_suffix>}"
    prefix, middle, suffix = NUM_TOKENS, NUM_TOKENS + 1, NUM_TOKENS + 2
    (tokens,) = generator.encode_gap(before, after).tolist()
    parts = [tokens[1 : tokens.index(suffix)], tokens[tokens.index(suffix) + 1 : -1]]
    assert tokens == [prefix, *parts[0], suffix, *parts[1], middle]
    assert [generator.tokenizer.decode(part) for part in parts] == [before, after]
    assert all(token < NUM_TOKENS - 1 for part in parts for token in part)
    again = generator.encode("<|endoftext|>", chat=False)
    assert again.tolist() == [[NUM_TOKENS - 1]]  # elsewhere special tokens are read as before


def test_a_gap_begins_as_any_text_of_the_model_does(tokenizer):
    generator = gap_generator(tokenizer)
    end = generator.tokenizer.eos_token
    generator.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        f"{end} $A", special_tokens=[(end, NUM_TOKENS - 1)]
    )
    assert generator.encode("", chat=False).tolist() == [[NUM_TOKENS - 1]]
    assert generator.encode_gap("", "")[0].tolist() == [NUM_TOKENS - 1, NUM_TOKENS, NUM_TOKENS + 2, NUM_TOKENS + 1]


WORDS = ["x", "=", "▁x", "▁=", "▁1"]


@pytest.fixture(scope="module")
def stripping(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stripping")
    save_stripping_tokenizer(folder, WORDS)
    return AutoTokenizer.from_pretrained(folder)


def ids(tokenizer, *tokens: str) -> list[int]:
    return tokenizer.convert_tokens_to_ids(list(tokens))


def streamed(tokenizer, prompt: list[int], new: list[int]) -> str:
    pieces: list[str] = []
    streamer = CallbackStreamer(tokenizer, pieces.append)
    streamer.put(torch.tensor([prompt]))
    for token in new:
        streamer.put(torch.tensor([token]))
    streamer.end()
    return "".join(pieces)


ARROW = ["<0xE2>", "<0x86>", "<0x92>"]


@pytest.mark.parametrize(
    ("prompt", "new", "text"),
    [
        (["<s>", "x"], ["▁=", "▁1"], " = 1"),
        (["x", "▁="], ["▁1"], " 1"),
        (["x", "▁"], ["▁="], " ="),
        (["x", "▁"], ["="], "="),
        (["x", "<0x0A>"], ["▁x"], " x"),
        (["x", *ARROW], ["▁x"], " x"),
        (["x", *ARROW], [*ARROW, "x"], "→x"),
        (["x", *ARROW, *ARROW], ["▁x", *ARROW], " x→"),
        (["x", "<s>"], ["▁x"], "x"),
        (["<s>"], ["▁x"], "x"),
        (["x"], [], ""),
    ],
)
def test_the_text_is_what_the_new_tokens_add_to_the_prompt(stripping, prompt, new, text):
    """With a tokenizer that leaves out a text's first space."""
    assert streamed(stripping, ids(stripping, *prompt), ids(stripping, *new)) == text


def test_the_context_is_short(stripping, tokenizer):
    for prompt, context in (
        (["x", "="] * 50, ["="]),
        (["x", "=", "▁"], ["=", "▁"]),
        (["▁"] * 2000, ["▁", "▁"]),
        (["x", *["<0x92>"] * 2000], []),
    ):
        assert decoding_context(stripping, ids(stripping, *prompt)) == ids(stripping, *context)
    prompt = tokenizer("let é")["input_ids"]
    assert decoding_context(tokenizer, prompt) == prompt[-2:]
