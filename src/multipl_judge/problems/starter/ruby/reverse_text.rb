# Returns text with its letters in reverse order.
#
#   reverse_text("drawer") # => "reward"
def reverse_text(text)
# --- solution
  text.reverse
end
