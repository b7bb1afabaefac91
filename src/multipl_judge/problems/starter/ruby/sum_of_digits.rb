# Returns the sum of the decimal digits of n.
#
# A minus sign is ignored.
#
#   sum_of_digits(472) # => 13
def sum_of_digits(n)
# --- solution
  n.abs.digits.sum
end
