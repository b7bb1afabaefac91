# Returns twice n.
#
#   double_number(4) # => 8
def double_number(n)
# --- solution
  2 * n
end
