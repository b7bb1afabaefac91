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
# --- tests
assert fewest_coins([1, 3, 4], 6) == 2
assert fewest_coins([5], 3) == -1
assert fewest_coins([], 0) == 0
assert fewest_coins([1, 5, 10], 0) == 0
assert fewest_coins([1, 7, 10], 14) == 2
assert fewest_coins([10, 2, 5], 27) == 4
assert fewest_coins([9, 6], 20) == -1
assert fewest_coins([], 7) == -1
assert fewest_coins([7, 13], 100) == 10
