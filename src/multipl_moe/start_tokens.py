"""What texts begin with: many models were trained with a token in front of each, and some are lost without."""

from typing import Any

_PROBE = "a"


def start_tokens(tokenizer: Any) -> list[int]:
    """The tokens that a tokenizer puts in front of every text: its BOS token, or none.

    Training, calibration, scores and generation all ask here, so that a model is trained and judged on text that begins
    as what it is used for. The tokenizer's `bos_token` does not tell: many name one that they put nowhere.

    Args:
        tokenizer: of transformers.
    """
    plain, whole = (tokenizer(_PROBE, add_special_tokens=added)["input_ids"] for added in (False, True))
    begins = range(len(whole) - len(plain) + 1)
    return whole[: next(begin for begin in begins if whole[begin : begin + len(plain)] == plain)]
