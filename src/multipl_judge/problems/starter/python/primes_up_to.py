def primes_up_to(n: int) -> list[int]:
    """Return all prime numbers from 2 to n, n included, in ascending order.

    >>> primes_up_to(10)
    [2, 3, 5, 7]
    """
# --- solution
    primes: list[int] = []
    for number in range(2, n + 1):
        if all(number % prime != 0 for prime in primes):
            primes.append(number)
    return primes
# --- tests
assert primes_up_to(10) == [2, 3, 5, 7]
assert primes_up_to(13) == [2, 3, 5, 7, 11, 13]
assert primes_up_to(2) == [2]
assert primes_up_to(1) == []
assert primes_up_to(-4) == []
assert primes_up_to(30) == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
