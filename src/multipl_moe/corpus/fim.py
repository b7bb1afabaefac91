"""Fill in the middle (Bavarian et al. 2022): documents rearranged so that a model learns to write what stands between.

With P, S and M the tokens in front of prefix, suffix and middle, a document becomes

    PSM   P prefix S suffix M middle
    SPM   P S suffix M prefix middle

cut at two characters. Each part is tokenised by itself, so that cuts within a word are learnt as well. Training would
cut apart what is longer than a sequence, and a middle without its prefix teaches nothing: so a long document is
rearranged piece by piece.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tokenizers import Tokenizer

from multipl_moe.fim_tokens import FimTokens

FimForm = Literal["psm", "spm"]
FIM_FORMS: tuple[FimForm, ...] = ("psm", "spm")


@dataclass(frozen=True)
class FimCut:
    """How a piece of a document, characters `start` to `stop`, is rearranged: its middle is from `begin` to `end`."""

    form: FimForm
    start: int
    begin: int
    end: int
    stop: int


@dataclass(frozen=True)
class FimRule:
    """Which documents are rearranged, and how; the same whatever other documents there are and in whatever order.

    Attributes:
        seed: with a document's path, decides.
        rate: share of the documents.
        spm_share: share of those that take the form SPM.
        piece_characters: longer documents are rearranged piece by piece, each at most so long; None: as a whole.
    """

    tokens: FimTokens
    seed: int
    rate: float
    spm_share: float = 0.5
    piece_characters: int | None = None

    def cuts(self, text: str, path: str) -> list[FimCut]:
        """The cuts of a document's pieces, which are alike in length and together all of it; none where it stays as it
        is. Any middle of a piece is as likely, an empty one too.
        """
        chosen, share, *_ = self._draws(path)
        if chosen >= self.rate:
            return []
        form, size = "spm" if share < self.spm_share else "psm", len(text)
        count = 1 if self.piece_characters is None else max(-(-size // self.piece_characters), 1)
        bounds = [size * number // count for number in range(count + 1)]
        return [
            FimCut(form, start, *self._middle(start, stop, f"{number}/{path}"), stop)
            for number, (start, stop) in enumerate(pairwise(bounds))
        ]

    def _middle(self, start: int, stop: int, name: str) -> tuple[int, int]:
        first, second, *_ = (start + int(draw * (stop - start + 1)) for draw in self._draws(name))
        return min(first, second), max(first, second)

    def _draws(self, name: str) -> list[float]:
        """Four numbers in [0, 1)."""
        digest = hashlib.sha256(f"fim/{self.seed}/{name}".encode("utf-8", "surrogatepass")).digest()
        return [(word >> 11) / 2**53 for word in struct.unpack(">4Q", digest)]


def cut_parts(text: str, cut: FimCut | None, *, joins: bool) -> list[str]:
    """The texts to tokenise, in the order in which their tokens will come.

    Args:
        text: of the document.
        cut: of one of its pieces, as `FimRule.cuts` gives it; None takes the document as it is.
        joins: what `joins_exactly` says of the tokenizer. Where it is false, SPM's prefix and middle, between which no
            token stands, are tokenised as one text, or they could not be told apart from a text with a space there.
    """
    if cut is None:
        return [text]
    prefix, middle, suffix = text[cut.start : cut.begin], text[cut.begin : cut.end], text[cut.end : cut.stop]
    if cut.form == "psm":
        return [prefix, suffix, middle]
    return [suffix, prefix, middle] if joins else [suffix, prefix + middle]


def arranged(parts: Sequence[list[int]], cut: FimCut | None, fim: FimTokens | None) -> list[int]:
    """The tokens of a document, or of a piece of it, from those of its `cut_parts`."""
    if cut is None or fim is None:
        return parts[0]
    if cut.form == "psm":
        prefix, suffix, middle = parts
        return [fim.prefix, *prefix, fim.suffix, *suffix, fim.middle, *middle]
    suffix, *rest = parts
    return [fim.prefix, fim.suffix, *suffix, fim.middle, *(token for part in rest for token in part)]


def undo_fim(tokens: list[int], fim: FimTokens) -> list[list[int]]:
    """The runs of tokens in the order of the text; decoded one by one and joined they are the text.

    `tokens` are of one whole document, or of one piece where it is rearranged piece by piece, without BOS and EOS.
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
