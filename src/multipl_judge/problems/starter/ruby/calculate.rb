# Returns the value of an arithmetic expression.
#
# It holds whole numbers, the signs + - and *, round brackets and spaces. Multiplication goes
# before addition and subtraction; otherwise it is read from left to right.
#
#   calculate("2 + 3 * 4") # => 14
#   calculate("(2 + 3) * 4") # => 20
def calculate(expression)
# --- solution
  tokens = expression.scan(/\d+|[-+*()]/)
  total = nil
  factor = lambda do
    token = tokens.shift
    next token.to_i if token != "("

    value = total.call
    tokens.shift
    value
  end
  product = lambda do
    value = factor.call
    value *= factor.call while tokens.first == "*" && tokens.shift
    value
  end
  total = lambda do
    value = product.call
    value = value.send(tokens.shift, product.call) while %w[+ -].include?(tokens.first)
    value
  end
  total.call
end
# --- tests
assert_equal(14, calculate("2 + 3 * 4"))
assert_equal(20, calculate("(2 + 3) * 4"))
assert_equal(7, calculate("7"))
assert_equal(5, calculate("10 - 2 - 3"))
assert_equal(10, calculate("2*(3-(4-6))"))
assert_equal(7, calculate("12 - 2 * 3 + 1"))
assert_equal(32, calculate("((8))*2*2"))
assert_equal(-2, calculate("1 - (2 - (3 - 4))"))
assert_equal(-10, calculate(" 20-30 "))
