# Returns the numbers from n down to 1, and then the word go!
#
# They are joined by a comma and a space; n is not negative.
#
#   countdown(3) # => "3, 2, 1, go!"
def countdown(n)
# --- solution
  [*n.downto(1), "go!"].join(", ")
end
