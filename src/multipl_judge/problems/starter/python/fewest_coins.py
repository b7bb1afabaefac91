def fewest_coins(coins: list[int], amount: int) -> int:
    """Return the smallest number of coins that make amount, or -1 if none do.

    Of each kind of coin there are as many as needed.

    >>> fewest_coins([1, 3, 4], 6)
    2
    >>> fewest_coins([5], 3)
    -1
    """
# --- solution
    fewest = [0]
    for value in range(1, amount + 1):
        counts = [fewest[value - coin] for coin in coins if coin <= value and fewest[value - coin] >= 0]
        fewest.append(min(counts) + 1 if counts else -1)
    return fewest[amount]
