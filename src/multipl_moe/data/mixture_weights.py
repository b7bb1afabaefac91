"""How much of a mixture each language gets: by size and temperature, and no more often than a bound allows."""

from collections.abc import Mapping


def weights_by_size(sizes: Mapping[str, int], temperature: float, mean: float) -> dict[str, float]:
    """Weights in proportion to size ** (1 / temperature), whose mean is `mean`.

    Temperature 1 gives each language its share of all text; the higher it is, the more alike the weights are.

    Args:
        sizes: of each language, in bytes, above 0.
        temperature: at least 1.
        mean: weight of a language on average.
    """
    largest = max(sizes.values(), default=1)
    scaled = {name: (size / largest) ** (1 / temperature) for name, size in sizes.items()}
    total = sum(scaled.values())
    return {name: mean * len(scaled) * value / total for name, value in scaled.items()}


def shares_within(weights: Mapping[str, float], most: Mapping[str, float]) -> dict[str, float]:
    """Shares of the whole in proportion to the weights, none above its bound.

    What a bound takes from a language goes to the others by their weights, until these reach their own.

    Args:
        weights: above 0.
        most: the largest share that each may have.

    Returns:
        Shares, which sum to 1 if the bounds allow it; else all of them are at their bounds.
    """
    bounded: dict[str, float] = {}
    while True:
        free = {name: weight for name, weight in weights.items() if name not in bounded}
        scale = (1 - sum(bounded.values())) / sum(free.values()) if free else 0.0
        above = {name: most[name] for name, weight in free.items() if weight * scale > most[name]}
        if not above:
            shares = bounded | {name: weight * scale for name, weight in free.items()}
            return {name: shares[name] for name in weights}
        bounded |= above
