"""pass@k: how likely at least one of k completions of a problem passes."""

import math
from collections.abc import Sequence

from multipl_moe.errors import ConfigError


def pass_at_k(num_samples: int, num_passed: int, k: int) -> float:
    """The unbiased estimate 1 - C(n-c, k) / C(n, k) of Chen et al. 2021 (arXiv 2107.03374), for one problem.

    Of n samples that were judged c passed; k is how many a user would try. Whole numbers are divided once, so the
    result is the float nearest to the exact value whatever n is.

    Raises:
        ValueError: k is less than 1 or more than n, for fewer samples cannot tell it without bias; or c more than n.
    """
    if not (0 <= num_passed <= num_samples and 1 <= k <= num_samples):
        raise ValueError(f"pass@{k} of {num_passed} passed in {num_samples} samples: there is no such thing")
    subsets = math.comb(num_samples, k)
    return (subsets - math.comb(num_samples - num_passed, k)) / subsets


def require_samples(pass_at: Sequence[int] | None, num_samples: int) -> None:
    """Raise ConfigError, before anything costs time, where a k is larger than the samples that there will be."""
    if pass_at is not None and max(pass_at) > num_samples:
        raise ConfigError(
            f"pass@{max(pass_at)} needs at least {max(pass_at)} samples of each problem, but there are {num_samples}; "
            f"draw {max(pass_at)} (--num-samples, with a --temperature above 0) or ask for pass@{num_samples} at most"
        )
