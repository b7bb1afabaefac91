"""One completion while it is being generated, and the two hooks through which `generate` serves many of them.

`generate` always takes the likeliest token. For a drawn one, `RowDraws` leaves only the drawn token likely: each row
draws by numbers of its own, so what it gets does not hang on the rows beside it, nor on how many there are.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, PreTrainedTokenizerBase, StoppingCriteria

from multipl_judge.problems.problem import cut_at_stop
from multipl_moe.codegen.completer import Completion, Finish

_NUCLEUS_TOKENS = 256


class Row:
    """A completion that grows token by token: at least one of a prompt, and at least one to add.

    It ends at the first of the strings `stops` or of the tokens `ends`; `seed` decides its draws.
    """

    def __init__(
        self,
        prompt: list[int],
        stops: Sequence[str],
        max_new_tokens: int,
        seed: int,
        tokenizer: PreTrainedTokenizerBase,
        ends: frozenset[int],
    ) -> None:
        self.prompt, self.max_new_tokens = prompt, max_new_tokens
        self.new: list[int] = []
        self.finish: Finish | None = None
        self.ended_by: list[int] = []  # the token of `ends`, where one ended it
        self.open_share: float | Tensor | None = None  # of the domain gate, where the text's language is told
        self._stops = tuple(stop for stop in stops if stop)
        # A token is at least a byte. A stop that is complete and one that began before it fit into twice the longest.
        self._tail = 2 * max((len(stop.encode()) for stop in self._stops), default=0)
        self._tokenizer: Any = tokenizer
        self._ends = ends
        generator = torch.Generator().manual_seed(seed)
        self._draws = torch.rand(max_new_tokens, generator=generator, dtype=torch.float64).tolist()

    @property
    def num_left(self) -> int:
        """Tokens that may still be added."""
        return 0 if self.finish is not None else self.max_new_tokens - len(self.new)

    @property
    def draw(self) -> float:
        """The number in [0, 1) that chooses the next token; any once the row has ended."""
        return self._draws[len(self.new)] if self.num_left else 0.0

    def take(self, token: int) -> None:
        """Add a token and see whether it ends the row; does nothing once it has ended."""
        if self.finish is not None:
            return
        if token in self._ends:
            self.finish, self.ended_by = Finish.end, [token]
            return
        self.new.append(token)
        if self._stops and self._settled(self._tail_text()) and self._settled(self._text()):
            self.finish = Finish.stop
        elif len(self.new) == self.max_new_tokens:
            self.finish = Finish.length

    def completion(self) -> Completion:
        """What the row has come to, cut at its first stop; for a row that has ended."""
        assert self.finish is not None
        text = self._text()
        cut = cut_at_stop(text, self._stops)
        return Completion(cut, Finish.stop if len(cut) < len(text) else self.finish)

    def _settled(self, text: str) -> bool:
        """Whether the first stop is known; a character of which bytes are missing yet is left out of the text."""
        return settled_stop(text.rstrip("\ufffd"), self._stops) is not None

    def _text(self) -> str:
        """The text that the new tokens add to the prompt's: some tokenizers write a text's first word differently."""
        return self._added(self.prompt, self.new)

    def _tail_text(self) -> str:
        if len(self.new) <= self._tail:
            return self._added(self.prompt[-1:], self.new)
        return self._added(self.new[-self._tail - 1 : -self._tail], self.new[-self._tail :])

    def _added(self, before: list[int], tokens: list[int]) -> str:
        head, whole = self._decode(before), self._decode(before + tokens)
        return whole[len(head) :] if whole.startswith(head) else self._decode(tokens)

    def _decode(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def settled_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the earliest stop string of a growing text begins, once nothing that follows can change it, else None.

    A stop that is complete does not yet decide: with the stops "bc" and "abcd" the text "abc" may still turn out to
    have its first stop at "a". So the cut does not depend on the size of the pieces in which the text comes.
    """
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    if not places:
        return None
    first = min(places)
    for stop in stops:
        for size in range(1, len(stop)):
            if len(text) - size < first and text.endswith(stop[:size]):
                return None
    return first


class RowEnds(StoppingCriteria):
    """Hands each row its new token and ends those that have ended."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Any:
        """(B,) whether each row has ended."""
        for row, token in zip(self._rows, input_ids[:, -1].tolist(), strict=True):
            row.take(token)
        return torch.tensor([row.finish is not None for row in self._rows], device=input_ids.device)


class RowDraws(LogitsProcessor):
    """Leaves of each row's tokens only one: the one that the row's own number draws.

    The tokens divide the interval from 0 to 1 by their probabilities, in the order of the vocabulary; the token in
    whose part the number falls is drawn. The temperature is above 0, top_p in (0, 1].
    """

    def __init__(self, rows: Sequence[Row], temperature: float, top_p: float) -> None:
        self._rows, self._temperature, self._top_p = rows, temperature, top_p

    def __call__(self, input_ids: Any, scores: Any) -> Tensor:
        """(B, V) 0 for the drawn tokens and minus infinity for all others."""
        scores = scores / self._temperature
        parts, tokens = self._nucleus(scores) if self._top_p < 1 else (scores.softmax(dim=-1), None)
        bounds = parts.double().cumsum(dim=-1)
        draws = bounds.new_tensor([[row.draw] for row in self._rows]) * bounds[:, -1:]
        # The first token whose part ends above the number; should rounding leave none, the last of any probability.
        above = torch.searchsorted(bounds, draws, right=True)
        last = torch.searchsorted(bounds, bounds[:, -1:].contiguous())
        drawn = torch.minimum(above, last)
        drawn = drawn if tokens is None else tokens.gather(1, drawn)
        return torch.full_like(scores, float("-inf")).scatter_(1, drawn, 0.0)

    def _nucleus(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K) probabilities of the fewest tokens that together have top_p, 0 for others, and (B, K) these tokens.

        Of a large vocabulary the likeliest few nearly always suffice: to sort all of it would take most of the time.
        """
        total = scores.logsumexp(dim=-1, keepdim=True)
        size = _NUCLEUS_TOKENS
        while True:
            best, tokens = scores.topk(min(size, scores.shape[-1]), dim=-1)
            parts = (best - total).exp()
            together = parts.cumsum(dim=-1)
            if size >= scores.shape[-1] or bool((together[:, -1] >= self._top_p).all()):
                break
            size *= 16
        tokens, order = tokens.sort(dim=-1)
        return torch.where(together - parts < self._top_p, parts, 0.0).gather(1, order), tokens
