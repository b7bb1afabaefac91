# Returns all prime numbers from 2 to n, n included, in ascending order.
#
#   primes_up_to(10) # => [2, 3, 5, 7]
def primes_up_to(n)
# --- solution
  (2..n).each_with_object([]) do |number, primes|
    primes << number if primes.none? { |prime| (number % prime).zero? }
  end
end
# --- tests
assert_equal([2, 3, 5, 7], primes_up_to(10))
assert_equal([2, 3, 5, 7, 11, 13], primes_up_to(13))
assert_equal([2], primes_up_to(2))
assert_equal([], primes_up_to(1))
assert_equal([], primes_up_to(-4))
assert_equal([2, 3, 5, 7, 11, 13, 17, 19, 23, 29], primes_up_to(30))
