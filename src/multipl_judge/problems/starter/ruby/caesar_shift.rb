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
