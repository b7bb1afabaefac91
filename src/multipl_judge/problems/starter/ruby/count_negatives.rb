# Returns how many of the given numbers are below zero.
#
#   count_negatives([3, -1, -2]) # => 2
def count_negatives(numbers)
# --- solution
  numbers.count(&:negative?)
end
