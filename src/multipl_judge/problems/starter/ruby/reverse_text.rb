# Returns text with its letters in reverse order.
#
#   reverse_text("drawer") # => "reward"
def reverse_text(text)
# --- solution
  text.reverse
end
# --- tests
assert_equal("reward", reverse_text("drawer"))
assert_equal("c ba", reverse_text("ab c"))
assert_equal("", reverse_text(""))
assert_equal("x", reverse_text("x"))
assert_equal("nooN", reverse_text("Noon"))
