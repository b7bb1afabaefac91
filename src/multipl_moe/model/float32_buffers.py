"""Buffers that stay float32 whatever a model is cast to: what is chosen by them would change where they are rounded."""

from collections.abc import Callable

from torch import Tensor, nn

FLOAT32_BUFFERS = ("segment_threshold", "token_bias", "segment_mean")
FLOAT32_MODULE = "domain_gates"
GATE_TABLES = ("token_kinds", "pair_scores", "names", "mentions")  # of a domain gate, which are whole numbers


def stays_float32(name: str) -> bool:
    """Whether a tensor of a checkpoint is one of them."""
    return name.endswith(FLOAT32_BUFFERS) or f".{FLOAT32_MODULE}." in name


class Float32Buffers(nn.Module):
    """A module whose own buffers stay float32."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Float32Buffers":
        before = {name: buffer for name, buffer in self._buffers.items() if buffer is not None}
        super()._apply(fn, recurse)
        for name, buffer in before.items():
            moved = self._buffers[name]
            if moved is not None and moved.dtype != buffer.dtype:
                self._buffers[name] = buffer.to(moved.device)
        return self
