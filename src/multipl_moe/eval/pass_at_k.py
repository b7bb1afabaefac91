"""pass@k: how likely at least one of k completions of a problem passes."""

import math
from collections.abc import Sequence

from multipl_moe.errors import ConfigError


def pass_at_k(num_samples: int, num_passed: int, k: int) -> float:
    """The unbiased estimate 1 - C(n-c, k) / C(n, k) of Chen et al. 2021 (arXiv 2107.03374), for one problem.

    Whole numbers are divided once, so the result is the float nearest to the exact value whatever n is.

    Args:
        num_samples: n, completions that were judged.
        num_passed: c, those that passed.
        k: how many completions a user would try.

    Raises:
        ConfigError: k is less than 1 or more than n: fewer samples cannot tell it without bias.
    """
    if not 0 <= num_passed <= num_samples:
        raise ValueError(f"{num_passed} of {num_samples} samples cannot have passed")
    if k < 1:
        raise ConfigError(f"pass@{k}: k must be at least 1")
    if k > num_samples:
        raise ConfigError(
            f"pass@{k} needs at least {k} samples of each problem, but there are {num_samples}; "
            f"draw {k} or ask for pass@{max(num_samples, 1)} at most"
        )
    subsets = math.comb(num_samples, k)
    return (subsets - math.comb(num_samples - num_passed, k)) / subsets


def require_samples(pass_at: Sequence[int] | None, num_samples: int) -> None:
    """Raise ConfigError, before anything costs time, where a k is larger than the samples that there will be.

    Args:
        pass_at: the k asked for; None asks for none.
        num_samples: of each problem.
    """
    if pass_at is not None and max(pass_at) > num_samples:
        raise ConfigError(
            f"pass@{max(pass_at)} needs at least {max(pass_at)} samples of each problem, but there are {num_samples}; "
            f"draw {max(pass_at)} (--num-samples, with a --temperature above 0) or ask for pass@{num_samples} at most"
        )
