# Returns text with each letter moved by shift places in the alphabet.
#
# After z comes a again; upper and lower case are kept, and so is all that is no letter. A
# negative shift moves backwards.
#
#   caesar_shift("Hello, xyz!", 3) # => "Khoor, abc!"
#   caesar_shift("abc", -1) # => "zab"
def caesar_shift(text, shift)
# --- solution
  text.gsub(/[a-z]/i) do |letter|
    first = letter =~ /[a-z]/ ? "a".ord : "A".ord
    ((letter.ord - first + shift) % 26 + first).chr
  end
end
# --- tests
assert_equal("Khoor, abc!", caesar_shift("Hello, xyz!", 3))
assert_equal("zab", caesar_shift("abc", -1))
assert_equal("", caesar_shift("", 5))
assert_equal("Aa", caesar_shift("Zz", 27))
assert_equal("no change", caesar_shift("no change", 0))
assert_equal("y-Z 9", caesar_shift("a-B 9", -28))
assert_equal("z" * 30, caesar_shift("m" * 30, 13))
