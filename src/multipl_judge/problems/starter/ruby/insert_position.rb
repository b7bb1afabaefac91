# Returns the index of the first number that is not below target.
#
# The numbers are in ascending order. If all are below target, the result is how many there are.
#
#   insert_position([10, 20, 30], 20) # => 1
#   insert_position([10, 20, 30], 25) # => 2
def insert_position(numbers, target)
# --- solution
  numbers.bsearch_index { |number| number >= target } || numbers.size
end
