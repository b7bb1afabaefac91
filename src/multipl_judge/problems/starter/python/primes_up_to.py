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
