# Returns n, from 1 to 3999, as a Roman number.
#
#   to_roman(4) # => "IV"
#   to_roman(1987) # => "MCMLXXXVII"
def to_roman(n)
# --- solution
  signs = {
    1000 => "M", 900 => "CM", 500 => "D", 400 => "CD", 100 => "C", 90 => "XC",
    50 => "L", 40 => "XL", 10 => "X", 9 => "IX", 5 => "V", 4 => "IV", 1 => "I"
  }
  signs.reduce("") do |roman, (value, sign)|
    count, n = n.divmod(value)
    roman + sign * count
  end
end
