"""Fill in the middle: what is rearranged, into which form, and that it can be undone to the character."""

import unicodedata
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from multipl_moe.corpus.fim import FimCut, FimRule, arranged, cut_parts, joins_exactly, undo_fim
from multipl_moe.fim_tokens import FimTokens
from tests.fixtures import byte_level

FIM = FimTokens(1000, 1001, 1002)
SPACE = "\u2581"


def merging() -> Tokenizer:
    """Merges that a cut may fall into, within a word and within a character's bytes."""
    merges = [("a", "b"), ("ab", "c"), ("Ġ", "a"), ("Ã", "©")]
    merged = ["".join(merge) for merge in merges]
    return byte_level(pieces=[*sorted(pre_tokenizers.ByteLevel.alphabet()), *merged], merges=merges)


def llama_like() -> Tokenizer:
    """A space is put in front of each text, and left out of what is decoded."""
    tokens = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), SPACE, "a", "b", f"{SPACE}a", "ab"]
    vocabulary = {text: index for index, text in enumerate(tokens)}
    model = models.BPE(vocabulary, [(SPACE, "a"), ("a", "b")], unk_token="<unk>", byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    space = decoders.Replace(SPACE, " ")
    tokenizer.decoder = decoders.Sequence([space, decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tokenizer


TOKENIZERS: dict[str, Any] = {"byte-level": merging(), "Llama": llama_like()}
TEXTS = st.text(st.one_of(st.sampled_from("ab é\r\n"), st.characters(exclude_categories=["Cs"])), max_size=40)

DECOMPOSED = st.text(st.one_of(st.sampled_from("e\u0301a\u030a\u00e9b "), st.characters(exclude_categories=["Cs"])))


def rule(rate: float = 1.0, spm_share: float = 0.5, *, seed: int = 0, piece: int | None = None) -> FimRule:
    return FimRule(FIM, seed, rate, spm_share, piece)


def encode(tokenizer: Tokenizer, text: str, cut: FimCut | None) -> list[int]:
    parts = cut_parts(text, cut, joins=joins_exactly(tokenizer))
    return arranged([tokenizer.encode(part, add_special_tokens=False).ids for part in parts], cut, FIM)


def decode(tokenizer: Tokenizer, tokens: list[int]) -> str:
    return "".join(tokenizer.decode(run, skip_special_tokens=False) for run in undo_fim(tokens, FIM))


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=60)
@given(
    text=TEXTS,
    path=st.text(max_size=8),
    seed=st.integers(0, 9),
    form=st.sampled_from(["plain", "psm", "spm"]),
    piece=st.sampled_from([None, 1, 7, 20]),
)
def test_undone_any_document_is_what_it_was_and_no_token_is_lost_or_doubled(name, text, path, seed, form, piece):
    text = text.replace(SPACE, "") if name == "Llama" else text  # which is a space to it
    cuts = rule(float(form != "plain"), float(form == "spm"), seed=seed, piece=piece).cuts(text, path)
    pieces = [encode(TOKENIZERS[name], text, cut) for cut in cuts or [None]]
    assert "".join(decode(TOKENIZERS[name], tokens) for tokens in pieces) == text
    for tokens in pieces:
        counts = Counter(tokens)
        assert [counts.pop(token, 0) for token in FIM] == ([0] * 3 if form == "plain" else [1] * 3)
        assert counts == sum((Counter(run) for run in undo_fim(tokens, FIM)), Counter())


@settings(max_examples=60)
@given(text=DECOMPOSED, form=st.sampled_from(["plain", "psm", "spm"]), piece=st.sampled_from([None, 1, 7]))
def test_of_a_tokenizer_that_normalises_each_part_comes_back_normalised(text, form, piece):
    tokenizer = merging()
    tokenizer.normalizer = normalizers.NFC()
    cuts = rule(float(form != "plain"), float(form == "spm"), piece=piece).cuts(text, "path")
    undone = "".join(decode(tokenizer, encode(tokenizer, text, cut)) for cut in cuts or [None])
    bounds = [place for cut in cuts for place in (cut.start, cut.begin, cut.end, cut.stop)] or [0, len(text)]
    assert undone == "".join(unicodedata.normalize("NFC", text[a:b]) for a, b in pairwise(bounds))
    assert unicodedata.normalize("NFC", undone) == unicodedata.normalize("NFC", text)
    if form == "plain":
        assert undone == unicodedata.normalize("NFC", text)


def test_the_forms_are_those_of_the_paper():
    tokenizer, text = TOKENIZERS["byte-level"], "abcab c"
    prefix, middle, suffix = (tokenizer.encode(part).ids for part in ("a", "bcab", " c"))
    psm, spm = (encode(tokenizer, text, FimCut(form, 0, 1, 5, 7)) for form in ("psm", "spm"))
    assert psm == [FIM.prefix, *prefix, FIM.suffix, *suffix, FIM.middle, *middle]
    assert spm == [FIM.prefix, FIM.suffix, *suffix, FIM.middle, *prefix, *middle]
    assert prefix + middle != tokenizer.encode("abcab").ids  # a cut within a word shows in the tokens
    # where tokens of two texts do not join, prefix and middle are one text
    assert [joins_exactly(tokenizer) for tokenizer in TOKENIZERS.values()] == [True, False]
    tokenizer = TOKENIZERS["Llama"]
    assert encode(tokenizer, "aba", FimCut("spm", 0, 1, 3, 3))[3:] == tokenizer.encode("aba").ids


@pytest.mark.parametrize(("rate", "spm_share"), [(0.5, 0.5), (0.2, 0.9), (1.0, 0.0), (0.0, 0.5)])
def test_rate_and_share_are_kept_and_every_place_is_cut_alike(rate, spm_share):
    chosen_rule, count = rule(rate, spm_share, seed=3), 4000
    chosen = [cut for number in range(count) for cut in chosen_rule.cuts("x" * 9, f"file {number}")]
    assert len(chosen) / count == pytest.approx(rate, abs=0.03)
    assert sum(cut.form == "spm" for cut in chosen) == pytest.approx(spm_share * len(chosen), abs=0.03 * count)
    if rate == 1:
        ends = Counter(end for cut in chosen for end in (cut.begin, cut.end))
        assert ends.keys() == set(range(10))
        assert all(number == pytest.approx(2 * count / 10, rel=0.15) for number in ends.values())
        assert all(cut.begin <= cut.end for cut in chosen)


def test_seed_and_path_alone_decide_whether_and_how():
    paths = [str(number) for number in range(60)]
    cuts = {path: rule(0.5).cuts("x" * 999, path) for path in paths}
    assert {path: rule(0.5).cuts("y" * 999, path) for path in reversed(paths)} == cuts
    assert len({cut for cut, *_ in filter(None, cuts.values())}) > 20
    assert {path: rule(0.5, seed=1).cuts("x" * 999, path) for path in paths} != cuts


@pytest.mark.parametrize(("length", "sizes"), [(0, [0]), (10, [10]), (11, [5, 6]), (29, [9, 10, 10])])
def test_long_documents_are_rearranged_in_pieces_alike_in_length_each_with_a_middle_of_its_own(length, sizes):
    cuts = rule(piece=10).cuts("é" * length, "path")
    assert [cut.stop - cut.start for cut in cuts] == sizes
    assert [cut.start for cut in cuts] == [0, *(cut.stop for cut in cuts[:-1])]
    assert all(cut.start <= cut.begin <= cut.end <= cut.stop for cut in cuts)
    assert len({cut.form for cut in cuts}) == 1
    (whole,) = rule().cuts("é" * length, "path")
    assert (whole.start, whole.stop) == (0, length)
