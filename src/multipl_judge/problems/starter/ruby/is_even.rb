# Returns whether n is an even number.
#
#   even_number?(4) # => true
#   even_number?(7) # => false
def even_number?(n)
# --- solution
  n % 2 == 0
end
