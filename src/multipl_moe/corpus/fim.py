"""Fill in the middle (Bavarian et al. 2022): documents rearranged so that a model learns to write what stands between.

With P, S and M the tokens in front of prefix, suffix and middle, a document becomes

    PSM   P prefix S suffix M middle
    SPM   P S suffix M prefix middle

cut at two characters. Each part is tokenised by itself, so that cuts within a word are learnt as well.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tokenizers import Tokenizer

from multipl_moe.fim_tokens import FimTokens

FimForm = Literal["psm", "spm"]
FIM_FORMS: tuple[FimForm, ...] = ("psm", "spm")
_DRAW_BYTES, _DRAW_BITS = 8, 53


@dataclass(frozen=True)
class FimCut:
    """How one document is rearranged: its form, and where the middle begins and ends, in characters."""

    form: FimForm
    begin: int
    end: int


@dataclass(frozen=True)
class FimRule:
    """Which documents are rearranged, and how; the same whatever other documents there are and in whatever order.

    Attributes:
        tokens: ids of the three tokens.
        seed: with a document's path, decides.
        rate: share of the documents.
        spm_share: share of those that take the form SPM.
        max_characters: longer documents stay as they are; None: none is too long.
    """

    tokens: FimTokens
    seed: int
    rate: float
    spm_share: float = 0.5
    max_characters: int | None = None

    def cut(self, text: str, path: str) -> FimCut | None:
        """The cut of a document, or None where it stays as it is; any middle is as likely, an empty one too."""
        if self.max_characters is not None and len(text) > self.max_characters:
            return None
        digest = hashlib.sha256(f"fim/{self.seed}/{path}".encode("utf-8", "surrogatepass")).digest()
        words = (digest[begin : begin + _DRAW_BYTES] for begin in range(0, len(digest), _DRAW_BYTES))
        chosen, form, *ends = [(int.from_bytes(word) >> 8 * _DRAW_BYTES - _DRAW_BITS) / 2**_DRAW_BITS for word in words]
        if chosen >= self.rate:
            return None
        begin, end = sorted(int(draw * (len(text) + 1)) for draw in ends)
        return FimCut("spm" if form < self.spm_share else "psm", begin, end)


def cut_parts(text: str, cut: FimCut | None, *, joins: bool) -> list[str]:
    """The texts to tokenise, in the order in which their tokens will come.

    Args:
        text: of the document.
        cut: as `FimRule.cut` gives it.
        joins: what `joins_exactly` says of the tokenizer. Where it is false, SPM's prefix and middle, between which no
            token stands, are tokenised as one text, or they could not be told apart from a text with a space there.
    """
    if cut is None:
        return [text]
    prefix, middle, suffix = text[: cut.begin], text[cut.begin : cut.end], text[cut.end :]
    if cut.form == "psm":
        return [prefix, suffix, middle]
    return [suffix, prefix, middle] if joins else [suffix, prefix + middle]


def arranged(parts: Sequence[list[int]], cut: FimCut | None, fim: FimTokens | None) -> list[int]:
    """The tokens of a document, from those of its `cut_parts`."""
    if cut is None or fim is None:
        return parts[0]
    if cut.form == "psm":
        prefix, suffix, middle = parts
        return [fim.prefix, *prefix, fim.suffix, *suffix, fim.middle, *middle]
    suffix, *rest = parts
    return [fim.prefix, fim.suffix, *suffix, fim.middle, *(token for part in rest for token in part)]


def undo_fim(tokens: list[int], fim: FimTokens) -> list[list[int]]:
    """The runs of a document's tokens in the order of its text; decoded one by one and joined they are the text.

    Args:
        tokens: of one whole document, without the EOS token; rearranged or not.
        fim: the three tokens.
    """
    if not tokens or tokens[0] != fim.prefix:
        return [tokens]
    suffix, middle = tokens.index(fim.suffix), tokens.index(fim.middle)
    return [tokens[1:suffix], tokens[middle + 1 :], tokens[suffix + 1 : middle]]


def joins_exactly(tokenizer: Tokenizer) -> bool:
    """Whether tokens of two texts, one after the other, are decoded to the texts joined.

    They are with byte-level tokenizers. Those in the manner of Llama 2 put a space in front of each text and leave out
    only the first one when decoding.
    """
    first, second = "a", "b"
    tokens = [*tokenizer.encode(first, add_special_tokens=False).ids]
    tokens += tokenizer.encode(second, add_special_tokens=False).ids
    return tokenizer.decode(tokens, skip_special_tokens=False) == first + second
