# Returns the larger of the two numbers.
#
#   larger_number(3, 8) # => 8
def larger_number(a, b)
# --- solution
  [a, b].max
end
