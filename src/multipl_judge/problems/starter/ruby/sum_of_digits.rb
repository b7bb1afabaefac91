# Returns the sum of the decimal digits of n.
#
# A minus sign is ignored.
#
#   sum_of_digits(472) # => 13
def sum_of_digits(n)
# --- solution
  n.abs.digits.sum
end
# --- tests
assert_equal(13, sum_of_digits(472))
assert_equal(8, sum_of_digits(-35))
assert_equal(0, sum_of_digits(0))
assert_equal(1, sum_of_digits(1000))
assert_equal(45, sum_of_digits(99999))
