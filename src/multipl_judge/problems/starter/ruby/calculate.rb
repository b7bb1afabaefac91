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
