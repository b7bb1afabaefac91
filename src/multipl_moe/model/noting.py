"""How compiled code leaves notes for Python: a compiler follows no list that grows from call to call."""

import re
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

LAYERS: "WeakValueDictionary[int, Any]" = WeakValueDictionary()  # every hybrid layer that lives
_NUMBERS = count()


def number_of(layer: Any) -> int:
    """A number by which notes find the layer, as compiled code has no other name for it."""
    number = next(_NUMBERS)
    LAYERS[number] = layer
    return number


# An export brings this file along: each copy has an operator of its own, with its own layers.
_NAME = "multipl_moe::note_" + re.sub(r"\W", "_", __name__)


@torch.library.custom_op(_NAME, mutates_args={"buffer"})
def note(buffer: Tensor, gates_VE: Tensor | None, sums_4E: Tensor | None, layer: int) -> None:
    """`HybridMoe.note_batch` of the layer with that number.

    The buffer is what will follow the notes: declared as changed, it keeps compilers from dropping the call.
    """
    LAYERS[layer].keep(*(None if values is None else values.clone() for values in (gates_VE, sums_4E)))
