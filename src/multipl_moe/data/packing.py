"""What a way of packing decides: which pieces of documents share a sequence of T tokens, and what that costs."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

Packing = Literal["windows", "best_fit"]
PACKINGS: tuple[Packing, ...] = ("windows", "best_fit")


@dataclass(frozen=True)
class PackingCounts:
    """What a packing makes of a language's tokens; every token is in one sequence once, or lost.

    Attributes:
        sequence_tokens: T.
        tokens: tokens of all documents, those that begin and close each one included.
        sequences: sequences of T places.
        padding_tokens: places of all sequences that hold no token.
        lost_tokens: tokens that are in no sequence.
        documents: documents.
        cut_documents: those that are not whole in one sequence.
    """

    sequence_tokens: int
    tokens: int
    sequences: int
    padding_tokens: int
    lost_tokens: int
    documents: int
    cut_documents: int

    @property
    def padding_share(self) -> float:
        """Of all places."""
        return self.padding_tokens / max(self.sequences * self.sequence_tokens, 1)

    @property
    def lost_share(self) -> float:
        """Of all tokens."""
        return self.lost_tokens / max(self.tokens, 1)

    @property
    def cut_share(self) -> float:
        """Of all documents."""
        return self.cut_documents / max(self.documents, 1)


class Layout(Protocol):
    """Where the pieces of each sequence lie among the tokens of a language.

    A piece is a document or a part of one, and nothing else is seen from it: positions begin at 0 in it.

    Attributes:
        counts: what the layout costs.
    """

    counts: PackingCounts

    def pieces(self, sequence: int) -> tuple[np.ndarray, np.ndarray]:
        """(P,) places of the first tokens of a sequence's pieces, and their (P,) lengths, which sum to at most T."""
        ...

    def num_tokens(self, sequences_N: np.ndarray) -> np.ndarray:
        """(N,) tokens in each of these sequences, padding left out."""
        ...
