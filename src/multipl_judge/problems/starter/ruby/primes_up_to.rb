# Returns all prime numbers from 2 to n, n included, in ascending order.
#
#   primes_up_to(10) # => [2, 3, 5, 7]
def primes_up_to(n)
# --- solution
  (2..n).each_with_object([]) do |number, primes|
    primes << number if primes.none? { |prime| (number % prime).zero? }
  end
end
