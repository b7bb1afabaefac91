"""A random choice of a stream's items."""

import random
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Reservoir(Generic[_Item]):
    """Chooses among the items that it is given, each as likely as any other, and holds no others (algorithm R).

    Args:
        size: number of items to choose.
        seed: equal seeds choose equally among equal streams.

    Attributes:
        items: those chosen so far.
        num_seen: number of items given so far.
    """

    def __init__(self, size: int, seed: str):
        self.items: list[_Item] = []
        self.num_seen = 0
        self._size = size
        self._random = random.Random(seed)

    def add(self, item: _Item) -> None:
        """Give it the stream's next item."""
        self.num_seen += 1
        if len(self.items) < self._size:
            self.items.append(item)
        elif (place := self._random.randrange(self.num_seen)) < self._size:
            self.items[place] = item
